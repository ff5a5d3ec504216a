//! Our own `my` fields, which AWS lets pass and our programs read.

use super::{findings::Findings, nearest, slots, subject::Subject};
use crate::{
    FieldValue, PipelineObject,
    expression::is_pattern,
    inherit::DEFAULT_ID,
    kind::{Kind, Slot},
};

struct Own {
    key: &'static str,
    place: Place,
    holds: Holds,
}

/// Where a field is read.
#[derive(Clone, Copy)]
enum Place {
    Default,
    Kinds(&'static [Kind]),
}

#[derive(Clone, Copy)]
enum Holds {
    A(Slot),
    /// A count, or a percentage such as `1%`.
    Rejects,
    S3Prefix,
    /// A Joda date pattern.
    DatePattern,
}

const fn on_default(key: &'static str, slot: Slot) -> Own {
    Own { key, place: Place::Default, holds: Holds::A(slot) }
}

const fn on(key: &'static str, kinds: &'static [Kind], holds: Holds) -> Own {
    Own { key, place: Place::Kinds(kinds), holds }
}

const FORMATS: &[Kind] = &[Kind::Csv, Kind::Tsv, Kind::Custom];
const COPY: &[Kind] = &[Kind::CopyActivity];

const OWN: &[Own] = &[
    on_default("myDropFile", Slot::Text),
    on_default("myMaxRunsPerDay", Slot::Integer { least: 1, most: i64::MAX }),
    on_default("myStaleRuns", Slot::Word(&["delete", "replace", "keep"])),
    on_default("myWaitFor", Slot::Period),
    on_default("myBackfill", Slot::Boolean),
    on("myOncePerRun", &[Kind::SnsAlarm], Holds::A(Slot::Boolean)),
    on("myETag", &[Kind::S3DataNode], Holds::A(Slot::Text)),
    on("myHeader", FORMATS, Holds::A(Slot::Boolean)),
    on("myLoadMode", COPY, Holds::A(Slot::Word(&["append", "replace", "upsert"]))),
    on("myMaxRejects", COPY, Holds::Rejects),
    on("myRejectsPath", COPY, Holds::S3Prefix),
    on("myNullValues", COPY, Holds::A(Slot::Text)),
    on("myDateFormat", COPY, Holds::DatePattern),
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for object in &subject.resolved {
        let Some(stated) = subject.stated(&object.id) else { continue };
        for field in stated.fields.iter().filter(|field| field.key.as_str().starts_with("my")) {
            let key = field.key.as_str();
            match OWN.iter().find(|own| own.key == key) {
                None => near_miss(stated, key, findings),
                Some(own) => {
                    place(object, own, findings);
                    if let Some(complaint) = complaint(subject, object, own, &field.value) {
                        findings.error(&object.id, Some(key), "INVALID_FIELD_VALUE", complaint);
                    }
                }
            }
        }
    }
}

/// User fields are free, but `myLoadmode` was hardly meant as one.
fn near_miss(object: &PipelineObject, key: &str, findings: &mut Findings) {
    let own = OWN.iter().map(|own| own.key);
    if let Some(meant) = nearest::nearest(key, own).filter(|meant| meant.eq_ignore_ascii_case(key)) {
        let message = format!("'{key}' means nothing here (did you mean '{meant}'?)");
        findings.warning(&object.id, Some(key), "UNKNOWN_FIELD", message);
    }
}

fn place(object: &PipelineObject, own: &Own, findings: &mut Findings) {
    let only = match (own.place, Kind::of(object)) {
        (Place::Default, _) if object.id != DEFAULT_ID => "the Default object".to_owned(),
        (Place::Kinds(kinds), Some(kind)) if !kinds.contains(&kind) => {
            kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
        }
        _ => return,
    };
    let message = format!("'{}' has no effect here: it is read on {only} only", own.key);
    findings.warning(&object.id, Some(own.key), "MISPLACED_FIELD", message);
}

fn complaint(
    subject: &Subject<'_>,
    object: &PipelineObject,
    own: &Own,
    value: &FieldValue,
) -> Option<String> {
    let key = own.key;
    let FieldValue::String(text) = value else {
        return Some(format!("'{key}' must be text, not a reference"));
    };
    let texts = subject.foreseen(object, text)?;
    texts.iter().find_map(|text| {
        let must = match own.holds {
            Holds::A(slot) => return slots::complaint(key, slot, text),
            Holds::Rejects if !is_rejects(text) => "a count of rows or a percentage such as '1%'",
            Holds::S3Prefix if !text.starts_with("s3://") => "an S3 prefix, s3://bucket/prefix",
            Holds::DatePattern if !is_pattern(text) => "a Joda date pattern such as 'dd/MM/yyyy'",
            _ => return None,
        };
        Some(format!("'{key}' value must be {must}. Found '{text}'"))
    })
}

fn is_rejects(text: &str) -> bool {
    match text.trim().strip_suffix('%') {
        Some(percentage) => {
            percentage.trim().parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number))
        }
        None => text.trim().parse::<u64>().is_ok(),
    }
}
