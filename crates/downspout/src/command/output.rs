//! Prints results: with colour and progress on a terminal, as plain lines in a pipe, as JSON on request.

use std::io::{self, IsTerminal, Write};

use definition::status::Status;
use serde::Serialize;

/// Begins the code of a style inside a text. Only [`shown`] makes a code for the terminal of it, so that text from outside
/// cannot contain one. The character is one that Unicode keeps free for the use inside a program.
const STYLE_BEGIN: char = '\u{fdd0}';
/// Ends the code of a style inside a text.
const STYLE_END: char = '\u{fdd1}';
/// The code of plain text.
const PLAIN: &str = "0";

/// The style of a piece of text on a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
}

impl Style {
    const ALL: [Self; 5] = [Self::Bold, Self::Dim, Self::Good, Self::Bad, Self::Warn];

    fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Bad => "31",
            Self::Warn => "33",
        }
    }
}

/// Returns whether standard output may have colour.
pub(super) fn has_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns whether progress can be drawn on standard error: a terminal that can move its cursor.
pub(super) fn is_watched() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Returns `text` in `style`, or unchanged where colour is not allowed.
pub(super) fn paint(text: &str, style: Style) -> String {
    let code = |code: &str| format!("{STYLE_BEGIN}{code}{STYLE_END}");
    if has_colour() { format!("{}{text}{}", code(style.code()), code(PLAIN)) } else { text.to_owned() }
}

/// Returns a status in the colour that fits its meaning.
pub(super) fn paint_status(status: &str) -> String {
    let style = match status.parse() {
        Ok(Status::Finished) => Style::Good,
        Ok(known) if known.has_failed() => Style::Bad,
        Ok(Status::Creating | Status::Running | Status::ShuttingDown) => Style::Warn,
        _ => Style::Dim,
    };
    paint(status, style)
}

/// Returns text from outside with its control characters escaped, so that the text cannot control the terminal.
///
/// Line breaks and tabs stay.
pub(super) fn harmless(text: &str) -> String {
    definition::harmless::of_text(text)
}

/// Returns the text as it goes to a terminal: with control characters escaped, and with codes for the styles of [`paint`].
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let text = harmless(text);
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(STYLE_BEGIN) {
        shown.push_str(before);
        let styled = after.split_once(STYLE_END);
        let codes = || Style::ALL.into_iter().map(Style::code).chain([PLAIN]);
        rest = match styled.filter(|(code, _)| codes().any(|known| known == *code)) {
            Some((code, after)) => {
                shown.push_str(&format!("\u{1b}[{code}m"));
                after
            }
            // The text from outside contains the character that begins a style.
            None => {
                shown.extend(STYLE_BEGIN.escape_default());
                after
            }
        };
    }
    shown.push_str(rest);
    shown
}

/// Prints `text` on standard output at once, and adds no line break. Text from outside cannot control the terminal.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(shown(text).as_bytes())?;
    stdout.flush()
}

/// Writes a line to standard error. Text from outside cannot control the terminal. Errors of the writing are ignored, such as
/// a closed standard error.
macro_rules! complain {
    ($($piece:tt)*) => {{
        use std::io::Write as _;
        let text = $crate::command::output::shown(&format!($($piece)*));
        let _ = writeln!(std::io::stderr(), "{text}");
    }};
}
pub(crate) use complain;

/// Prints a line.
pub(super) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints a value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(&json_text(value)?)?;
    Ok(())
}

/// Returns a value as JSON that [`shown`] leaves as it is.
fn json_text<T: Serialize>(value: &T) -> serde_json::Result<String> {
    let text = definition::harmless::of_json(&serde_json::to_string_pretty(value)?);
    Ok(text.replace(STYLE_BEGIN, "\\ufdd0").replace(STYLE_END, "\\ufdd1"))
}

/// Returns rows as aligned columns. No cell is cut or wrapped, so that scripts can split the rows and long keys stay
/// whole. A line break in a cell, such as one of a key, is escaped.
pub(super) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let heading: Vec<String> = heading.iter().map(|word| paint(word, Style::Bold)).collect();
    let rows =
        rows.into_iter().map(|cells| cells.iter().map(|cell| definition::harmless::of_line(cell)).collect());
    let lines: Vec<Vec<String>> =
        Some(heading).filter(|cells| !cells.is_empty()).into_iter().chain(rows).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|cells| cells.get(column)).map(|cell| shown_width(cell)).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for cells in &lines {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let blanks = width.saturating_sub(shown_width(cell));
            format!("{cell}{}", " ".repeat(blanks))
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Returns the width of a cell on the screen in characters, without the codes for colour.
fn shown_width(cell: &str) -> usize {
    let mut width = 0;
    let mut in_colour = false;
    for c in cell.chars() {
        match c {
            STYLE_BEGIN => in_colour = true,
            STYLE_END if in_colour => in_colour = false,
            _ if in_colour => {}
            _ => width += 1,
        }
    }
    width
}

/// Returns `number` as text, with a comma before each group of three digits, such as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_plain_in_a_pipe() {
        let rows =
            vec![vec!["a".to_owned(), "FINISHED".to_owned()], vec!["longer".to_owned(), "x".to_owned()]];
        assert_eq!(table(&["name", "status"], rows), "name    status\na       FINISHED\nlonger  x\n");
        let rows = vec![vec!["a\nb\u{202e}".to_owned(), "x".to_owned()]];
        assert_eq!(table(&[], rows), "a\\nb\\u{202e}  x\n");
    }

    #[test]
    fn control_characters_in_an_error_cannot_control_the_terminal() {
        assert_eq!(harmless("a\tb\n\u{1b}[2Jc\r\u{9b}d é"), "a\tb\n\\u{1b}[2Jc\\r\\u{9b}d é");
    }

    #[test]
    fn only_styles_of_our_own_become_codes() {
        let styled = format!("{STYLE_BEGIN}31{STYLE_END}red{STYLE_BEGIN}0{STYLE_END}");
        assert_eq!(shown(&styled), "\u{1b}[31mred\u{1b}[0m");
        assert_eq!(shown("a\u{fdd0}2J\u{1b}[2J"), "a\\u{fdd0}2J\\u{1b}[2J");
        assert_eq!(shown("a\u{fdd0}999\u{fdd1}"), "a\\u{fdd0}999\u{fdd1}");
    }

    #[test]
    fn json_is_valid_with_characters_that_would_control_a_terminal() {
        let value = ["a\u{202e}b\u{2028}c\u{9b}d\u{fdd0}31\u{fdd1}e\nü".to_owned()];
        let text = json_text(&value).expect("JSON");
        assert_eq!(text, "[\n  \"a\\u202eb\\u2028c\\u009bd\\ufdd031\\ufdd1e\\nü\"\n]");
        assert_eq!(shown(&text), text);
        assert_eq!(serde_json::from_str::<Vec<String>>(&text).expect("JSON"), value);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([count(7), count(1_000), count(1_234_567)], ["7", "1,000", "1,234,567"]);
    }
}
