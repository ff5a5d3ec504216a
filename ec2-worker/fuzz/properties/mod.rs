//! The rules that must hold for every input, for the fuzzer and for the tests.
//!
//! Each module has a function `check`, which takes bytes and panics if they break a property. The targets in
//! `fuzz_targets` feed it bytes from the fuzzer; `tests/it/fuzzed.rs` feeds it the seeds and random bytes, so that the
//! properties always compile and hold.

pub(crate) mod dates;
pub(crate) mod detection;
pub(crate) mod json;
pub(crate) mod readings;
pub(crate) mod records;
pub(crate) mod slow_splitter;
pub(crate) mod values;
pub(crate) mod workbook;

use std::path::Path;

use bytes::Bytes;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::input::Input;
use ec2_worker::etl::position::Position;
use ec2_worker::etl::records::Records;
use ec2_worker::failure::Failure;
use tokio::sync::mpsc;

/// Takes decisions from the first bytes of an input. When they are used up, every decision is the first one.
pub(crate) struct Choices<'a>(pub(crate) &'a [u8]);

impl Choices<'_> {
    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % limit
    }

    /// Returns one of `all`.
    pub(crate) fn one<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// A field as a reader gives it: its text, and whether it is quoted.
pub(crate) type Field = (Vec<u8>, bool);

/// A record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) offset: u64,
    pub(crate) line: u64,
    pub(crate) fields: Vec<Field>,
    pub(crate) too_long: bool,
}

/// Returns the reader of a file whose bytes come in pieces of the length `piece`.
pub(crate) fn open(bytes: &[u8], piece: usize, plain: bool, dialect: &Dialect) -> Result<Records, Failure> {
    let scratch = Path::new("/dev/shm");
    let scratch = if scratch.is_dir() { scratch.to_owned() } else { std::env::temp_dir() };
    let pieces: Vec<&[u8]> = bytes.chunks(piece.max(1)).collect();
    let (sender, receiver) = mpsc::channel(pieces.len() + 1);
    for piece in pieces.into_iter().chain([&b""[..]]) {
        sender.try_send(Ok(Bytes::copy_from_slice(piece))).expect("the channel has room");
    }
    let name = "file".to_owned();
    let input =
        if plain { Input::plain(name.clone(), receiver) } else { Input::new(name.clone(), receiver, false) };
    Records::begin(input, name, dialect.clone(), Position::START, None, &scratch)
}

/// Returns the records of an open file, and whether a failure ends them.
pub(crate) fn rows(records: Result<Records, Failure>) -> (Vec<Row>, Option<Failure>) {
    let mut rows = Vec::new();
    let mut records = match records {
        Ok(records) => records,
        Err(failure) => return (rows, Some(failure)),
    };
    loop {
        match records.read() {
            Ok(None) => return (rows, None),
            Err(failure) => return (rows, Some(failure)),
            Ok(Some(record)) => {
                let (window, splitter) = (records.window(), records.splitter());
                let spans = if record.is_too_long { &[] } else { splitter.fields() };
                let fields = spans.iter().map(|span| {
                    let mut text = Vec::new();
                    splitter.unescape(window, *span, &mut text);
                    (text, span.quoted)
                });
                rows.push(Row {
                    offset: record.at.offset,
                    line: record.at.line,
                    fields: fields.collect(),
                    too_long: record.is_too_long,
                });
            }
        }
    }
}
