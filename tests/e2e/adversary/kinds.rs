//! The kinds of patterns of the story, and which files a run of each kind should read.
//!
//! The rules are stated a second time here, in the words of `docs/patterns.md` and by lists of keys, so that they do not repeat the
//! mistakes of the code under test.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DROP, runners::GROUP};

/// An object that the drop bucket holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) etag: String,
    pub(super) size: i64,
    /// Milliseconds since 1970.
    pub(super) landed: i64,
}

/// The objects of the drop bucket.
pub(super) type Bucket = BTreeMap<String, Held>;

/// Keys with their ETags, in the order of the keys.
pub(super) type Files = Vec<(String, String)>;

/// How a set should stand when everything is done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expected {
    /// The last run has read these files.
    Whole(Files),
    Incomplete,
    /// Several files match where one is allowed.
    TooMany,
}

/// The matching files that a run reads.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reads {
    Newest,
    All,
    One,
}

/// A part of a set: one pattern, the data node that reads its files, and the names that match it.
///
/// In texts of this module, `%d` is the definition's name, `%n` the number of the set, `%i` its date, and `%c` its date without
/// hyphens.
struct Part {
    /// The location that the node names, after the bucket.
    location: &'static str,
    reads: Reads,
    is_optional: bool,
    names: &'static [&'static str],
}

/// A kind of patterns.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Fields of `Default`.
    fields: &'static str,
    parts: &'static [Part],
    /// The key of a marker.
    marker: Option<&'static str>,
    pub(super) allows_empty: bool,
    /// Names that people drop into the folder and that belong to no pattern.
    strays: &'static [&'static str],
    /// The values that each set gives to parameters.
    values: &'static [(&'static str, &'static str)],
    /// Whether no run can start, because a parameter has no value.
    pub(super) lacks_a_value: bool,
}

const fn part(location: &'static str, names: &'static [&'static str]) -> Part {
    Part { location, reads: Reads::Newest, is_optional: false, names }
}

const PLAIN: Kind = Kind {
    name: "plain",
    fields: r#""myDropFile": ["%d/{set}/a.csv", "%d/{set}/b.csv"]"#,
    parts: &[part("%d/{set}/a.csv", &["%d/%n/a.csv"]), part("%d/#{mySet}/b.csv", &["%d/%n/b.csv"])],
    marker: None,
    allows_empty: false,
    strays: &[],
    values: &[("mySet", "%n")],
    lacks_a_value: false,
};

const STAR: Kind = Kind {
    name: "star",
    fields: r#""myDropFile": ["%d/{set}/a.csv", "%d/{set}/b_*.csv"]"#,
    parts: &[part("%d/{set}/a.csv", &["%d/%n/a.csv"]), part("%d/{set}/b_*.csv", STARS)],
    strays: &["%d/%n/b_3.csv.part", "%d/%n/c.txt", "%d/%n/late/b_1.csv"],
    ..PLAIN
};
const STARS: &[&str] = &["%d/%n/b_1.csv", "%d/%n/b_2.csv"];

/// One kind for each sentence about patterns.
pub(super) const KINDS: &[Kind] = &[
    PLAIN,
    STAR,
    Kind {
        name: "star, all",
        parts: &[
            part("%d/{set}/a.csv", &["%d/%n/a.csv"]),
            Part { reads: Reads::All, ..part("%d/{set}/b_*.csv", STARS) },
        ],
        ..STAR
    },
    Kind {
        name: "star, one",
        parts: &[
            part("%d/{set}/a.csv", &["%d/%n/a.csv"]),
            Part { reads: Reads::One, ..part("%d/{set}/b_*.csv", STARS) },
        ],
        ..STAR
    },
    Kind {
        name: "dates in two forms",
        fields: r#""myDropFile": ["%d/a_{day:yyyyMMdd}.csv", "%d/b-{day:yyyy-MM-dd}.csv"]"#,
        parts: &[
            part("%d/a_{day:yyyyMMdd}.csv", &["%d/a_%c.csv"]),
            part("%d/b-{day:yyyy-MM-dd}.csv", &["%d/b-%i.csv"]),
        ],
        values: &[("myDay", "%i")],
        ..PLAIN
    },
    Kind {
        name: "classes",
        fields: r#""myDropFile": ["%d/{n:[0-9]+}-{shop:[^/]+}/a.csv", "%d/{n:[0-9]+}-{shop:[^/]+}/b.csv"]"#,
        parts: &[
            part("%d/{n:[0-9]+}-{shop:[^/]+}/a.csv", &["%d/%n-Köln & Co #{myN}/a.csv"]),
            part("%d/{n:[0-9]+}-{shop:[^/]+}/b.csv", &["%d/%n-Köln & Co #{myN}/b.csv"]),
        ],
        values: &[("myN", "%n"), ("myShop", "Köln & Co #{myN}")],
        ..PLAIN
    },
    Kind {
        name: "any case",
        fields: r#""myIgnoreCase": "true", "myDropFile": ["%d/{set}/Orders.csv", "%d/{set}/back_*.csv"]"#,
        parts: &[
            part("%d/{set}/Orders.csv", &["%d/%n/orders.csv", "%d/%n/ORDERS.CSV"]),
            part("%d/{set}/back_*.csv", &["%d/%n/back_1.csv", "%d/%n/Back_1.CSV"]),
        ],
        ..PLAIN
    },
    Kind {
        name: "optional",
        fields: r#""myDropFile": "%d/{set}/a.csv", "myDropFileOptional": "%d/{set}/b.csv""#,
        parts: &[
            part("%d/{set}/a.csv", &["%d/%n/a.csv"]),
            Part { is_optional: true, ..part("%d/{set}/b.csv", &["%d/%n/b.csv"]) },
        ],
        ..PLAIN
    },
    Kind {
        name: "compressed",
        fields: r#""myCompressed": "true", "myDropFile": ["%d/{set}/a.csv", "%d/{set}/b.csv"]"#,
        parts: &[
            part("%d/{set}/a.csv", &["%d/%n/a.csv", "%d/%n/a.csv.gz"]),
            part("%d/{set}/b.csv", &["%d/%n/b.csv.zst", "%d/%n/b.csv"]),
        ],
        strays: &["%d/%n/a.csv.zip"],
        ..PLAIN
    },
    Kind {
        name: "marker",
        fields: r#""myDropFile": "%d/{set}/part-*", "myDropMarker": "%d/{set}/_SUCCESS""#,
        parts: &[Part {
            reads: Reads::All,
            ..part("%d/#{mySet}", &["%d/%n/part-0", "%d/%n/part-1", "%d/%n/part-2"])
        }],
        marker: Some("%d/%n/_SUCCESS"),
        strays: &["%d/%n/part-3.tmp"],
        ..PLAIN
    },
    Kind {
        name: "marker beside",
        fields: r#""myDropFile": "%d/{set}/*", "myDropMarker": "%d/{set}.done""#,
        parts: &[Part { reads: Reads::All, ..part("%d/{set}/*", &["%d/%n/x.csv", "%d/%n/y"]) }],
        marker: Some("%d/%n.done"),
        strays: &["%d/%n/.x.csv", "%d/%n/y.filepart"],
        ..PLAIN
    },
    Kind {
        name: "empty files",
        fields: r#""myAllowEmpty": "true", "myDropFile": ["%d/{set}/a.csv", "%d/{set}/b.csv"]"#,
        allows_empty: true,
        ..PLAIN
    },
    Kind { name: "without a value", lacks_a_value: true, ..PLAIN },
];

/// A set: its number, its kind and its definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place(pub(super) usize);

impl Place {
    pub(super) fn kind(self) -> &'static Kind {
        &KINDS[self.0 % KINDS.len()]
    }

    pub(super) fn definition(self) -> String {
        format!("d{}", self.0 % KINDS.len())
    }

    fn filled(self, text: &str) -> String {
        let day = jiff::civil::date(2026, 1, 1) + jiff::Span::new().days(self.0 as i64);
        let text = text.replace("%d", &self.definition()).replace("%n", &self.0.to_string());
        text.replace("%i", &day.to_string()).replace("%c", &day.strftime("%Y%m%d").to_string())
    }

    /// Returns the file of the definition. Its activity does not matter, because task runners of the story do the work.
    pub(super) fn file(self) -> String {
        let kind = self.kind();
        let nodes = kind.parts.iter().enumerate().map(|(number, part)| {
            let mode = match part.reads {
                Reads::Newest => "",
                Reads::All => r#", "myMatch": "all""#,
                Reads::One => r#", "myMatch": "one""#,
            };
            let is_folder = part.location.ends_with('}');
            let field = if is_folder { "directoryPath" } else { "filePath" };
            let mode = if is_folder { "" } else { mode };
            let location = part.location;
            format!(
                r#", {{"id": "In{number}", "type": "S3DataNode", "{field}": "s3://{DROP}/{location}"{mode}}}"#
            )
        });
        let (fields, nodes) = (kind.fields, nodes.collect::<String>());
        let parameters = kind.values.iter().map(|(id, _)| *id).chain(["myDropKeys", "myDefinition"]);
        let lacking = kind.lacks_a_value.then_some("myMissing");
        let parameters: Vec<Value> = parameters.chain(lacking).map(|id| json!({"id": id})).collect();
        let command = if kind.lacks_a_value { "echo #{myMissing}" } else { "true" };
        self.filled(&format!(
            r##"{{"objects": [
    {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "workerGroup": "{GROUP}", "maximumRetries": "0", "mySettle": "0 seconds", {fields}}},
    {{"id": "Work", "type": "ShellCommandActivity", "command": "{command}"}}{nodes}
  ], "parameters": {}}}"##,
            json!(parameters)
        ))
    }

    /// Returns the keys of the files without which the set is not whole, the marker last.
    pub(super) fn needed(self) -> Vec<String> {
        let parts = self.kind().parts.iter().filter(|part| !part.is_optional);
        let names = parts.map(|part| part.names[self.0 / KINDS.len() % part.names.len()]);
        names.chain(self.kind().marker).map(|name| self.filled(name)).collect()
    }

    /// Returns all keys that people drop, those of strangers to the patterns included.
    pub(super) fn keys(self) -> Vec<String> {
        let kind = self.kind();
        let names = kind.parts.iter().flat_map(|part| part.names).chain(kind.strays).copied();
        names.chain(kind.marker).map(|name| self.filled(name)).collect()
    }

    /// Returns whether content under this key may be replaced by an empty object. Otherwise, the file goes away by this, and
    /// files that go away start no run.
    pub(super) fn may_become_empty(self, key: &str) -> bool {
        self.kind().allows_empty || self.kind().marker.is_some_and(|name| self.filled(name) == key)
    }

    /// Returns the values that the set gives to parameters.
    pub(super) fn values(self) -> BTreeMap<String, String> {
        let values = self.kind().values.iter().map(|(id, text)| ((*id).to_owned(), self.filled(text)));
        values.chain([("myDefinition".to_owned(), self.definition())]).collect()
    }

    /// Returns how many data nodes of a run of the set must have a file.
    pub(super) fn is_allowed(self, node: usize, files: &Files) -> bool {
        let Some(part) = self.kind().parts.get(node) else { return false };
        let names: Vec<String> = part.names.iter().map(|name| self.filled(name)).collect();
        let is_known = files.iter().all(|(key, _)| names.contains(key));
        let count = if part.reads == Reads::All { 1..=names.len() } else { 1..=1 };
        is_known && (count.contains(&files.len()) || part.is_optional && files.is_empty())
    }

    pub(super) fn parts(self) -> usize {
        self.kind().parts.len()
    }

    /// Returns how the set should stand with these objects in the bucket.
    pub(super) fn expected(self, bucket: &Bucket) -> Expected {
        let (kind, mut files, mut newest_of_all) = (self.kind(), Files::new(), i64::MIN);
        let mut is_whole = true;
        for part in kind.parts {
            let names = part.names.iter().map(|name| self.filled(name));
            let there = names.filter_map(|key| bucket.get(&key).map(|held| (key, held)));
            let mut there: Vec<_> = there.filter(|(_, held)| held.size > 0 || kind.allows_empty).collect();
            there.sort_by(|(one_key, one), (other_key, other)| {
                (one.landed, one_key).cmp(&(other.landed, other_key))
            });
            is_whole &= part.is_optional || !there.is_empty();
            if part.reads == Reads::One && there.len() > 1 {
                return Expected::TooMany;
            }
            let surplus = if part.reads == Reads::All { 0 } else { there.len().saturating_sub(1) };
            for (key, held) in there.into_iter().skip(surplus) {
                newest_of_all = newest_of_all.max(held.landed);
                files.push((key, held.etag.clone()));
            }
        }
        if let Some(name) = kind.marker {
            let marker = bucket.get(&self.filled(name));
            is_whole &= marker.is_some_and(|marker| newest_of_all <= marker.landed);
        }
        files.sort();
        if is_whole { Expected::Whole(files) } else { Expected::Incomplete }
    }
}
