//! The subject of a notice, as SNS takes it.

/// The length of the longest subject that SNS takes, in characters.
const LIMIT: usize = 100;
/// The end of a subject that was cut.
const ELLIPSIS: &str = "...";

/// Returns `text` as a subject that SNS takes: one line of at most 100 characters without control characters. Returns `None`
/// if nothing is left of the text.
#[must_use]
pub fn of(text: &str) -> Option<String> {
    let breaks = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    let line = text.replace(breaks, " ").trim().to_owned();
    if line.is_empty() {
        return None;
    }
    // SNS does not say how it counts characters outside the Basic Multilingual Plane. UTF-16 code units are the larger count.
    if line.encode_utf16().count() <= LIMIT {
        return Some(line);
    }
    let mut units = 0;
    let kept = line.chars().take_while(|character| {
        units += character.len_utf16();
        units <= LIMIT - ELLIPSIS.len()
    });
    Some(kept.collect::<String>() + ELLIPSIS)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_subject_keeps_every_letter_that_fits() {
        for text in ["Übersicht für Köln — 🟢 geladen".to_owned(), "ü".repeat(100), "x".repeat(100)] {
            assert_eq!(of(&text).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn a_long_subject_is_cut_at_a_character() {
        assert_eq!(of(&"ü".repeat(101)), Some("ü".repeat(97) + "..."));
        // 97 units are not a whole number of characters of two units each.
        assert_eq!(of(&"🟢".repeat(60)), Some("🟢".repeat(48) + "..."));
    }

    #[test]
    fn breaks_and_control_characters_become_blanks() {
        assert_eq!(of("\n a\r\nb\u{1}c\u{85}d\u{2028}e ").as_deref(), Some("a  b c d e"));
        assert_eq!(of(" \n\t\u{1b} "), None);
    }
}
