//! Every field in AWS's guide is in the table of its type.
//!
//! `fields.txt` was copied from the tables of the guide, not from our tables. Each line is a type and a field
//! that a definition can hold or that the service sets. The shared groups are listed for each type.

use std::collections::BTreeSet;

use definition::kind::Kind;

const LISTED: &str = include_str!("fields.txt");

/// The fields that our tables have and the tables of the guide lack.
const BEYOND: &[(&str, &str, &str)] = &[
    ("*", "type", "the guide states it once for all objects, outside its tables"),
    ("runnable", "@componentParent", "seen on real instances and attempts"),
    ("runnable", "@instanceParent", "seen on real attempts"),
    ("runnable", "@headAttempt", "seen on real instances"),
    ("runnable", "@attemptCount", "seen on real instances"),
    ("runnable", "@triesLeft", "seen on real instances"),
    ("runnable", "@logLocation", "seen on real attempts"),
    ("resource", "@resourceId", "seen on real resources"),
    ("resource", "@resourceRegion", "seen on real resources"),
    ("resource", "@resourceStatus", "seen on real resources"),
    ("EbsConfiguration", "EbsBlockDeviceConfig", "how EmrCluster and the type write it"),
    ("EbsBlockDeviceConfig", "VolumeSpecification", "how EmrCluster and the type write it"),
];

fn beyond() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (whom, field, _reason) in BEYOND {
        let is_meant = |kind: &Kind| match *whom {
            "*" => true,
            "runnable" => kind.is_runnable(),
            "resource" => kind.is_resource(),
            name => kind.name() == name,
        };
        lines.extend(
            Kind::ALL.iter().copied().filter(is_meant).map(|kind| format!("{} {field}", kind.name())),
        );
    }
    lines
}

fn described() -> BTreeSet<String> {
    let of_kind = |kind: &Kind| {
        let name = kind.name();
        kind.fields().chain(kind.runtime_fields()).map(move |spec| format!("{name} {}", spec.key))
    };
    Kind::ALL.iter().flat_map(of_kind).collect()
}

#[test]
fn the_description_has_every_listed_field_and_beyond_them_only_what_is_named() {
    let listed: BTreeSet<String> = LISTED.lines().map(str::to_owned).collect();
    let (described, beyond) = (described(), beyond());
    let missing: Vec<_> = listed.difference(&described).collect();
    assert!(missing.is_empty(), "listed and not described: {missing:#?}");
    let expected: BTreeSet<_> = listed.union(&beyond).cloned().collect();
    let unlisted: Vec<_> = described.difference(&expected).collect();
    assert!(unlisted.is_empty(), "described and not listed: {unlisted:#?}");
    let idle: Vec<_> =
        beyond.iter().filter(|line| listed.contains(*line) || !described.contains(*line)).collect();
    assert!(idle.is_empty(), "named as beyond the list without need: {idle:#?}");
}

#[test]
fn the_list_is_sorted_and_whole() {
    let lines: Vec<&str> = LISTED.lines().collect();
    assert!(lines.is_sorted());
    let types: BTreeSet<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((types.len(), lines.len()), (41, 1_298));
    assert_eq!(Kind::ALL.len(), 41);
}
