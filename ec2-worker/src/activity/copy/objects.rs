//! `CopyActivity` between two `S3DataNode`s. If the bytes stay the same, S3 copies them itself; if only their packing
//! changes, the worker packs or unpacks them; else it rewrites each record.

use std::sync::Arc;

use definition::kind::field::MyDialect;
use tokio::sync::mpsc;

use super::super::TaskContext;
use super::CopyActivity;
use super::names::Names;
use super::output::{UNWRITTEN, WrittenNulls};
use crate::etl::dialect::{Dialect, Form};
use crate::etl::directory;
use crate::etl::file_bytes;
use crate::etl::input::{Packing, SIGNATURE};
use crate::etl::record_writer::reading_notes;
use crate::etl::rewrite::{Output, RecordLabels, Rewrite};
use crate::etl::source::{Origin, Source};
use crate::failure::Failure;
use crate::node::{Format, S3Node};
use crate::storage::{Multipart, ObjectRef, ObjectWriter, S3Uri, Storage, refused};

/// The size of the largest object that one CopyObject call copies, in bytes.
const LARGEST_COPY: u64 = 5 * 1024 * 1024 * 1024;
/// The size of a part in a multipart copy of a larger object, in bytes.
const PART: u64 = 512 * 1024 * 1024;

pub(super) async fn run(
    context: &TaskContext<'_>,
    copy: &CopyActivity,
    from: &S3Node,
    to: &S3Node,
) -> Result<(), Failure> {
    let mut found = context.objects_of(from).await?;
    context.progress.set("writtenTo", &to.at);
    let is_same = is_same_text(copy, from, to);
    // A copy of a whole directory byte by byte has everything; records are in the data files alone.
    if from.directory && !(is_same && to.directory) {
        found = data_files(context, from, found)?;
    }
    if from.directory && !to.directory {
        return match (&from.format, &to.format) {
            (None, None) => joined(context, from, to, &found).await,
            _ => together(context, copy, from, to, &found).await,
        };
    }
    let mut names = Names::default();
    for object in &found {
        let target = if to.directory { to.at.child(&relative(from, object)) } else { to.at.clone() };
        if is_same {
            let packing = duplicate_text(context, (from, to), object, &target).await?;
            names.add(to, &target, packing);
            continue;
        }
        names.add(to, &target, to.gzip.then_some(Packing::Gzip));
        let conversion = Conversion::new(context, copy, from, to)?;
        let mut sink = ObjectWriter::new(&context.tools.storage, &target, to.gzip);
        conversion.add(object, &mut sink).await?;
        sink.finish().await?;
        conversion.add_notes();
    }
    names.add_note(context.progress);
    Ok(())
}

/// Returns the objects of a directory without marks such as `_SUCCESS`.
fn data_files(
    context: &TaskContext<'_>,
    from: &S3Node,
    found: Vec<ObjectRef>,
) -> Result<Vec<ObjectRef>, Failure> {
    let (files, others) = directory::data_files(&from.at, found);
    let Some(remark) = directory::remark(&others) else { return Ok(files) };
    if files.is_empty() {
        let message = format!("object `{}`: there is nothing to copy under {}; {remark}", from.id, from.at);
        return Err(Failure::bad_input("NoFiles", message));
    }
    context.progress.note(remark);
    Ok(files)
}

/// Returns whether the output has the text of the input, byte by byte. Other texts for NULL need another text: a value that is
/// such a text must be quoted.
fn is_same_text(copy: &CopyActivity, from: &S3Node, to: &S3Node) -> bool {
    let cut =
        |node: &S3Node| node.format.as_ref().map(|format| Format { id: String::new(), ..format.clone() });
    let has_same_nulls = || copy.written_nulls.are(&copy.nulls, copy.rules.quoted_nulls);
    to.format.is_none() || cut(from) == cut(to) && has_same_nulls()
}

fn relative(from: &S3Node, object: &ObjectRef) -> String {
    let folder = format!("{}/", from.at.key.trim_end_matches('/'));
    let inside = object.at.key.strip_prefix(&folder).filter(|_| from.directory);
    inside.unwrap_or_else(|| object.at.file_name()).to_owned()
}

/// Copies a directory into one file: one header, then the records of all files.
async fn together(
    context: &TaskContext<'_>,
    copy: &CopyActivity,
    from: &S3Node,
    to: &S3Node,
    found: &[ObjectRef],
) -> Result<(), Failure> {
    let conversion = Conversion::new(context, copy, from, to)?;
    let mut names = Names::default();
    names.add(to, &to.at, to.gzip.then_some(Packing::Gzip));
    names.add_note(context.progress);
    let mut sink = ObjectWriter::new(&context.tools.storage, &to.at, to.gzip);
    for object in found {
        conversion.add(object, &mut sink).await?;
    }
    sink.finish().await?;
    conversion.add_notes();
    Ok(())
}

/// Copies a directory without a data format into one file: the bytes of all files, one after another. Only `compression` says that
/// bytes are packed.
async fn joined(
    context: &TaskContext<'_>,
    from: &S3Node,
    to: &S3Node,
    found: &[ObjectRef],
) -> Result<(), Failure> {
    let storage = &context.tools.storage;
    let (mut names, mut known) = (Names::default(), None);
    names.add(to, &to.at, to.gzip.then_some(Packing::Gzip));
    names.add_note(context.progress);
    let mut sink = ObjectWriter::new(storage, &to.at, to.gzip);
    let found: Vec<_> = found.iter().filter(|object| object.size > 0).collect();
    for object in &found {
        let packing = packing(storage, object).await?;
        let unpacked = packing.filter(|packing| (from.gzip || to.gzip) && *packing == Packing::Gzip);
        if from.gzip && unpacked.is_none() {
            let message = format!("{}: declared as gzip (`compression`), but it is not packed", object.uri());
            return Err(Failure::bad_input("NotGzip", message));
        }
        let left = packing.filter(|_| unpacked.is_none());
        let first = known.get_or_insert((left, object.uri()));
        if left == Some(Packing::Zip) && found.len() > 1 || first.0 != left {
            return Err(not_joined(first, (left, &object.uri())));
        }
        let source = Source { origin: Origin::Object(storage.clone(), (*object).clone()), gzip: false };
        let pieces = file_bytes::start(source.open().await?, object.uri(), unpacked, context.folder.clone());
        write(pieces, &mut sink).await?;
    }
    sink.finish().await
}

/// Says that no program could unpack the bytes of two packed files one after another. Those of two gzip files are a gzip file.
fn not_joined(first: &(Option<Packing>, String), (packing, uri): (Option<Packing>, &str)) -> Failure {
    let how = |packing: Option<Packing>| packing.map_or("not packed", Packing::name);
    let what = match packing {
        Some(Packing::Zip) => format!("{uri} is a zip archive, and archives cannot be joined"),
        _ => format!(
            "{} is {}, and {uri} is {}, so they cannot be joined",
            first.1,
            how(first.0),
            how(packing)
        ),
    };
    let remedy =
        "give the output a `directoryPath`, or both nodes a data format, so that the records are joined";
    Failure::bad_input("Packed", format!("{what}; {remedy}"))
}

/// Copies an object whose text stays the same. Returns how the new object is packed, as far as that is known.
async fn duplicate_text(
    context: &TaskContext<'_>,
    (from, to): (&S3Node, &S3Node),
    object: &ObjectRef,
    target: &S3Uri,
) -> Result<Option<Packing>, Failure> {
    let storage = &context.tools.storage;
    let is_data = from.gzip || to.gzip || from.format.is_some() || to.format.is_some();
    let packing = packing(storage, object).await?;
    // Without a data format, and in a workbook, only gzip is a packing; all else is the content.
    let is_text = [&from.format, &to.format]
        .into_iter()
        .flatten()
        .all(|format| format.dialect != Some(MyDialect::Xlsx))
        && (from.format.is_some() || to.format.is_some());
    let unpacked = packing.filter(|packing| is_text || *packing == Packing::Gzip);
    if from.gzip && unpacked.is_none() {
        let message = format!("{}: declared as gzip (`compression`), but it is not packed", object.uri());
        return Err(Failure::bad_input("NotGzip", message));
    }
    let source = Source { origin: Origin::Object(storage.clone(), object.clone()), gzip: false };
    let scratch = context.folder.clone();
    // An object that is packed already is not packed once more.
    let stays = if to.gzip { packing == Some(Packing::Gzip) } else { !from.gzip };
    if stays {
        if let Some(packing) = packing.filter(|_| is_data) {
            // S3 copies the bytes without reading them, so without this check nothing would notice that the file is cut off.
            file_bytes::check(source.open().await?, object.uri(), packing, scratch).await?;
        }
        duplicate(storage, object, target).await?;
    } else {
        let pieces = file_bytes::start(source.open().await?, object.uri(), unpacked, scratch);
        let mut sink = ObjectWriter::new(storage, target, to.gzip);
        write(pieces, &mut sink).await?;
        sink.finish().await?;
    }
    context.progress.log(&format!("copied {} to {target}", object.uri()));
    Ok(if stays { packing } else { to.gzip.then_some(Packing::Gzip) })
}

/// Returns how an object is packed.
async fn packing(storage: &Storage, object: &ObjectRef) -> Result<Option<Packing>, Failure> {
    if object.size == 0 {
        return Ok(None);
    }
    let mut body = storage.read(object, 0, Some(SIGNATURE.min(object.size))).await?;
    let mut start = Vec::new();
    while let Some(piece) = body.next().await {
        start.extend_from_slice(&piece?);
    }
    Ok(Packing::of(&start))
}

async fn duplicate(storage: &Storage, from: &ObjectRef, to: &S3Uri) -> Result<(), Failure> {
    let source = format!("{}/{}", from.at.bucket, encoded(&from.at.key));
    if from.size > LARGEST_COPY {
        return duplicate_parts(storage, from, &source, to).await;
    }
    let copy = storage.client.copy_object().bucket(&to.bucket).key(&to.key).copy_source(source);
    let sent = copy.set_copy_source_if_match(from.etag.clone()).send().await;
    sent.map_err(|error| refused("copying", &from.at, &error))?;
    Ok(())
}

async fn duplicate_parts(
    storage: &Storage,
    from: &ObjectRef,
    source: &str,
    to: &S3Uri,
) -> Result<(), Failure> {
    let mut parts = Multipart::begin(storage, to).await?;
    let mut at = 0;
    while at < from.size {
        let end = (at + PART).min(from.size);
        parts.copy(from, source, at..end).await?;
        at = end;
    }
    parts.complete().await
}

/// Returns a key in URL encoding, except for its slashes, as the header `x-amz-copy-source` needs it.
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(byte as char)
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// The rewriting of one or several objects into one.
struct Conversion<'a> {
    context: &'a TaskContext<'a>,
    gzip: bool,
    read: Dialect,
    written: Dialect,
    columns: Vec<String>,
    wanted: Vec<String>,
    output: Arc<Output>,
}

impl<'a> Conversion<'a> {
    fn new(
        context: &'a TaskContext<'a>,
        copy: &CopyActivity,
        from: &S3Node,
        to: &S3Node,
    ) -> Result<Self, Failure> {
        let in_quotes = copy.rules.quoted_nulls;
        let read = Dialect { quoted_nulls: in_quotes, ..Dialect::of(from.format.as_ref(), &copy.nulls)? };
        let written = match &to.format {
            Some(format) => copy.written_nulls.dialect(Some(format))?,
            None => WrittenNulls::default().dialect(from.format.as_ref())?,
        };
        let problem = |format: Option<&Format>, field: &str, what: &str| {
            let id = format.map_or(&to.id, |format| &format.id);
            Err(Failure::bad_input("Definition", format!("object `{id}`, field `{field}` {what}")))
        };
        if written.form != Form::Text {
            return match &to.format {
                Some(format) => problem(Some(format), "myDialect", UNWRITTEN),
                None => {
                    problem(None, "dataFormat", "is missing; only text files can be put together as they are")
                }
            };
        }
        let declared =
            |node: &S3Node| node.format.as_ref().map(|format| format.columns.clone()).unwrap_or_default();
        let (mut columns, mut wanted) = (declared(from), declared(to));
        if columns.is_empty() && !read.header && read.form != Form::Json {
            // The input does not name its fields, so they get the names of the output's fields, in order.
            columns = std::mem::take(&mut wanted);
        }
        if written.header && !read.header && read.form != Form::Json && columns.is_empty() {
            let what = "is true, but the input has no header; declare its `column`s, or leave the header out";
            return problem(to.format.as_ref(), "myHeader", what);
        }
        Ok(Self { context, gzip: from.gzip, read, written, columns, wanted, output: Arc::default() })
    }

    /// Appends the records of an object.
    async fn add(&self, object: &ObjectRef, sink: &mut ObjectWriter) -> Result<(), Failure> {
        let origin = Origin::Object(self.context.tools.storage.clone(), object.clone());
        let input = Source { origin, gzip: self.gzip }.open().await?;
        let rewrite = Rewrite {
            file: object.uri(),
            labels: RecordLabels::Lines,
            read: self.read.clone(),
            written: self.written.clone(),
            columns: self.columns.clone(),
            wanted: self.wanted.clone(),
            output: self.output.clone(),
            scratch: self.context.folder.clone(),
        };
        write(rewrite.start(input), sink).await
    }

    /// Adds the notes about the files and the output for the user.
    fn add_notes(&self) {
        let notes = reading_notes(&self.written).into_iter().chain(self.output.notes());
        notes.for_each(|note| self.context.progress.note(note));
    }
}

/// Writes pieces up to the empty piece at the end.
async fn write(
    mut pieces: mpsc::Receiver<Result<Vec<u8>, Failure>>,
    sink: &mut ObjectWriter,
) -> Result<(), Failure> {
    while let Some(piece) = pieces.recv().await {
        match piece? {
            end if end.is_empty() => return Ok(()),
            piece => sink.write(piece).await?,
        }
    }
    Err(Failure::internal("the thread that rewrites the file ended without a result"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_copy_source_is_encoded_but_for_its_slashes() {
        assert_eq!(encoded("a b/ü+.csv"), "a%20b/%C3%BC%2B.csv");
    }
}
