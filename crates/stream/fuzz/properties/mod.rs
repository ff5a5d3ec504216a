//! The properties that must hold for every input, for the fuzzer and for the tests.
//!
//! Each module has a function `check`, which takes bytes and panics if they break a property. The targets in
//! `fuzz_targets` feed it bytes from the fuzzer; `tests/fuzzed.rs` feeds it random words, so that the properties always
//! compile and hold.

pub(crate) mod door;
pub(crate) mod fields;
pub(crate) mod kpl;
pub(crate) mod prefix;
pub(crate) mod stored_lines;
pub(crate) mod stream_file;

use jiff::Timestamp;
use serde_json::{Map, Value};
use stream::file::{Diagnosis, diagnose};
use stream::shard::{SequenceNumber, ShardId};
use stream::{Record, Stream, StreamName};

/// Returns the diagnosis of the stream file `test`, which has no file beside.
pub(crate) fn diagnosed(text: &str) -> Diagnosis {
    let name = StreamName::new("test").expect("a name");
    diagnose(&name, text, &|_| Err("no such file".to_owned()))
}

/// Returns the stream of a file without errors.
pub(crate) fn stream(text: &str) -> Stream {
    diagnosed(text).stream.expect("a stream")
}

/// Returns a record with these bytes.
pub(crate) fn record(data: &[u8]) -> Record<'_> {
    let number = SequenceNumber { number: 1, shard: ShardId(2) }.into();
    Record { number, partition_key: "key", arrival: Timestamp::UNIX_EPOCH, data }
}

/// Returns the objects of a text as serde_json reads them, or `None` if it refuses the text or a value is not an object.
pub(crate) fn objects(text: &[u8]) -> Option<Vec<Map<String, Value>>> {
    serde_json::Deserializer::from_slice(text).into_iter().collect::<Result<_, _>>().ok()
}
