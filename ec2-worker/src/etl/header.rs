//! Matches the header of a file to the columns of a table. [`declared`] reads the names that a data format declares.
//!
//! A name of the file means the column with exactly this name; or else the only column that is equal apart from capital
//! letters; or else the only one that is equal also apart from spaces, underscores and hyphens. A name that is longer than
//! PostgreSQL's names also means the column whose name is its beginning.

use definition::kind::field::OnColumns;

use super::column::Column;
use super::table::Table;

mod alike;
mod declared;
mod distance;
mod of_query;

pub use alike::has_alike;
use alike::{cut, short};
pub(super) use alike::{is_loosely, loose};
pub use declared::{by_place, declared_names, declares, order};
use distance::distance;
pub use of_query::by_query;

/// The separators for which people mistake each other's files.
const SEPARATORS: [char; 5] = [';', '\t', '|', ',', ':'];

/// The treatment of a header that lacks a name or has one twice.
const NAMES_BY_PLACE: &str =
    "; name it in the file, or name all columns in order by `column` of the data format";
/// The first name of `column` in a data format for a file whose header has no field for it, as R (`write.table`) writes it.
pub const ROW_NAMES: &str = "row_names";
/// The names that every table of PostgreSQL has for columns of its own.
const OF_SYSTEM: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// All reasons why a header does not fit a table, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongHeader(pub Vec<String>);

/// How the fields of the records of a file go into the columns of a table.
#[derive(Clone, Debug, Default)]
pub struct Fit {
    /// The columns to fill, in the order of the file.
    pub columns: Vec<Column>,
    /// For each column, the index of its field in a record; empty if the columns take all fields in order.
    pub fields: Vec<usize>,
    /// The number of fields in a record.
    pub width: usize,
    /// The names in the header, for the comparison with other files; empty if the file has no header.
    pub names: Vec<String>,
    /// The columns that the load has to add to the table first.
    pub added: Vec<String>,
    /// Remarks for the user.
    pub notes: Vec<String>,
}

impl Fit {
    /// Returns the fit of a file whose fields are `columns` in order.
    #[must_use]
    pub fn in_order(columns: Vec<Column>) -> Self {
        Self { width: columns.len(), columns, ..Self::default() }
    }

    /// Returns the column that takes the field `index`.
    #[must_use]
    pub fn column_of(&self, index: usize) -> Option<&Column> {
        if self.fields.is_empty() {
            return self.columns.get(index);
        }
        let place = self.fields.iter().position(|field| *field == index)?;
        self.columns.get(place)
    }

    /// Returns whether a field goes into `column`.
    fn has(&self, column: &Column) -> bool {
        self.columns.iter().any(|seen| seen.name == column.name)
    }

    /// Returns the names by which headers of several files are compared, sorted.
    #[must_use]
    pub fn name_set(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names.iter().map(|name| loose(name)).collect();
        names.sort_unstable();
        names
    }
}

/// The columns of a table as a header is matched to them.
#[derive(Clone, Debug)]
pub struct Target {
    /// The columns that can be filled.
    pub columns: Vec<Column>,
    /// The columns that the database generates.
    pub generated: Vec<String>,
    /// How to treat names that the table lacks.
    pub on_columns: OnColumns,
}

impl Target {
    /// Returns the columns of `table`.
    #[must_use]
    pub fn of(table: &Table, on_columns: OnColumns) -> Self {
        Self { columns: table.columns.clone(), generated: table.generated.clone(), on_columns }
    }
}

/// The meaning of a name of a header.
enum Meaning<'a> {
    Column(&'a Column),
    Generated(&'a str),
    Several(Vec<&'a str>),
    Nothing,
}

/// Inserts `row_names` as the first name if the data format declares it: R writes no name above its column of row names.
pub fn add_row_names(names: &mut Vec<String>, declared: &[String]) {
    let is_declared = declared.first().is_some_and(|first| declared::is_named(first, ROW_NAMES));
    if is_declared
        && declared.len() == names.len() + 1
        && !names.iter().any(|name| loose(name) == loose(ROW_NAMES))
    {
        names.insert(0, ROW_NAMES.to_owned());
    }
}

/// Returns how the fields of a file with a header go into a table. If `declared` has as many names as the header, it names
/// the columns whose name in the header is empty or stands there a second time, by their places. It also names the fields without
/// a name that have no column.
///
/// # Errors
///
/// If a name is unknown, ambiguous or appears twice, or a column without a default is missing.
pub fn by_name(names: &[String], target: &Target, declared: &[String]) -> Result<Fit, WrongHeader> {
    let (mut problems, mut loosely) = (Vec::new(), Vec::new());
    let mut fit = Fit { width: names.len(), names: names.to_vec(), ..Fit::default() };
    let filled = declared::filled(names, target, declared);
    let names = filled.as_slice();
    let places = Places::of(names, target, declared);
    let (mut left_out, mut generated) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        let (name, number) = (name.trim(), index + 1);
        match meaning(name, target) {
            _ if places.column(index).is_some_and(|column| !fit.has(column)) => {
                fit.columns.extend(places.column(index).cloned());
                fit.fields.push(index);
            }
            Meaning::Column(column) => {
                if let Some(place) = fit.columns.iter().position(|seen| seen.name == column.name) {
                    problems.push(twice(number, name, names[fit.fields[place]].trim(), fit.fields[place]));
                    continue;
                }
                if column.name != name {
                    loosely.push(format!("`{name}` is loaded into `{}`", column.name));
                }
                fit.columns.push(column.clone());
                fit.fields.push(index);
            }
            Meaning::Generated(column) => generated.push(column),
            Meaning::Several(columns) => problems.push(declared::ambiguous(number, name, &columns)),
            Meaning::Nothing if name.is_empty() => {
                problems.push(format!("column {number} has no name{NAMES_BY_PLACE}"));
            }
            Meaning::Nothing => match target.on_columns {
                OnColumns::Strict => problems.push(unknown(number, name, names, target)),
                OnColumns::IgnoreExtra => left_out.push(name),
                OnColumns::AddMissing => match added(name, &fit) {
                    Ok(column) => {
                        fit.added.push(column.name.clone());
                        fit.columns.push(column);
                        fit.fields.push(index);
                    }
                    Err(other) => problems
                        .push(format!("column {number}, `{name}`, and another column both make `{other}`")),
                },
            },
        }
    }
    for column in target.columns.iter().filter(|column| !column.has_default && !fit.has(column)) {
        problems.push(format!("column `{}` is missing", column.name));
    }
    if !problems.is_empty() {
        problems.extend(other_separator(names));
        return Err(WrongHeader(problems));
    }
    fit.notes = notes(&loosely, &generated, &left_out);
    Ok(fit)
}

/// The columns that the data format names by their places, because the header has no names for them.
struct Places<'a>(Vec<Option<&'a Column>>);

impl<'a> Places<'a> {
    fn of(names: &[String], target: &'a Target, declared: &[String]) -> Self {
        if declared.len() != names.len() {
            return Self(Vec::new());
        }
        let declared = declared::names_for(declared, target).unwrap_or_else(|_| declared.to_vec());
        let named: Vec<&str> = names
            .iter()
            .filter_map(|name| match meaning(name.trim(), target) {
                Meaning::Column(column) => Some(column.name.as_str()),
                _ => None,
            })
            .collect();
        let of_place = |(index, name): (usize, &String)| {
            let is_nameless = loose(name).is_empty() || has_alike(&names[..index], name);
            let Meaning::Column(column) = meaning(declared[index].trim(), target) else { return None };
            // A column that the header names stands in another place there.
            Some(column).filter(|column| is_nameless && !named.contains(&column.name.as_str()))
        };
        Self(names.iter().enumerate().map(of_place).collect())
    }

    fn column(&self, index: usize) -> Option<&'a Column> {
        self.0.get(index).copied().flatten()
    }
}

fn notes(loosely: &[String], generated: &[&str], left_out: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    if !loosely.is_empty() {
        notes.push(format!("columns by similar names: {}", loosely.join(", ")));
    }
    if !generated.is_empty() {
        notes.push(format!(
            "left out, because the database generates the column: {}",
            quoted(generated, ", ")
        ));
    }
    if !left_out.is_empty() {
        notes.push(format!("left out, because the table has no such column: {}", quoted(left_out, ", ")));
    }
    notes
}

fn quoted(names: &[&str], between: &str) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
}

fn meaning<'a>(name: &str, target: &'a Target) -> Meaning<'a> {
    let loose_name = loose(name);
    if loose_name.is_empty() && !target.columns.iter().any(|column| column.name == name) {
        return Meaning::Nothing;
    }
    let lower = name.to_lowercase();
    let short_name = short(name);
    let same: [&dyn Fn(&str) -> bool; 4] = [
        &|known| known == cut(name),
        &|known| known.to_lowercase() == cut(&lower),
        &|known| loose(known) == loose_name,
        &|known| loose(known) == short_name,
    ];
    for is_same in same {
        let columns = target.columns.iter().filter(|column| is_same(&column.name));
        let columns = columns.map(|column| (column.name.as_str(), Meaning::Column(column)));
        let generated = target.generated.iter().filter(|column| is_same(column));
        let generated = generated.map(|column| (column.as_str(), Meaning::Generated(column)));
        let mut found: Vec<_> = columns.chain(generated).collect();
        match found.len() {
            0 => {}
            1 => return found.remove(0).1,
            _ => return Meaning::Several(found.iter().map(|(column, _)| *column).collect()),
        }
    }
    Meaning::Nothing
}

/// Returns whether PostgreSQL keeps a name for itself, so that no column of a table can have it.
#[must_use]
pub fn is_of_system(name: &str) -> bool {
    OF_SYSTEM.contains(&name)
}

/// Returns the column that a load adds to the table for `name`, or the name of such a column if the fit has it already.
fn added(name: &str, fit: &Fit) -> Result<Column, String> {
    let name: String = name.chars().map(|letter| if letter.is_whitespace() { '_' } else { letter }).collect();
    let mut name = cut(&name.to_lowercase()).to_owned();
    if is_of_system(&name) {
        // The next load finds the column by the name in the file, because names are equal apart from `_`.
        name.push('_');
    }
    if fit.columns.iter().any(|column| column.name == name) {
        return Err(name);
    }
    Ok(Column { has_default: true, ..Column::of_text(name) })
}

fn twice(number: usize, name: &str, first: &str, first_index: usize) -> String {
    if name == first {
        return format!("column {number} names `{name}` a second time{NAMES_BY_PLACE}");
    }
    if short(name) == short(first) && loose(name) != loose(first) {
        return format!(
            "column {number}, `{name}`, and column {}, `{first}`, are the same name in PostgreSQL, which keeps the first 63 bytes of a \
             name{NAMES_BY_PLACE}",
            first_index + 1
        );
    }
    format!(
        "column {number}, `{name}`, and column {}, `{first}`, mean the same column of the table",
        first_index + 1
    )
}

fn unknown(number: usize, name: &str, names: &[String], target: &Target) -> String {
    let free = target
        .columns
        .iter()
        .filter(|column| names.iter().all(|name| !column.name.eq_ignore_ascii_case(name.trim())));
    let near = free
        .map(|column| (distance(&column.name, &name.to_lowercase()), &column.name))
        .filter(|(distance, near)| *distance <= 1 + near.chars().count() / 4)
        .min();
    match near {
        Some((_, near)) => format!("column {number}, `{name}`, is not in the table; did you mean `{near}`?"),
        None if name.chars().any(|letter| ('\u{300}'..='\u{36f}').contains(&letter)) => format!(
            "column {number}, `{name}`, is not in the table as it is written: its letters with accents are two characters each (NFD), \
             as macOS writes them; compose them (NFC)"
        ),
        None => format!("column {number}, `{name}`, is not in the table"),
    }
}

/// Returns a question if the only name in the header contains a separator of other files.
fn other_separator(names: &[String]) -> Option<String> {
    let [only] = names else { return None };
    let separator = SEPARATORS.into_iter().find(|separator| only.trim().contains(*separator))?;
    let shown = if separator == '\t' { "\\t".to_owned() } else { separator.to_string() };
    Some(format!(
        "the header has one column that contains `{shown}`: is `{shown}` the separator? Set `columnSeparator` or \
         `myDialect` auto in the data format"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, has_default: bool) -> Column {
        Column { has_default, ..Column::of_text(name) }
    }

    fn table() -> Target {
        let columns = vec![column("order_id", false), column("quantity", false), column("loaded_at", true)];
        Target { columns, generated: vec!["total".to_owned()], on_columns: OnColumns::Strict }
    }

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn fitted(header: &str, target: &Target) -> Fit {
        by_name(&names(header), target, &[]).expect("it fits")
    }

    fn problems(header: &str, target: &Target) -> Vec<String> {
        by_name(&names(header), target, &[]).expect_err("it does not fit").0
    }

    fn filled(fit: &Fit) -> Vec<String> {
        let columns = fit.columns.iter().zip(&fit.fields);
        columns.map(|(column, field)| format!("{} from {field}", column.name)).collect()
    }

    #[test]
    fn names_match_in_any_order_and_columns_with_defaults_may_be_absent() {
        let fit = fitted("quantity, order_id", &table());
        assert_eq!(filled(&fit), ["quantity from 0", "order_id from 1"]);
        assert_eq!(fit.notes, Vec::<String>::new());
    }

    #[test]
    fn names_match_apart_from_capitals_spaces_underscores_and_hyphens_with_a_note() {
        for header in ["Order ID,QUANTITY", "order-id,Quantity", "OrderId, quanti_ty"] {
            let fit = fitted(header, &table());
            assert_eq!(filled(&fit), ["order_id from 0", "quantity from 1"], "{header}");
        }
        let notes = fitted("Order ID,quantity", &table()).notes;
        assert_eq!(notes, ["columns by similar names: `Order ID` is loaded into `order_id`"]);
        let long = "x".repeat(70);
        let target = Target { columns: vec![column(&long[..63], false)], ..table() };
        assert_eq!(fitted(&long, &target).columns.len(), 1, "PostgreSQL cut the name");
    }

    #[test]
    fn a_name_that_may_mean_two_columns_is_refused_unless_it_is_exact() {
        let columns = vec![column("order_id", true), column("orderid", true), column("OrderId", true)];
        let target = Target { columns, ..table() };
        assert_eq!(filled(&fitted("orderid,OrderId", &target)), ["orderid from 0", "OrderId from 1"]);
        assert_eq!(filled(&fitted("ORDER_ID", &target)), ["order_id from 0"]);
        let [said] = &problems("order-id", &target)[..] else { panic!("one problem") };
        assert_eq!(
            said,
            "column 1, `order-id`, may mean `order_id` or `orderid` or `OrderId`; write the name as the table has it"
        );
        assert_eq!(
            problems("order_id,Order ID,quantity", &table()),
            ["column 2, `Order ID`, and column 1, `order_id`, mean the same column of the table"]
        );
    }

    #[test]
    fn every_problem_of_a_header_is_reported_with_a_suggestion() {
        assert_eq!(
            problems("order_id,qantity,order_id,", &table()),
            [
                "column 2, `qantity`, is not in the table; did you mean `quantity`?",
                &format!("column 3 names `order_id` a second time{NAMES_BY_PLACE}"),
                &format!("column 4 has no name{NAMES_BY_PLACE}"),
                "column `quantity` is missing",
            ]
        );
        let said = problems("order_id;quantity", &table()).pop().expect("a problem");
        assert!(said.contains("one column that contains `;`: is `;` the separator?"), "{said}");
    }

    #[test]
    fn a_generated_column_is_left_out_and_extra_columns_as_the_load_says() {
        let fit = fitted("order_id,Total,quantity", &table());
        assert_eq!(filled(&fit), ["order_id from 0", "quantity from 2"]);
        assert_eq!((fit.width, fit.column_of(1), fit.notes.len()), (3, None, 1));
        let header = "order_id,Sent On,quantity";
        assert_eq!(problems(header, &table()), ["column 2, `Sent On`, is not in the table"]);
        let ignoring = Target { on_columns: OnColumns::IgnoreExtra, ..table() };
        let fit = fitted(header, &ignoring);
        assert_eq!(filled(&fit), ["order_id from 0", "quantity from 2"]);
        assert_eq!(fit.notes, ["left out, because the table has no such column: `Sent On`"]);
        let adding = Target { on_columns: OnColumns::AddMissing, ..table() };
        let fit = fitted(header, &adding);
        assert_eq!(filled(&fit), ["order_id from 0", "sent_on from 1", "quantity from 2"]);
        assert_eq!(fit.added, ["sent_on"]);
        assert_eq!(problems("order_id,quantity,a b,A_B", &adding).len(), 1);
        let system = fitted("order_id,quantity,xmin,CTID", &adding);
        assert_eq!(system.added, ["xmin_", "ctid_"], "PostgreSQL has columns of these names in every table");
    }

    #[test]
    fn names_of_rows_are_added_only_if_they_are_declared_first() {
        let added = |header: &str, declared: &str| {
            let mut header = names(header);
            add_row_names(&mut header, &names(declared));
            header.join(",")
        };
        assert_eq!(added("x,y", "row_names,x,y"), "row_names,x,y");
        for (header, declared) in [
            ("x,y", "id,x,y"),
            ("x,y", "row_names,x"),
            ("Row Names,y", "row_names,x,y"),
            ("x,y", "x,y,row_names"),
        ] {
            assert_eq!(added(header, declared), header);
        }
    }

    #[test]
    fn columns_without_names_of_their_own_are_named_by_their_places() {
        let target = Target {
            columns: ["column_1", "a", "a_2", "b"].map(|name| column(name, false)).to_vec(),
            ..table()
        };
        let declared = names("column_1,a,a_2,b");
        let by_places = |header: &str| by_name(&names(header), &target, &declared).map(|fit| filled(&fit));
        let first = ["column_1 from 0", "a from 1", "a_2 from 2", "b from 3"];
        assert_eq!(by_places(",a,a,b").expect("the header that the names were made for"), first);
        for moved in [",A,b,a", "a,,a,b", "a,a,b,", "b,a,a,", ",a,b", ",a,a,c", "x,a,a,b"] {
            assert!(by_places(moved).is_err(), "{moved}: {:?}", by_places(moved));
        }
        assert_eq!(problems(",a,a,b", &target).len(), 4, "without names in the data format");
    }
}
