//! The detection of dialects never reads a plain file in another way than its writer wrote it.

use ec2_worker::etl::detect;
use ec2_worker::etl::dialect::Dialect;

use super::{Choices, open, rows};

/// The number of bytes that choose the dialect of the plain file.
pub(crate) const HEAD: usize = 8;

/// Checks the bytes as a file of any kind, and as the values of a plain file.
pub(crate) fn check(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return };
    let rest = &rest[..rest.len().min(4096)];
    let mut choices = Choices(head);
    any(rest, &mut choices);
    plain(rest, &mut choices);
}

fn detecting() -> Dialect {
    Dialect { detects: true, ..Dialect::default() }
}

/// The detected dialect is legal, and the whole file can be read with it.
fn any(text: &[u8], choices: &mut Choices<'_>) {
    let columns = choices.one(&[None, Some(1), Some(2), Some(3)]);
    let found = detect::dialect(&detecting(), text, choices.below(2) == 0, columns);
    assert!(!found.dialect.detects && !found.note.is_empty() && found.dialect.separator.len() == 1);
    assert!(found.dialect.escape.is_none() || found.dialect.escape != found.dialect.quote);
    let _ = rows(open(text, 4096, false, &detecting()));
}

/// Writes a table by the csv crate, and reads it back by detection.
fn plain(text: &[u8], choices: &mut Choices<'_>) {
    let separator = choices.one(b",;\t|");
    let columns = choices.below(4) + 2;
    let style =
        choices.one(&[csv::QuoteStyle::Necessary, csv::QuoteStyle::Always, csv::QuoteStyle::NonNumeric]);
    let header = (0..columns).map(|index| format!("name{index}").into_bytes()).collect::<Vec<_>>();
    let words: Vec<Vec<u8>> = text.split(|byte| *byte == 0).map(plain_word).collect();
    // Words of the last row that are missing are empty.
    let mut table = vec![header];
    for row in words.chunks(columns) {
        let filled = row.iter().cloned().chain(std::iter::repeat_n(b"x".to_vec(), columns - row.len()));
        table.push(filled.collect());
    }
    let mut writer =
        csv::WriterBuilder::new().delimiter(separator).quote_style(style).from_writer(Vec::new());
    for row in &table {
        writer.write_record(row).expect("in memory");
    }
    let file = writer.into_inner().expect("in memory");
    let (read, failure) = rows(open(&file, 4096, true, &Dialect { skip_blank: false, ..detecting() }));
    let shown = String::from_utf8_lossy(&file);
    assert!(failure.is_none(), "{failure:?}: {shown}");
    let read: Vec<Vec<Vec<u8>>> =
        read.into_iter().map(|row| row.fields.into_iter().map(|(text, _)| text).collect()).collect();
    assert_eq!(read, table, "{shown}");
}

/// Makes a word of a plain file of some bytes: letters, digits, and the marks that texts have.
fn plain_word(bytes: &[u8]) -> Vec<u8> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789 .-:/()+&_,,;;\"\n'|\t";
    let mut word: Vec<u8> =
        bytes.iter().take(20).map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()]).collect();
    // A column of words in apostrophes is taken for a quoted one.
    if word.is_empty() || word.len() > 2 && word.starts_with(b"'") && word.ends_with(b"'") {
        word.push(b'w');
    }
    word
}
