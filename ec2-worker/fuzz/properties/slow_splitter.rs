//! A reader of records that is slow and simple, to compare the fast one with.

use ec2_worker::etl::dialect::{Dialect, RecordEnd};

use super::{Field, Row};

/// A record of the text.
pub(crate) struct Cut {
    pub(crate) fields: Vec<Field>,
    /// The number of bytes, with the record end.
    pub(crate) len: usize,
    /// The first field that has text after its closing quote.
    pub(crate) text_after_quote: Option<usize>,
}

/// The end of a field.
enum End {
    Separator(usize),
    Record(usize),
}

/// Returns whether an escape takes the meaning of a byte away. With quotes, an escape before a letter is ordinary.
fn is_escapable(dialect: &Dialect, byte: u8) -> bool {
    let firsts = [dialect.separator[0], dialect.record_end.bytes()[0], b'\r', b'\n'];
    dialect.quote.is_none() || firsts.contains(&byte) || [dialect.quote, dialect.escape].contains(&Some(byte))
}

fn end(dialect: &Dialect, rest: &[u8]) -> Option<End> {
    let record_end = dialect.record_end.bytes();
    match () {
        () if rest.is_empty() => Some(End::Record(0)),
        () if rest.starts_with(&dialect.separator) => Some(End::Separator(dialect.separator.len())),
        () if rest.starts_with(record_end) => Some(End::Record(record_end.len())),
        () => None,
    }
}

/// Returns the first record of `text`, which is not empty, or the index of a quote that is never closed.
pub(crate) fn cut(dialect: &Dialect, text: &[u8]) -> Result<Cut, usize> {
    let mut record = Cut { fields: Vec::new(), len: 0, text_after_quote: None };
    let mut at = 0;
    loop {
        let open = at;
        let quoted = dialect.quote.is_some() && text.get(at).copied() == dialect.quote;
        let mut value = Vec::new();
        if quoted {
            at += 1;
            loop {
                let byte = *text.get(at).ok_or(open)?;
                let next = text.get(at + 1).copied();
                if Some(byte) == dialect.escape && next.is_some_and(|next| !is_escapable(dialect, next)) {
                    value.extend([byte, text[at + 1]]);
                    at += 2;
                } else if Some(byte) == dialect.escape
                    || (Some(byte) == dialect.quote && next == dialect.quote)
                {
                    value.push(next.ok_or(open)?);
                    at += 2;
                } else if Some(byte) == dialect.quote {
                    at += 1;
                    break;
                } else {
                    value.push(byte);
                    at += 1;
                }
            }
        }
        // The text of an unquoted field, or the text behind a quoted one.
        let (mut tail, mut last_is_escaped) = (Vec::new(), false);
        let end = loop {
            if let Some(end) = end(dialect, &text[at..]) {
                break end;
            }
            let byte = text[at];
            last_is_escaped = Some(byte) == dialect.escape && at + 1 < text.len();
            if last_is_escaped {
                at += 1;
                if !is_escapable(dialect, text[at]) {
                    tail.push(byte);
                }
            }
            tail.push(text[at]);
            at += 1;
        };
        let takes_return = dialect.record_end == RecordEnd::Line && matches!(end, End::Record(_));
        if takes_return && !last_is_escaped && tail.last() == Some(&b'\r') && (!quoted || tail.len() == 1) {
            tail.pop();
        }
        if !quoted {
            value = tail;
        } else if !(tail.is_empty() || record.text_after_quote.is_some()) {
            record.text_after_quote = Some(record.fields.len());
        }
        record.fields.push((value, quoted));
        match end {
            End::Separator(length) => at += length,
            End::Record(length) => {
                record.len = at + length;
                return Ok(record);
            }
        }
    }
}

/// Returns the index after the next record end, whatever quotes say.
fn after_line(dialect: &Dialect, text: &[u8], from: usize) -> usize {
    let end = dialect.record_end.bytes();
    let found = (from..text.len()).find(|at| text[*at..].starts_with(end));
    found.map_or(text.len(), |at| at + end.len())
}

/// Returns whether the lines of a text end with CR alone: its first line does, and line feeds stand in quoted fields only.
pub(crate) fn ends_with_return(dialect: &Dialect, text: &[u8]) -> bool {
    let first = text.iter().find(|byte| b"\r\n".contains(byte));
    if dialect.record_end != RecordEnd::Line || first != Some(&b'\r') {
        return false;
    }
    let dialect = Dialect { record_end: RecordEnd::Bytes(b"\r".to_vec()), ..dialect.clone() };
    let feeds = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let marks = text.chunks(3).take_while(|three| *three == b"\xef\xbb\xbf").count();
    let mut at = 3 * marks;
    for _ in 0..dialect.skip_lines {
        let begin = at;
        at = after_line(&dialect, text, at);
        if feeds(&text[begin..at]) > 0 {
            return feeds(text) == 0;
        }
    }
    while at < text.len() {
        let Ok(record) = cut(&dialect, &text[at..]) else { return feeds(text) == 0 };
        let quoted: usize = record.fields.iter().filter(|field| field.1).map(|field| feeds(&field.0)).sum();
        if quoted < feeds(&text[at..at + record.len]) {
            return false;
        }
        at += record.len;
    }
    true
}

/// Returns the records of a whole text, and whether a quote is left open behind them.
pub(crate) fn read(dialect: &Dialect, text: &[u8]) -> (Vec<Row>, bool) {
    let mut dialect = dialect.clone();
    let mut at = 0;
    while text[at..].starts_with(b"\xef\xbb\xbf") {
        at += 3;
    }
    if ends_with_return(&dialect, text) {
        dialect.record_end = RecordEnd::Bytes(b"\r".to_vec());
    }
    for _ in 0..dialect.skip_lines {
        at = after_line(&dialect, text, at);
    }
    let line: Vec<u8> = text[at..].iter().copied().take_while(|byte| !b"\r\n".contains(byte)).collect();
    let can_separate = |byte: u8| byte.is_ascii() && ![dialect.quote, dialect.escape].contains(&Some(byte));
    if line.len() == 5 && line[..4].eq_ignore_ascii_case(b"sep=") && can_separate(line[4]) {
        dialect.separator = vec![line[4]];
        at = after_line(&dialect, text, at);
    }
    let (mut rows, mut is_open) = (Vec::new(), false);
    while at < text.len() {
        if text[at..].starts_with(b"\xef\xbb\xbf") {
            at += 3;
            continue;
        }
        if !dialect.comment.is_empty() && text[at..].starts_with(&dialect.comment) {
            at = after_line(&dialect, text, at);
            continue;
        }
        let Ok(record) = cut(&dialect, &text[at..]) else {
            is_open = true;
            break;
        };
        let start = at;
        at += record.len;
        let is_blank = |field: &Field| !field.1 && field.0.iter().all(|byte| b" \t\r".contains(byte));
        // The fast reader looks at the bytes of the file, in which an escape is not a blank.
        let has_escape = dialect.escape.is_some_and(|escape| text[start..at].contains(&escape));
        if dialect.skip_blank && !has_escape && record.fields.iter().all(is_blank) {
            continue;
        }
        let line = text[..start].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        rows.push(Row { offset: start as u64, line, fields: record.fields, too_long: false });
    }
    if !is_open {
        rows.truncate(rows.len().saturating_sub(dialect.skip_footer));
    }
    (rows, is_open)
}
