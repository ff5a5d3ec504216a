//! Prints results: with colour and progress on a terminal, as plain lines in a pipe, as JSON on request.

use std::io::{self, IsTerminal, Write};

use definition::status::Status;
use serde::Serialize;

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
    if has_colour() { format!("\u{1b}[{}m{text}\u{1b}[0m", style.code()) } else { text.to_owned() }
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
    let steers = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    let written = |character: char| match steers(character) {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(written).collect()
}

/// Prints `text` on standard output at once, and adds no line break.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a line to standard error. Errors of the writing are ignored, such as a closed standard error.
macro_rules! complain {
    ($($piece:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($piece)*);
    }};
}
pub(crate) use complain;

/// Prints a line.
pub(super) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints a value as JSON.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// Returns rows as aligned columns. No cell is cut or wrapped, so that scripts can split the rows and long keys stay
/// whole.
pub(super) fn table(heading: &[&str], rows: Vec<Vec<String>>) -> String {
    let heading: Vec<String> = heading.iter().map(|word| paint(word, Style::Bold)).collect();
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
            '\u{1b}' => in_colour = true,
            'm' if in_colour => in_colour = false,
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
    }

    #[test]
    fn control_characters_in_an_error_cannot_control_the_terminal() {
        assert_eq!(harmless("a\tb\n\u{1b}[2Jc\r\u{9b}d é"), "a\tb\n\\u{1b}[2Jc\\r\\u{9b}d é");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([count(7), count(1_000), count(1_234_567)], ["7", "1,000", "1,234,567"]);
    }
}
