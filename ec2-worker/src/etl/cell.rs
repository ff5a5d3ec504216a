//! The two texts of a cell with a number: the number itself, and the text that the workbook shows for it by its number format.
//!
//! Both go into the field, because only the type of the column says which of them is its value: `00123` in a column of text is
//! 123 in a column of numbers.

use super::column::ColumnType;

/// The byte between the number and the text. The other texts of a workbook are made without it.
pub const MARK: u8 = 0x1f;

/// Returns the number in a field of a workbook.
#[must_use]
pub fn plain(field: &[u8]) -> &[u8] {
    memchr::memchr(MARK, field).map_or(field, |index| &field[..index])
}

/// Returns the text that the workbook shows for a field.
#[must_use]
pub fn shown(field: &[u8]) -> &[u8] {
    memchr::memchr(MARK, field).map_or(field, |index| &field[index + 1..])
}

/// Returns whether columns of a type take the text that the workbook shows.
#[must_use]
pub fn takes_shown(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::Text(_) | ColumnType::Enum(_) | ColumnType::OtherText)
}

/// Returns the value of a field of a workbook in a column.
#[must_use]
pub fn value(kind: ColumnType, field: &[u8]) -> &[u8] {
    if takes_shown(kind) { shown(field) } else { plain(field) }
}

/// Returns the text of a field that decides about the type of its column: the number, unless the format makes a code of it.
#[must_use]
pub fn looked_at(field: &str) -> &str {
    let Some((plain, shown)) = field.split_once(char::from(MARK)) else { return field };
    let core = shown.trim_matches(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let number = |text: &str| text.trim_start_matches('-').parse::<f64>().ok();
    let is_code = core.len() > 1 && core.starts_with('0') && !core.contains('.');
    let is_number = !is_code && number(core).is_some() && number(core) == number(plain);
    if is_number || shown.contains('%') { plain } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_column_decides_between_the_number_and_its_text() {
        let field = b"123\x1f00123";
        assert_eq!(value(ColumnType::Text(None), field), b"00123");
        assert_eq!(value(ColumnType::Int4, field), b"123");
        assert_eq!(value(ColumnType::Text(None), b"123"), b"123");
        for (field, looked) in [
            ("123\x1f00123", "00123"),
            ("12.5\x1f12.50", "12.5"),
            ("0.12\x1f12%", "0.12"),
            ("12\x1f12 kg", "12"),
            ("12345\x1f0012-345", "0012-345"),
            ("7\x1fA-0007", "A-0007"),
            ("-5\x1f(5)", "-5"),
        ] {
            assert_eq!(looked_at(field), looked);
        }
    }
}
