//! Rewrites a file from one dialect into another, record by record.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::dialect::Dialect;
use super::input::Input;
use super::position::Position;
use super::records::{Record, Records};
use crate::failure::Failure;
use crate::panics;

/// The size of a piece of output in bytes.
const PIECE: usize = 256 * 1024;
/// The largest number of pieces that wait for the upload.
const PIECES: usize = 4;

/// The rewriting of one file.
#[derive(Clone, Debug)]
pub struct Rewrite {
    /// The name of the file for messages.
    pub file: String,
    /// The dialect of the file.
    pub read: Dialect,
    /// The dialect of the output.
    pub written: Dialect,
    /// Whether the output leaves out the first record.
    pub skips_header: bool,
    /// The folder for files that must be copied before they can be read, such as workbooks.
    pub scratch: PathBuf,
}

impl Rewrite {
    /// Rewrites `input` on a thread of its own, and returns the channel from which the pieces of the output come.
    ///
    /// The last piece is followed by an empty piece. If the channel closes without an empty piece, the pieces so far are
    /// not the whole output. A failure comes in place of the remaining pieces.
    #[must_use]
    pub fn start(self, input: Input) -> mpsc::Receiver<Result<Vec<u8>, Failure>> {
        let (sender, receiver) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            let done = panics::caught("rewriting the file", || self.run(input, &sender));
            // The receiver is gone only if the upload failed. The upload reports its failure itself.
            drop(sender.blocking_send(done.map(|()| Vec::new())));
        });
        receiver
    }

    /// Sends the pieces of the output, but not the empty piece at the end.
    fn run(&self, input: Input, sender: &mpsc::Sender<Result<Vec<u8>, Failure>>) -> Result<(), Failure> {
        let mut records = Records::begin(
            input,
            self.file.clone(),
            self.read.clone(),
            Position::START,
            None,
            &self.scratch,
        )?;
        let (mut out, mut text) = (Vec::with_capacity(PIECE), Vec::new());
        let mut skips = self.skips_header;
        while let Some(record) = records.read()? {
            if std::mem::take(&mut skips) {
                continue;
            }
            self.push_record(&records, &record, &mut text, &mut out)?;
            if out.len() >= PIECE {
                let piece = std::mem::replace(&mut out, Vec::with_capacity(PIECE));
                if sender.blocking_send(Ok(piece)).is_err() {
                    return Ok(());
                }
            }
        }
        if !out.is_empty() {
            drop(sender.blocking_send(Ok(out)));
        }
        Ok(())
    }

    fn push_record(
        &self,
        records: &Records,
        record: &Record,
        text: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let splitter = records.splitter();
        if record.is_too_long {
            let most = self.read.longest_record;
            let message = format!(
                "{}, line {}: the record is longer than {most} bytes; `myMaxRecordBytes` allows more",
                self.file, record.at.line
            );
            return Err(Failure::bad_input("RecordTooLong", message));
        }
        if let Some(index) = splitter.text_after_quote() {
            // The fields do not contain the text after a closing quote, so the output would lose this text.
            let (line, column) = (record.at.line, index + 1);
            let message =
                format!("{}, line {line}, column {column}: text follows the closing quote", self.file);
            return Err(Failure::bad_input("TextAfterQuote", message));
        }
        for (index, span) in splitter.fields().iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&self.written.separator);
            }
            splitter.unescape(records.window(), *span, text);
            let null = !span.quoted && (text.is_empty() || self.read.nulls.contains(text));
            push_field(text, null, &self.written, out);
        }
        out.extend_from_slice(self.written.record_end.bytes());
        Ok(())
    }
}

fn push_field(text: &[u8], null: bool, dialect: &Dialect, out: &mut Vec<u8>) {
    if null {
        out.extend_from_slice(&dialect.null);
        return;
    }
    let quote = dialect.quote.unwrap_or(b'"');
    let special = |byte: &u8| {
        dialect.separator.contains(byte)
            || *byte == quote
            || matches!(byte, b'\n' | b'\r')
            || dialect.record_end.bytes().contains(byte)
    };
    if !text.is_empty() && !text.iter().any(special) {
        out.extend_from_slice(text);
        return;
    }
    out.push(quote);
    for byte in text {
        if *byte == quote {
            out.push(quote);
        }
        out.push(*byte);
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rewritten(pieces: &[&[u8]]) -> Result<String, Failure> {
        let (read, written) =
            (Dialect::default(), Dialect { separator: b";".to_vec(), ..Dialect::default() });
        let rewrite = Rewrite {
            file: "orders.csv".to_owned(),
            read,
            written,
            skips_header: false,
            scratch: std::env::temp_dir(),
        };
        let mut received = rewrite.start(Input::of_pieces(pieces.iter().copied()));
        let mut out = Vec::new();
        while let Some(piece) = received.recv().await {
            out.extend(piece?);
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[tokio::test]
    async fn a_byte_order_mark_is_left_out_wherever_the_pieces_are_cut() {
        let text = b"\xef\xbb\xbfid,note\n1,\"a;b\"\n";
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            assert_eq!(rewritten(&[first, second]).await.expect("legal"), "id;note\n1;\"a;b\"\n", "{cut}");
        }
    }

    #[tokio::test]
    async fn a_quote_left_open_ends_the_work_before_the_whole_file_is_in_memory() {
        let line = b"1,some text of an order that goes on\n".repeat(1000);
        let mut pieces = vec![&b"id,note\n1,\"open\n"[..]];
        // The line 800,000 times: 30 MB.
        pieces.extend(std::iter::repeat_n(line.as_slice(), 800));
        let failure = rewritten(&pieces).await.expect_err("no record is so long");
        assert_eq!(failure.id, "BadInput:OpenQuote");
        assert!(failure.message.starts_with("orders.csv, line 2, column 3: a quote opens here"), "{failure}");
        let long = b"x".repeat(70_000_000);
        let failure = rewritten(&[b"a,b\n", &long]).await.expect_err("no record is so long");
        assert_eq!(
            failure.message,
            "orders.csv, line 2: the record is longer than 64000000 bytes; `myMaxRecordBytes` allows more"
        );
    }

    #[tokio::test]
    async fn text_that_would_be_lost_is_told() {
        let failure = rewritten(&[b"a,b\n1,\"x\"y\n"]).await.expect_err("y would be lost");
        assert_eq!(failure.message, "orders.csv, line 2, column 2: text follows the closing quote");
    }

    #[test]
    fn fields_are_quoted_only_where_they_must_be() {
        let mut out = Vec::new();
        for (text, null) in [("a", false), ("", true), ("", false), ("b,\"c", false)] {
            push_field(text.as_bytes(), null, &Dialect::default(), &mut out);
            out.push(b'|');
        }
        assert_eq!(out, b"a||\"\"|\"b,\"\"c\"|");
    }
}
