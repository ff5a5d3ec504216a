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

/// Returns JSON with the escapes of JSON, such as `\u202e`. Its line breaks stay: those inside a string are escaped already.
#[must_use]
pub fn of_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        // Every character that is escaped has only four hexadecimal digits.
        match steers(character) && character != '\n' {
            true => text.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => text.push(character),
        }
    }
    text
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

    #[test]
    fn json_has_its_own_escapes_and_stays_the_same_value() {
        for code in [0x7f, 0x9b, 0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2066, 0x2069] {
            let value =
                char::from_u32(code).map(|character| format!("a\n{character}ü")).expect("a character");
            let json = serde_json::to_string_pretty(&[&value]).expect("JSON");
            let written = of_json(&json);
            assert_eq!(written, json.replace(&value[2..value.len() - 2], &format!("\\u{code:04x}")));
            assert_eq!(of_text(&written), written, "a terminal shows it as it is");
            let read: Vec<String> = serde_json::from_str(&written).expect("JSON");
            assert_eq!(read, [value]);
        }
    }
}
