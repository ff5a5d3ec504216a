//! The line ends of shell scripts.
//!
//! To a shell, the CR of a line that ends in CR LF is a part of the last word: `exit 0` fails, and a file gets a name
//! that ends in CR. No script means that, so the CRs are removed.

use std::borrow::Cow;

use definition::counted::counted;

use crate::failure::Failure;
use crate::progress::Progress;

/// Returns the script with LF at the end of each line. Adds a note to `progress` if lines ended in CR LF.
///
/// # Errors
///
/// If the lines end in CR alone, because then it is unknown which CRs are line ends.
pub(super) fn mended<'a>(name: &str, text: &'a str, progress: &Progress) -> Result<Cow<'a, str>, Failure> {
    if text.contains("\n\u{feff}") {
        progress.note(format!(
            "{name}: a line begins with a byte order mark, which the shell takes for a part of the first word"
        ));
    }
    if !text.contains('\r') {
        return Ok(Cow::Borrowed(text));
    }
    let whole = text.trim_end_matches('\r');
    if !text.contains('\n') && whole.contains('\r') {
        let message =
            format!("{name}: the lines end in CR alone; save the script with the line ends of Unix (LF)");
        return Err(Failure::bad_input("LineEnds", message));
    }
    let mut mended = 0_usize;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let bare = line.trim_end_matches('\r');
        mended += usize::from(bare.len() < line.len());
        lines.push(bare);
    }
    if mended == 0 {
        return Ok(Cow::Borrowed(text));
    }
    let count = counted(mended, "line");
    progress
        .note(format!("{name}: the script has the line ends of Windows; the CR was removed from {count}"));
    Ok(Cow::Owned(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended_and_noted(text: &str) -> (String, Vec<String>) {
        let progress = Progress::default();
        let text = mended("s", text, &progress).expect("mended").into_owned();
        (text, progress.fields().into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn a_cr_at_the_end_of_a_line_is_removed_with_a_note() {
        for (script, text, count) in [
            ("#!/bin/bash\r\nexit 0\r\n", "#!/bin/bash\nexit 0\n", "2 lines"),
            ("echo a\r", "echo a", "1 line"),
            ("echo a\necho b\r", "echo a\necho b", "1 line"),
            ("echo a \\\r\n  b\r\r\n", "echo a \\\n  b\n", "2 lines"),
        ] {
            let (mended, notes) = mended_and_noted(script);
            assert_eq!(mended, text);
            let note = format!("s: the script has the line ends of Windows; the CR was removed from {count}");
            assert_eq!(notes, [note]);
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for script in ["echo a\necho b\n", "", "printf 'a\rb'\n"] {
            assert_eq!(mended_and_noted(script), (script.to_owned(), vec![]));
        }
    }

    #[test]
    fn lines_that_end_in_cr_alone_are_refused() {
        let failure = mended("s3://b/x.sh", "echo a\recho b\r", &Progress::default()).expect_err("refused");
        assert_eq!(failure.id, "BadInput:LineEnds");
        assert_eq!(
            failure.message,
            "s3://b/x.sh: the lines end in CR alone; save the script with the line ends of Unix (LF)"
        );
    }

    #[test]
    fn a_byte_order_mark_inside_a_script_is_noted() {
        let (text, notes) = mended_and_noted("echo a\n\u{feff}echo b\n");
        assert_eq!(text, "echo a\n\u{feff}echo b\n");
        assert!(notes[0].starts_with("s: a line begins with a byte order mark"), "{notes:?}");
    }
}
