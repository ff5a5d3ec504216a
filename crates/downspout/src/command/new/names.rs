//! The names of schemas, tables and columns, made from the names of files and headers.

use std::collections::BTreeSet;

use ec2_worker::etl::header::is_of_system;

/// The length of the longest name in PostgreSQL, in bytes.
const LONGEST: usize = 63;
/// The words that PostgreSQL reserves, so that they must be quoted as names.
const RESERVED: &str = " all analyse analyze and any array as asc asymmetric authorization binary both case cast check \
    collate collation column concurrently constraint create cross current_catalog current_date current_role \
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end except \
    false fetch for foreign freeze from full grant group having ilike in initially inner intersect into is isnull join \
    lateral leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer \
    overlaps placing primary references returning right select session_user similar some symmetric system_user table \
    tablesample then to trailing true union unique user using variadic verbose when where window with ";

/// Returns a name of lower-case letters, digits and `_`; `otherwise` if nothing of the text is left.
pub(super) fn plain(text: &str, otherwise: &str) -> String {
    let mut name = String::new();
    for letter in text.trim().chars().flat_map(char::to_lowercase) {
        match letter {
            _ if letter.is_ascii_alphanumeric() => name.push(letter),
            _ if !name.is_empty() && !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_matches('_');
    match name.chars().next() {
        None => otherwise.to_owned(),
        Some(first) if first.is_ascii_digit() => cut(&format!("{otherwise}_{name}")).to_owned(),
        Some(_) => cut(name).to_owned(),
    }
}

/// Returns a name as SQL writes it: in quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match begins && is_plain && !RESERVED.contains(&format!(" {name} ")) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Returns names of columns that a load finds by the names of the header. Returns `None` if the header does not allow that: a
/// name is missing, or is there twice, or two names are equal as far as PostgreSQL keeps them.
pub(super) fn of_header(header: &[String]) -> Option<Vec<String>> {
    let loose: Vec<String> = header.iter().map(|name| column(name)).collect();
    if are_different(&loose) {
        return Some(loose);
    }
    // Names that differ only in capital letters or blanks stay as they are.
    let exact: Vec<String> = header.iter().map(|name| cut(name.trim()).to_owned()).collect();
    are_different(&exact).then_some(exact)
}

/// Returns names for the columns of a file for whose header [`of_header`] has none. A load finds the other columns by
/// their names, and these by their places.
pub(super) fn of_places(header: &[String]) -> Vec<String> {
    let wanted: Vec<String> = header.iter().map(|name| column(name)).collect();
    let named: BTreeSet<String> = wanted.iter().map(|name| loose(name)).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut names = Vec::new();
    for (index, name) in wanted.into_iter().enumerate() {
        let is_usable = !loose(&name).is_empty() && !name.contains('\0');
        let stem = if is_usable { cut_to(&name, LONGEST - 6).to_owned() } else { "column".to_owned() };
        let first = (is_usable && !taken.contains(&loose(&name))).then_some(name);
        let number = if is_usable { 2 } else { index + 1 };
        let others = (number..).map(|number| format!("{stem}_{number}"));
        let mut others = others.filter(|name| !named.contains(&loose(name)) && !taken.contains(&loose(name)));
        let Some(name) = first.or_else(|| others.next()) else { continue };
        taken.insert(loose(&name));
        names.push(name);
    }
    names
}

fn column(name: &str) -> String {
    let letters = name.trim().chars().flat_map(char::to_lowercase);
    let name: String = letters.map(|c| if c.is_whitespace() || c == '-' { '_' } else { c }).collect();
    let name = cut(&name).to_owned();
    // A load finds the column by the name without the `_`, too.
    if is_of_system(&name) { name + "_" } else { name }
}

/// Returns a name as a load compares it: names are the same for it if they differ in these characters only.
fn loose(name: &str) -> String {
    name.to_lowercase().replace(['_', '-', ' '], "")
}

fn are_different(names: &[String]) -> bool {
    let is_name = |name: &String| !loose(name).is_empty() && !name.contains('\0') && !is_of_system(name);
    let exact: BTreeSet<&String> = names.iter().collect();
    exact.len() == names.len() && names.iter().all(is_name)
}

fn cut(name: &str) -> &str {
    cut_to(name, LONGEST)
}

fn cut_to(name: &str, most: usize) -> &str {
    let mut end = name.len().min(most);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Option<Vec<String>> {
        of_header(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_of_columns_are_found_by_the_names_of_the_header() {
        assert_eq!(
            header(&["Order ID", "Net-Price", "Größe (cm)"]).expect("names"),
            ["order_id", "net_price", "größe_(cm)"]
        );
        assert_eq!(header(&["Id", "ID"]).expect("exact names"), ["Id", "ID"]);
        assert_eq!(header(&["id", "id"]), None);
        assert_eq!(header(&["id", ""]), None);
        let names = of_places(&["id", "id", "", "2024", "ID 2", "Id", "xmin"].map(str::to_owned));
        assert_eq!(names, ["id", "id_3", "column_3", "2024", "id_2", "id_4", "xmin_"]);
        assert_eq!(of_places(&["".to_owned(), "Column 1".to_owned()]), ["column_2", "column_1"]);
        assert_eq!(header(&["ctid", "XMIN", "oid"]).expect("names"), ["ctid_", "xmin_", "oid"]);
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        let stem = "x".repeat(63);
        assert_eq!(header(&[&format!("{stem}_first"), "id"]).expect("names"), [stem.as_str(), "id"]);
        let same = [format!("{stem}_first"), "id".to_owned(), format!("{stem}_second")];
        assert_eq!(of_header(&same), None);
        assert_eq!(of_places(&same), [stem.clone(), "id".to_owned(), format!("{}_2", &stem[..57])]);
    }

    #[test]
    fn names_are_quoted_where_sql_needs_it() {
        assert_eq!(
            [quoted("order_id"), quoted("order"), quoted("größe"), quoted("a\"b")],
            ["order_id", "\"order\"", "\"größe\"", "\"a\"\"b\""]
        );
        assert_eq!(plain("Sales Report (EU)", "data"), "sales_report_eu");
        assert_eq!([plain("2024", "data"), plain("日本", "data")], ["data_2024", "data"]);
    }
}
