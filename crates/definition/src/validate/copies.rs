//! Checks CopyActivities: warns of fields that have no effect between the two nodes of a copy, of an output whose name promises
//! another packing than the object has, and of two copies into one table of which one deletes the rows of the other.

use std::cell::LazyCell;

use foldhash::HashMap;

use super::{checked_definition::CheckedDefinition, problems::Problems};
use crate::publication::{reached, waits};
use crate::{
    ObjectId, expression,
    inherit::Resolved,
    kind::{Kind, field},
};
use field::{Compression, LoadMode};

/// The fields that concern loads into a table.
const OF_LOADS: [&str; 5] = ["myLoadMode", "myOnColumns", "myCascade", "myMaxRejects", "myRejectsPath"];
/// The fields that say which texts of a file mean NULL.
const OF_NULLS: [&str; 2] = ["myNullValues", "myQuotedNulls"];
/// The fields that say how a file writes other values.
const OF_VALUES: [&str; 9] = [
    "myDateFormat",
    "myColumn",
    "myDecimal",
    "myGrouping",
    "myCurrency",
    "myPercent",
    "myTrailingSign",
    "myTrue",
    "myFalse",
];
/// The ends of names that programs give to packed files.
const ENDS: [&str; 7] = [".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz", ".zip"];

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    replaced_rows(checked, problems);
    for (copy, kind) in checked.typed() {
        let node = |key| checked.object(copy.reference(key)?);
        let (Kind::CopyActivity, Some(from), Some(to)) = (kind, node("input"), node("output")) else {
            continue;
        };
        let is_file = |node: &Resolved<'_>| node.kind() == Some(Kind::S3DataNode);
        let is_table = |node: &Resolved<'_>| node.kind().is_some() && !is_file(node);
        if is_file(to) {
            let why = "the output is not a table, and a copy into a file fails at the first record that does not fit";
            unused(copy, &OF_LOADS, why, problems);
            name_of_output(from, to, problems);
        }
        if is_table(from) {
            let why = "the rows come from a database, and not from a file";
            unused(copy, &OF_NULLS, why, problems);
            unused(copy, &OF_VALUES, why, problems);
        } else if is_file(from) && is_file(to) {
            let why = "a copy between files keeps their texts as they are";
            unused(copy, &OF_VALUES, why, problems);
        }
    }
}

/// Warns of two copies into one table if one of them deletes the old rows of the table, and nothing says which runs first.
fn replaced_rows(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    let copies = checked.with_kinds().enumerate().filter(|(_, (_, kind))| *kind == Some(Kind::CopyActivity));
    let copies = copies.filter_map(|(at, (copy, _))| {
        let table = checked.object(copy.reference("output")?)?;
        let is_table = table.kind().is_some_and(|kind| kind != Kind::S3DataNode);
        let mode = match copy.string("myLoadMode") {
            None => LoadMode::Append,
            Some(word) => field::MY_LOAD_MODE.parse(word).ok()?,
        };
        is_table.then_some((at, copy, table, mode))
    });
    let copies: Vec<_> = copies.collect();
    if copies.len() < 2 {
        return;
    }
    let waits = LazyCell::new(|| waits(checked.inheritance()));
    let mut of_table: HashMap<TableName<'_>, Vec<usize>> = HashMap::default();
    for (place, (at, copy, table, mode)) in copies.iter().enumerate() {
        let earlier = of_table.entry(table_of(table)).or_default();
        let is_other = |(other_at, _, _, other_mode): &(usize, &Resolved<'_>, &Resolved<'_>, LoadMode)| {
            (*mode == LoadMode::Replace || *other_mode == LoadMode::Replace)
                && !reached(&waits, *at).contains(other_at)
                && !reached(&waits, *other_at).contains(at)
        };
        let found = earlier.iter().map(|place| &copies[*place]).find(|other| is_other(other));
        earlier.push(place);
        let Some((_, other, ..)) = found else { continue };
        let message = format!(
            "'{0}' and '{1}' load the same table, with 'myLoadMode' 'replace', and neither waits for the other: the one that runs \
             last deletes the rows of the other; load all files with one activity, or let one append and depend on the other, \
             which replaces",
            other.id(),
            copy.id()
        );
        problems.warning(copy.id(), Some("myLoadMode"), "REPLACED_ROWS", message);
    }
}

/// Texts that are equal for two nodes of the same table.
type TableName<'n> = [Option<&'n str>; 4];

fn table_of<'n>(node: &'n Resolved<'_>) -> TableName<'n> {
    match node.string("table") {
        None => [Some(node.id().as_str()), None, None, None],
        table => {
            let database = node.reference("database").map(ObjectId::as_str);
            [table, node.string("schemaName"), node.string("connectionString"), database]
        }
    }
}

/// Warns of fields that the object itself states. Fields of Default and of parents may be for other objects, too.
fn unused(object: &Resolved<'_>, keys: &[&str], why: &str, problems: &mut Problems) {
    let is_stated = |key: &&&str| object.stated.fields.iter().any(|field| field.key.as_str() == **key);
    for key in keys.iter().filter(is_stated) {
        let message = format!("'{key}' has no effect here: {why}");
        problems.warning(object.id(), Some(key), "IGNORED_FIELD", message);
    }
}

/// Warns of an output whose name promises a packing that the object will not have. `compression`, not
/// the name, decides how the object is packed.
fn name_of_output(from: &Resolved<'_>, to: &Resolved<'_>, problems: &mut Problems) {
    let end_of = |node: &Resolved<'_>| {
        let path = node.string("filePath")?.to_ascii_lowercase();
        ENDS.into_iter().find(|end| path.ends_with(end))
    };
    let Some(end) = end_of(to) else { return };
    let has_gzip = |node: &Resolved<'_>| match node.string("compression") {
        Some(word) if expression::is_in(word) => None,
        word => Some(word.is_some_and(|word| field::COMPRESSION.parse(word) == Ok(Compression::Gzip))),
    };
    let (Some(input_has_gzip), Some(output_has_gzip)) = (has_gzip(from), has_gzip(to)) else { return };
    let name_has_gzip = matches!(end, ".gz" | ".gzip");
    if output_has_gzip && name_has_gzip {
        return;
    }
    // A copy without another data format copies the bytes, with the packing that they have.
    let is_same_text =
        to.reference("dataFormat").is_none() || to.reference("dataFormat") == from.reference("dataFormat");
    let is_same = from.kind() == Some(Kind::S3DataNode) && is_same_text && input_has_gzip == output_has_gzip;
    if is_same && end_of(from) == Some(end) {
        return;
    }
    let content = if output_has_gzip { "is packed with gzip" } else { "is not packed" };
    let remedy = match (output_has_gzip, name_has_gzip) {
        (false, true) => "set 'compression' to GZIP, or give it another name",
        (false, false) => "give it another name, or set 'compression' to GZIP and let it end with .gz",
        (true, _) => "let it end with .gz",
    };
    let message = format!("the object {content}, although its name ends with {end}: {remedy}");
    problems.warning(to.id(), Some("filePath"), "MISLEADING_NAME", message);
}
