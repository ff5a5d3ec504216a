//! Text in pictures: its width, shortening, and escaping for XML.

use std::borrow::Cow;

/// A font: its size and weight.
#[derive(Clone, Copy)]
pub(super) struct Face {
    /// The size in pixels.
    pub(super) size: f64,
    /// Whether the font is bold.
    pub(super) is_bold: bool,
}

impl Face {
    /// Returns the approximate width of `text` in pixels.
    ///
    /// The font of the program that shows the picture is unknown, so the estimate is large rather than small.
    pub(super) fn width(self, text: &str) -> f64 {
        text.chars().map(|character| self.advance(character)).sum()
    }

    fn advance(self, character: char) -> f64 {
        let share = match character {
            'i' | 'j' | 'l' | '|' | '.' | ',' | ':' | ';' | '\'' | '!' | 'I' => 0.31,
            ' ' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '{' | '}' | '/' | '-' => 0.39,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.92,
            'A'..='Z' | '#' | '_' | '…' | '+' | '=' | '<' | '>' | '&' => 0.7,
            '\0'..='\u{7f}' => 0.58,
            // Latin letters with accents, Greek, Cyrillic and similar alphabets.
            '\u{80}'..='\u{10ff}' => 0.68,
            // CJK characters are as wide as they are high. Emoji are somewhat wider.
            '\u{1100}'..='\u{ffff}' => 1.05,
            _ => 1.35,
        };
        share * self.size * if self.is_bold { 1.12 } else { 1.0 }
    }

    /// Returns `text`, shortened with an ellipsis if it is wider than `room` pixels.
    ///
    /// The end of a path is the most useful part, so a path loses whole folders at its beginning.
    pub(super) fn fit(self, text: &str, room: f64) -> Cow<'_, str> {
        if self.width(text) <= room {
            return Cow::Borrowed(text);
        }
        let is_path = text.contains('/') && !text.contains(' ');
        if let Some(path) = is_path.then(|| self.fit_path(text, room)).flatten() {
            return Cow::Owned(path);
        }
        let fits = self.count(text.chars(), room - self.advance('…'));
        let end = text.char_indices().nth(fits).map_or(text.len(), |(at, _)| at);
        Cow::Owned(format!("{}…", text[..end].trim_end()))
    }

    /// Returns `path` with an ellipsis in place of its first folders: as few of them as `room` needs. A scheme
    /// such as `s3://` stays. Returns `None` if the last name alone is too long.
    fn fit_path(self, path: &str, room: f64) -> Option<String> {
        let scheme = path.find("://").map_or("", |at| &path[..at + 3]);
        let room = room - self.width(scheme) - self.advance('…');
        let fits = self.count(path.chars().rev(), room);
        let start = path.char_indices().nth(path.chars().count() - fits).map_or(path.len(), |(at, _)| at);
        let end = path[start..].find('/').map(|at| &path[start + at..]);
        // A slash alone would be useless.
        end.filter(|end| end.len() > 1).map(|end| format!("{scheme}…{end}"))
    }

    /// Returns how many of the characters, from the first, fit into `room` pixels.
    fn count(self, characters: impl Iterator<Item = char>, room: f64) -> usize {
        let mut width = 0.0;
        let fits = characters.take_while(|character| {
            width += self.advance(*character);
            width <= room
        });
        fits.count()
    }
}

/// Returns `text` escaped for XML content and attributes.
pub(super) fn escape_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            // XML 1.0 can express neither these two characters nor most control characters.
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: Face = Face { size: 10.0, is_bold: false };

    #[test]
    fn a_text_that_fits_stays_whole() {
        assert_eq!(FACE.fit("orders", 100.0), "orders");
        assert_eq!(FACE.fit("", 0.0), "");
    }

    #[test]
    fn a_text_is_cut_at_its_end_and_a_path_in_the_middle() {
        let command = "psql --file tables.sql --quiet --no-psqlrc";
        let path = "s3://bucket/incoming/2030-01-31/orders.csv";
        assert_eq!(FACE.fit(command, 100.0), "psql --file tables.s…");
        assert_eq!(FACE.fit(path, 120.0), "s3://…/orders.csv");
        for room in 0..200 {
            for text in [command, path, "日本語の長い名前/です", "é/é/é/é/é"] {
                assert!(
                    FACE.width(&FACE.fit(text, f64::from(room)))
                        <= f64::from(room).max(FACE.width("…")) + 1e-9
                );
            }
        }
    }

    #[test]
    fn xml_has_no_markup_and_no_control_characters() {
        assert_eq!(escape_xml("<a b='\"&\u{1}'>"), "&lt;a b=&#39;&quot;&amp;\u{fffd}&#39;&gt;");
    }
}
