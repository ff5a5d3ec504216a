//! The form in which S3 writes keys into notifications, and into lists for `encoding-type=url`.
//!
//! Such a key can have any character. A list without this encoding is XML that no reader accepts if one of its keys contains
//! a control character.

use percent_encoding::percent_decode_str;

/// Decodes a form-encoded key: `+` is a space and `%XX` a byte. Returns `None` if the result is not UTF-8.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_characters_is_decoded_once() {
        let decoded = |text| decoded(text).unwrap_or_default();
        assert_eq!(decoded("a+b%2Bc%25%2B/d"), "a b+c%+/d");
        assert_eq!(decoded("in/%01%1B%5B2J%C3%A9.csv"), "in/\u{1}\u{1b}[2Jé.csv");
        assert_eq!(decoded("a%zz%4"), "a%zz%4");
        assert_eq!(super::decoded("%FF"), None);
    }
}
