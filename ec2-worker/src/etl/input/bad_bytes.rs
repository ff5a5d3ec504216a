//! Writes bytes that cannot be decoded, and reasons in place of records that cannot be made, into the text.
//!
//! Only the record with such a byte is refused, so the text must go on after it. The decoder writes two bytes in its
//! place, which no UTF-8 text contains. The check of a record finds them and gets the original byte back.

/// The byte before a reason that stands in place of a record, and after it.
const REASON: u8 = 0xff;
/// Stands for a comma in a reason and in its record. A quote behind a comma would begin a field in quotes.
const COMMA: u8 = 0xfe;

/// Appends `byte`, which could not be decoded.
pub fn push(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xf8 | (byte >> 6), 0x80 | (byte & 0x3f)]);
}

/// Returns the byte that [`push`] wrote at the start of `text`.
#[must_use]
pub fn at(text: &[u8]) -> Option<u8> {
    match text {
        [first @ 0xf8..=0xfb, second @ 0x80..=0xbf, ..] => Some((first & 3) << 6 | (second & 0x3f)),
        _ => None,
    }
}

/// Appends `reason` in place of a record that cannot be made. `raw` is the record as the file has it, for the person
/// who mends it.
pub fn push_reason(reason: &str, raw: &str, out: &mut Vec<u8>) {
    let line = |text: &str| -> Vec<u8> {
        let text = text.trim_end().replace(['\n', '\r'], " ").into_bytes();
        text.into_iter().map(|byte| if byte == b',' { COMMA } else { byte }).collect()
    };
    out.push(REASON);
    out.extend(line(reason));
    out.push(REASON);
    out.extend(line(raw));
    out.push(b'\n');
}

/// Returns the reason that stands in place of a record, and the record as the file has it. Returns `None` for any other
/// record.
#[must_use]
pub fn reason(record: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = record.strip_prefix(&[REASON])?;
    let end = rest.iter().position(|byte| *byte == REASON).unwrap_or(rest.len());
    let line =
        |text: &[u8]| text.iter().map(|byte| if *byte == COMMA { b',' } else { *byte }).collect::<Vec<_>>();
    Some((line(&rest[..end]), line(rest.get(end + 1..).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::super::super::dialect::Dialect;
    use super::super::super::splitter::{Splitter, Step};
    use super::*;

    #[test]
    fn a_quote_in_an_unreadable_record_does_not_swallow_the_next_records() {
        let mut out = Vec::new();
        push_reason("EOF, in \"x\"", "{\"a\": \"x\",\"b", &mut out);
        let len = out.len();
        out.extend_from_slice(b"1,2\n");
        let mut splitter = Splitter::new(&Dialect::default());
        assert_eq!(splitter.split(&out, 0, false), Step::Record { len, lines: 1 });
        let (why, raw) = reason(&out[..len - 1]).expect("a reason");
        assert_eq!((why.as_slice(), raw.as_slice()), (&b"EOF, in \"x\""[..], &b"{\"a\": \"x\",\"b"[..]));
    }
}
