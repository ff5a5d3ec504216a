//! Writes a number with its noun: `1 row`, `2 rows`.

use std::fmt::Display;

/// Returns `number` with `noun`, which gets an `s` unless the number is 1. The number may be a text with grouped digits.
#[must_use]
pub fn counted(number: impl Display, noun: &str) -> String {
    let number = number.to_string();
    let ending = if number == "1" { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_not_many() {
        let said = [counted(0, "row"), counted(1, "row"), counted(2, "row"), counted("1,000", "row")];
        assert_eq!(said, ["0 rows", "1 row", "2 rows", "1,000 rows"]);
    }
}
