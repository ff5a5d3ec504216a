//! Reads the text of a script as programs on any system save it.
//!
//! Editors on Windows begin a file with a byte order mark, save it as UTF-16, or end its lines with CR LF. PostgreSQL
//! and shells treat the marks and the CRs as a part of the script.

use crate::failure::Failure;

/// The byte order mark.
const MARK: char = '\u{feff}';

/// Returns the script in `bytes`, without byte order marks before it. `name` names the script in messages.
///
/// # Errors
///
/// If the script is in UTF-16 or UTF-32, or not UTF-8 for another reason.
pub(crate) fn decode(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let refused =
        |what: String| Failure::bad_input("Encoding", format!("{name}{what}; save the file as UTF-8"));
    if let Some(encoding) = wide(&bytes) {
        return Err(refused(format!(": the script is in {encoding}")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        refused(format!(", line {line}: not UTF-8"))
    })?;
    Ok(without_marks(&text).to_owned())
}

/// Returns the text without the byte order marks before it.
pub(crate) fn without_marks(text: &str) -> &str {
    text.trim_start_matches(MARK)
}

/// Returns the name of the encoding if the bytes are text in UTF-16 or UTF-32.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Some("UTF-32");
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    // Without a mark, the ASCII characters of UTF-16 show it: each has a NUL beside it, on the same side.
    let units = bytes.len() / 2;
    let zeros = |at: usize| bytes.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    let is_half = |count: usize| count > 1 && count * 2 >= units;
    ((is_half(first) && second == 0) || (is_half(second) && first == 0)).then_some("UTF-16")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide_bytes(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn marks_before_a_script_are_left_out() {
        for (bytes, text) in [
            ("\u{feff}SELECT 1", "SELECT 1"),
            ("\u{feff}\u{feff}a\u{feff}b", "a\u{feff}b"),
            ("\u{feff}", ""),
            ("a\0b", "a\0b"),
        ] {
            assert_eq!(decode("s", bytes.as_bytes().to_vec()).expect("legal"), text);
        }
    }

    #[test]
    fn a_script_in_another_encoding_is_reported() {
        for bytes in [
            wide_bytes("\u{feff}SELECT 1;", false),
            wide_bytes("\u{feff}SELECT 1;", true),
            wide_bytes("SELECT 'ü';\r\n", false),
            wide_bytes("SELECT 'ü';\r\n", true),
        ] {
            let failure = decode("s3://b/x.sql", bytes).expect_err("refused");
            assert_eq!(failure.id, "BadInput:Encoding");
            let message = "s3://b/x.sql: the script is in UTF-16; save the file as UTF-8";
            assert_eq!(failure.message, message);
        }
        let failure = decode("s", b"\xff\xfe\0\0S\0\0\0".to_vec()).expect_err("refused");
        assert_eq!(failure.message, "s: the script is in UTF-32; save the file as UTF-8");
        let failure = decode("s", b"a\nb\xfc".to_vec()).expect_err("refused");
        assert_eq!(failure.message, "s, line 2: not UTF-8; save the file as UTF-8");
    }
}
