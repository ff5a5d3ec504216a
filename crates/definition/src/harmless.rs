//! Text from outside, such as a key, written so that it cannot control a terminal or the reader of a mail.

/// Returns a piece of one line: control characters, line breaks and characters that change the direction of writing are escaped.
#[must_use]
pub fn of_line(text: &str) -> String {
    escaped(text, steers)
}

/// Returns a text of several lines: line breaks and tabs stay.
#[must_use]
pub fn of_text(text: &str) -> String {
    escaped(text, |character| steers(character) && !matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let written = |character: char| match is_escaped(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(written).collect()
}

/// Returns whether a character acts on the text around it instead of being shown.
fn steers(character: char) -> bool {
    let is_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || is_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_steer_are_escaped_and_all_others_stay() {
        assert_eq!(of_text("a\tb\n\u{1b}[2Jc\r\u{9b}d é"), "a\tb\n\\u{1b}[2Jc\\r\\u{9b}d é");
        assert_eq!(of_line("a\nb\u{202e}csv.\u{2028}'ü'"), "a\\nb\\u{202e}csv.\\u{2028}'ü'");
    }
}
