//! Checks the values inside a value: the elements of an array, the bounds of a range, the fields of a composite value. Each of them
//! has the same meaning as alone, or the whole value is refused.

use super::super::column::{Column, ColumnType, Inside};
use super::super::number_form::NumberForm;
use super::super::value_rules::ColumnRules;
use super::blanks::{is_blank, trim, trim_start};
use super::other::without_form;
use super::refusal::{shown, with_article};

/// The most dimensions of an array of PostgreSQL.
const MOST_DIMENSIONS: usize = 6;

/// Why a text is not a value.
enum Misfit<'a> {
    /// It has not the form of its type.
    Form,
    /// This value inside is not one of its type.
    Value(Vec<u8>, &'a Column),
    /// In this array, a comma may stand between two elements or inside a number.
    Array(Vec<u8>),
}

/// Checks `text`, a value of `column` with values inside. The fields of the definition for dates and numbers do not count for these,
/// so a number is refused if it has a character to which `rules` give another meaning than PostgreSQL.
///
/// # Errors
///
/// If it is not a value, or if PostgreSQL would read another value than the same text gives in a column of its own.
pub(super) fn check(
    column: &Column,
    inside: &Inside,
    rules: &ColumnRules,
    text: &[u8],
) -> Result<(), String> {
    let (value, of) = (shown(text), with_article(&column.type_name));
    let fits = |column: &Column, text: &[u8]| is_value(rules.numbers.as_ref(), column, text);
    let form_of_numbers = rules.numbers.as_ref();
    Reader { fits: &fits, form: form_of_numbers }.value(inside, text).map_err(|misfit| match misfit {
        Misfit::Form => format!("{value} is not {of}{}", form(inside, text)),
        Misfit::Value(inner, leaf) => {
            format!(
                "{value} is not {of}: {} in it is not {}{}",
                shown(&inner),
                with_article(&leaf.type_name),
                remedy(leaf, form_of_numbers)
            )
        }
        Misfit::Array(array) => format!(
            "{value} is not {of}: {} in it may be read in two ways, because `myDecimal` and `myGrouping` do not count there; {}",
            shown(&array),
            written_plainly(form_of_numbers)
        ),
    })
}

/// Says how a value of a type is written.
fn form(inside: &Inside, text: &[u8]) -> &'static str {
    match inside {
        Inside::Array(..) if trim_start(text).starts_with(b"[") => {
            ": an array is written in braces; write {1,2}, or give the column the type jsonb"
        }
        Inside::Array(..) => "; write the value as PostgreSQL reads its type, such as {1,2}",
        Inside::Range(_) => "; write the value as PostgreSQL reads its type, such as [1,5)",
        Inside::Multirange(_) => "; write the value as PostgreSQL reads its type, such as {[1,5),[7,9)}",
        Inside::Composite(_) => {
            "; write the value as PostgreSQL reads its type, such as (1,\"a b\"), with one value for each of its columns"
        }
        Inside::Value(_) => "; correct the value",
    }
}

/// Says how to write a value inside another one, where no field of the definition counts.
fn remedy(leaf: &Column, form: Option<&NumberForm>) -> &'static str {
    let groups_by_point = form.is_some_and(|form| form.grouping == Some('.'));
    match leaf.kind {
        kind if kind.moments().is_some() => {
            "; inside a value, write dates and times as PostgreSQL does: 2025-12-31, 23:59:59, with an offset such as +01:00 where the type has one"
        }
        ColumnType::Money if groups_by_point => {
            "; inside a value, write whole amounts, because the point of `myGrouping` might group their digits, or load the file without \
             `myGrouping`"
        }
        ColumnType::Interval(_) if groups_by_point => {
            "; inside a value, write intervals in whole numbers, such as 90 minutes or -01:30:00, because the point of `myGrouping` might \
             group their digits"
        }
        kind if kind.is_number() && groups_by_point => {
            "; inside a value, write whole numbers without groups, and a fraction with an exponent, such as 15e-1 for 1.5, because the point \
             of `myGrouping` might group digits"
        }
        ColumnType::Money => "; inside a value, write amounts as 1234.56, with at most two decimals",
        ColumnType::Interval(_) => {
            "; inside a value, write intervals as 1.5 hours or -01:30:00, with units that the type keeps"
        }
        kind if kind.is_number() => {
            "; inside a value, write numbers as 1234.5, without letters, `_` and groups, and such as fit the type; with `myGrouping` or \
             `myDecimal`, only numbers without these characters"
        }
        _ => "; correct the value",
    }
}

/// Returns whether `is_wanted` is true of a single value inside `text`, which is a value.
#[must_use]
pub fn any_inside(inside: &Inside, text: &[u8], is_wanted: &dyn Fn(&Column, &[u8]) -> bool) -> bool {
    let found = Reader { fits: &|column, text| !is_wanted(column, text), form: None }.value(inside, text);
    matches!(found, Err(Misfit::Value(..)))
}

/// Returns whether `text` is a value of a column inside a value. `form` is the form of numbers that counts outside of it.
fn is_value(form: Option<&NumberForm>, column: &Column, text: &[u8]) -> bool {
    let is_plain =
        !column.kind.has_numbers() || form.is_none_or(|form| without_form(form, false, text).is_some());
    is_plain && super::plain(column, &ColumnRules::NONE, text).is_ok()
}

/// Says how to write the numbers of a list if `form` gives the point or the comma another meaning outside of it.
pub(super) fn written_plainly(form: Option<&NumberForm>) -> &'static str {
    if form.is_some_and(|form| form.grouping == Some('.')) {
        "write whole numbers without groups, a fraction with an exponent, such as 15e-1 for 1.5, and a blank after each comma"
    } else {
        "write its numbers as 1234.5, and a blank after each comma"
    }
}

/// Reads the values inside a value, and asks `fits` about each of them. `form` is the form of numbers that counts outside of it.
struct Reader<'f> {
    fits: &'f dyn Fn(&Column, &[u8]) -> bool,
    form: Option<&'f NumberForm>,
}

impl Reader<'_> {
    fn value<'a>(&self, inside: &'a Inside, text: &[u8]) -> Result<(), Misfit<'a>> {
        match inside {
            Inside::Value(column) => {
                if (self.fits)(column, text) {
                    Ok(())
                } else {
                    Err(Misfit::Value(text.to_vec(), column))
                }
            }
            Inside::Array(separator, of) => self.array(*separator, of, text),
            Inside::Composite(fields) => self.composite(fields, text),
            Inside::Range(of) => {
                let rest = self.range(of, trim_start(text))?;
                only_blanks(rest)
            }
            Inside::Multirange(of) => self.multirange(of, text),
        }
    }

    /// Checks an array, as `array_in` of PostgreSQL reads it.
    fn array<'a>(&self, separator: u8, of: &'a Inside, text: &[u8]) -> Result<(), Misfit<'a>> {
        let has_numbers = matches!(of, Inside::Value(element) if element.kind.has_numbers());
        if has_numbers && self.form.is_some_and(|form| without_form(form, true, text).is_none()) {
            return Err(Misfit::Array(text.to_vec()));
        }
        let mut rest = trim_start(text);
        // The bounds stand before the elements, as `[0:1]=`.
        if rest.starts_with(b"[") {
            let end = memchr::memchr(b'=', rest).ok_or(Misfit::Form)?;
            rest = trim_start(&rest[end + 1..]);
        }
        only_blanks(self.braces(separator, of, rest, 1)?)
    }

    /// Checks the elements in braces at the start of `text`, and returns the rest. `depth` is the number of open braces.
    fn braces<'a, 't>(
        &self,
        separator: u8,
        of: &'a Inside,
        text: &'t [u8],
        depth: usize,
    ) -> Result<&'t [u8], Misfit<'a>> {
        // Without this limit, a text of many braces would exhaust the stack, which ends the whole worker.
        if depth > MOST_DIMENSIONS {
            return Err(Misfit::Form);
        }
        let mut rest = trim_start(text.strip_prefix(b"{").ok_or(Misfit::Form)?);
        if let Some(rest) = rest.strip_prefix(b"}") {
            return Ok(rest);
        }
        loop {
            rest = trim_start(rest);
            rest = if rest.starts_with(b"{") {
                self.braces(separator, of, rest, depth + 1)?
            } else {
                self.element(separator, of, rest)?
            };
            rest = trim_start(rest);
            match rest.split_first() {
                Some((b'}', after)) => return Ok(after),
                Some((byte, after)) if *byte == separator => rest = after,
                _ => return Err(Misfit::Form),
            }
        }
    }

    /// Checks the element of an array at the start of `text`, and returns the rest.
    fn element<'a, 't>(&self, separator: u8, of: &'a Inside, text: &'t [u8]) -> Result<&'t [u8], Misfit<'a>> {
        let (mut value, mut index, is_quoted) = (Vec::new(), 0, text.starts_with(b"\""));
        // Blanks at the end of an unquoted element do not count, unless a backslash stands before them.
        let mut kept = 0;
        if is_quoted {
            index += 1;
        }
        loop {
            match *text.get(index).ok_or(Misfit::Form)? {
                b'"' if is_quoted => {
                    index += 1;
                    kept = value.len();
                    break;
                }
                b'\\' => {
                    value.push(*text.get(index + 1).ok_or(Misfit::Form)?);
                    index += 2;
                    kept = value.len();
                }
                b'"' | b'{' if !is_quoted => return Err(Misfit::Form),
                byte if !is_quoted && (byte == separator || byte == b'}') => break,
                byte => {
                    value.push(byte);
                    index += 1;
                    if is_quoted || !is_blank(byte) {
                        kept = value.len();
                    }
                }
            }
        }
        value.truncate(kept);
        if !is_quoted && value.is_empty() {
            return Err(Misfit::Form);
        }
        let is_null = !is_quoted && trim(&text[..index]).eq_ignore_ascii_case(b"null");
        if !is_null {
            self.value(of, &value)?;
        }
        Ok(&text[index..])
    }

    /// Checks a composite value, as `record_in` of PostgreSQL reads it.
    fn composite<'a>(&self, fields: &'a [Inside], text: &[u8]) -> Result<(), Misfit<'a>> {
        let mut rest = trim_start(text).strip_prefix(b"(").ok_or(Misfit::Form)?;
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix(b",").ok_or(Misfit::Form)?;
            }
            let (value, after) = part(rest, b",)")?;
            value.map_or(Ok(()), |value| self.value(field, &value))?;
            rest = after;
        }
        only_blanks(rest.strip_prefix(b")").ok_or(Misfit::Form)?)
    }

    /// Checks the range at the start of `text`, as `range_in` of PostgreSQL reads it, and returns the rest.
    fn range<'a, 't>(&self, of: &'a Inside, text: &'t [u8]) -> Result<&'t [u8], Misfit<'a>> {
        const EMPTY: &[u8] = b"empty";
        if text.get(..EMPTY.len()).is_some_and(|word| word.eq_ignore_ascii_case(EMPTY)) {
            return Ok(&text[EMPTY.len()..]);
        }
        let (first, rest) = text.split_first().ok_or(Misfit::Form)?;
        if !matches!(first, b'[' | b'(') {
            return Err(Misfit::Form);
        }
        let (lower, rest) = part(rest, b",])")?;
        let (upper, rest) = part(rest.strip_prefix(b",").ok_or(Misfit::Form)?, b",])")?;
        for bound in [lower, upper].into_iter().flatten() {
            self.value(of, &bound)?;
        }
        match rest.split_first() {
            Some((b']' | b')', after)) => Ok(after),
            _ => Err(Misfit::Form),
        }
    }

    fn multirange<'a>(&self, of: &'a Inside, text: &[u8]) -> Result<(), Misfit<'a>> {
        let mut rest = trim_start(trim(text).strip_prefix(b"{").ok_or(Misfit::Form)?);
        if let Some(rest) = rest.strip_prefix(b"}") {
            return only_blanks(rest);
        }
        loop {
            rest = trim_start(self.range(of, trim_start(rest))?);
            match rest.split_first() {
                Some((b'}', after)) => return only_blanks(after),
                Some((b',', after)) => rest = after,
                _ => return Err(Misfit::Form),
            }
        }
    }
}

fn only_blanks<'a>(rest: &[u8]) -> Result<(), Misfit<'a>> {
    if trim(rest).is_empty() { Ok(()) } else { Err(Misfit::Form) }
}

/// Reads a field of a composite value or a bound of a range up to one of `ends` outside quotes. Returns its text, or `None` if it is empty
/// without quotes, and the rest from the end on.
fn part<'a, 't>(text: &'t [u8], ends: &[u8]) -> Result<(Option<Vec<u8>>, &'t [u8]), Misfit<'a>> {
    let (mut value, mut index, mut in_quotes) = (Vec::new(), 0, false);
    loop {
        let byte = *text.get(index).ok_or(Misfit::Form)?;
        match byte {
            b'\\' => {
                value.push(*text.get(index + 1).ok_or(Misfit::Form)?);
                index += 1;
            }
            b'"' if in_quotes && text.get(index + 1) == Some(&b'"') => {
                value.push(b'"');
                index += 1;
            }
            b'"' => in_quotes = !in_quotes,
            _ if !in_quotes && ends.contains(&byte) => {
                return Ok(((index > 0).then_some(value), &text[index..]));
            }
            _ => value.push(byte),
        }
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(name: &str) -> Inside {
        Inside::Value(Box::new(Column::of("", name, ColumnType::of(name, "b", true, -1))))
    }

    fn fits(inside: &Inside, text: &str) -> bool {
        Reader { fits: &|column, text| is_value(None, column, text), form: None }
            .value(inside, text.as_bytes())
            .is_ok()
    }

    #[test]
    fn the_elements_of_an_array_are_checked_as_single_values() {
        let of = |name| Inside::Array(b',', Box::new(leaf(name)));
        let cases = [
            ("int4", "{1, 2 ,NULL}", true),
            ("int4", "\x0b{\x0b1\x0c,\x0b\x0c2\x0b,\x0bNULL\x0b}\x0b", true),
            ("int4", "{}", true),
            ("int4", "[0:1]={1,2}", true),
            ("int4", "{{1,2},{3,4}}", true),
            ("int4", "{1,,2}", false),
            ("int4", "{1,2} x", false),
            ("int4", "{0x10}", false),
            ("int4", "{1", false),
            ("money", "{\"1,5\"}", false),
            ("money", "{\"1,500.00\"}", true),
            ("money", "{1.239}", false),
            ("money", "{-}", false),
            ("interval", "{12-}", false),
            ("interval", "{\"1 day 02:00\",-01:30:00}", true),
            ("char", "{a,\"\"}", true),
            ("char", "{ab}", false),
            ("text", "{\"a\\\"b\",c\\ d,null}", true),
        ];
        for (name, text, wanted) in cases {
            assert_eq!(fits(&of(name), text), wanted, "{name} {text}");
        }
    }

    #[test]
    fn an_array_has_at_most_six_dimensions_and_more_braces_do_no_harm() {
        let of = Inside::Array(b',', Box::new(leaf("int4")));
        for (depth, wanted) in [(6, true), (7, false), (1_000_000, false)] {
            let text = format!("{}1{}", "{".repeat(depth), "}".repeat(depth));
            assert_eq!(fits(&of, &text), wanted, "{depth} dimensions");
        }
    }

    #[test]
    fn ranges_and_composite_values_are_read_as_the_server_reads_them() {
        let range = Inside::Range(Box::new(leaf("timestamp")));
        for (text, wanted) in [
            ("[2025-01-01 10:00,2025-01-01 11:00)", true),
            ("[2025-01-01 10:00+02,)", false),
            ("( , )", false),
            ("(,)", true),
            ("empty", true),
            (" [\"2025-01-01 10:00\",infinity] ", true),
            ("[2025-01-01 10:00]", false),
        ] {
            assert_eq!(fits(&range, text), wanted, "{text}");
        }
        let many = Inside::Multirange(Box::new(leaf("int4")));
        for (text, wanted) in [("{[1,5),[7,9)}", true), ("{}", true), ("{[1,x)}", false), ("[1,5)", false)] {
            assert_eq!(fits(&many, text), wanted, "{text}");
        }
        let pair = Inside::Composite(vec![leaf("text"), Inside::Array(b',', Box::new(leaf("date")))]);
        for (text, wanted) in [
            ("(today,)", true),
            ("(\"05/06/2024\",\"{2025-01-01,2025-01-02}\")", true),
            ("(a,\"{05/06/2024}\")", false),
            ("(a)", false),
            ("(a,,)", false),
            ("(\"a \"\"b\"\", c\",)", true),
        ] {
            assert_eq!(fits(&pair, text), wanted, "{text}");
        }
    }
}
