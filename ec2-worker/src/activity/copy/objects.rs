//! `CopyActivity` between two `S3DataNode`s. If the bytes stay the same, S3 copies them itself; else the worker
//! rewrites each record.

use super::super::TaskContext;
use super::CopyActivity;
use crate::etl::dialect::Dialect;
use crate::etl::rewrite::Rewrite;
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
    let found = context.objects_of(from).await?;
    context.progress.set("writtenTo", &to.at);
    let plain = same_bytes(from, to);
    if from.directory && !to.directory {
        return together(context, copy, from, to, &found).await;
    }
    for object in &found {
        let target = if to.directory { to.at.child(&relative(from, object)) } else { to.at.clone() };
        if plain {
            duplicate(&context.tools.storage, object, &target).await?;
            context.progress.log(&format!("copied {} to {target}", object.uri()));
        } else {
            let mut sink = ObjectWriter::new(&context.tools.storage, &target, to.gzip);
            convert(context, copy, (from, to), object, true, &mut sink).await?;
            sink.finish().await?;
        }
    }
    Ok(())
}

fn same_bytes(from: &S3Node, to: &S3Node) -> bool {
    let cut =
        |node: &S3Node| node.format.as_ref().map(|format| Format { id: String::new(), ..format.clone() });
    from.gzip == to.gzip && (to.format.is_none() || cut(from) == cut(to))
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
    let mut sink = ObjectWriter::new(&context.tools.storage, &to.at, to.gzip);
    for (index, object) in found.iter().enumerate() {
        convert(context, copy, (from, to), object, index == 0, &mut sink).await?;
    }
    sink.finish().await
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

async fn convert(
    context: &TaskContext<'_>,
    copy: &CopyActivity,
    (from, to): (&S3Node, &S3Node),
    object: &ObjectRef,
    first: bool,
    sink: &mut ObjectWriter,
) -> Result<(), Failure> {
    let read = Dialect::of(from.format.as_ref(), &copy.nulls)?;
    let written = match &to.format {
        Some(format) => Dialect::of(Some(format), &[])?,
        None => read.clone(),
    };
    let source =
        Source { origin: Origin::Object(context.tools.storage.clone(), object.clone()), gzip: from.gzip };
    let input = source.open().await?;
    let skips_header = read.header && (!first || !written.header);
    let rewrite =
        Rewrite { file: object.uri(), read, written, skips_header, scratch: context.folder.clone() };
    let mut pieces = rewrite.start(input);
    while let Some(piece) = pieces.recv().await {
        match piece? {
            end if end.is_empty() => return Ok(()),
            piece => sink.write(&piece).await?,
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
