//! Keys that look as if they were meant for a pattern and do not match it.

use std::collections::BTreeMap;
use std::fmt;

use super::Trigger;
use super::matching::{Laxity, Matcher};
use super::part::{Part, Takes};
use super::pattern::{self, Pattern};

/// How many folders a key may have too many.
const MAX_FOLDERS: usize = 3;
/// The ends of names that data files have. For a pattern such as `*.csv`, a file with another end was probably never
/// meant.
const DATA_ENDS: [&str; 14] =
    ["csv", "tsv", "tab", "txt", "dat", "json", "jsonl", "ndjson", "xlsx", "gz", "zst", "zip", "bz2", "xz"];

/// A key that nearly matches a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearMiss {
    /// The pattern.
    pub pattern: String,
    /// The reason why the key does not match.
    pub why: Why,
}

/// The reason why a key does not match the nearest pattern. A smaller difference comes first in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Letters are upper case in one and lower case in the other.
    Case,
    /// A name in braces that the pattern has more than once has different values in the key.
    Disagrees {
        /// The name, without the braces.
        name: String,
        /// The value at its first place.
        first: String,
        /// The other value.
        other: String,
        /// Whether the first place is in a folder, and the other one is in the name of the file.
        is_folder_and_name: bool,
    },
    /// A name in braces does not take the text in its place.
    Captured {
        /// The capture as the pattern has it, without the braces.
        capture: String,
        /// The text in its place.
        text: String,
        /// Whether the capture has no type.
        is_plain: bool,
    },
    /// The name of the file has another extension.
    Extension,
    /// The key has folders that the pattern lacks.
    Deeper,
    /// The key lacks folders of the pattern.
    Shallower,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Case => f.write_str(
                "upper and lower case differ (`myIgnoreCase` ignores them in the name of the file)",
            ),
            Self::Disagrees { name, first, other, is_folder_and_name } => {
                let places = match is_folder_and_name {
                    true => ["in the folder", "in the name"],
                    false => ["at its first place", "at another one"],
                };
                let (first, other) = (first.escape_debug(), other.escape_debug());
                write!(f, "{{{name}}} is {first} {} and {other} {}", places[0], places[1])
            }
            Self::Captured { capture, text, is_plain: true } => write!(
                f,
                "{{{capture}}} takes letters, digits and - _ . = + @ , only, and the key has `{}` there",
                text.escape_debug()
            ),
            Self::Captured { capture, text, is_plain: false } => {
                write!(f, "the key has `{}` where the pattern has {{{capture}}}", text.escape_debug())
            }
            Self::Extension => {
                f.write_str("the name has another extension (`myCompressed` also takes .gz and .zst)")
            }
            Self::Deeper => f.write_str("the key has more folders"),
            Self::Shallower => f.write_str("the key has fewer folders"),
        }
    }
}

impl Why {
    /// Returns how much the key differs. Of two definitions, a key was probably meant for the one with the smaller difference.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Case => 0,
            Self::Disagrees { .. } => 1,
            Self::Captured { .. } => 2,
            Self::Extension => 3,
            Self::Deeper | Self::Shallower => 4,
        }
    }
}

impl Trigger {
    /// Returns the pattern that `key` was probably meant for. `key` matches no pattern.
    ///
    /// The name of a file that is still being written is not a near miss of any pattern.
    #[must_use]
    pub fn near_miss(&self, key: &str) -> Option<NearMiss> {
        if key.ends_with('/') || pattern::is_temporary_name(key) {
            return None;
        }
        let checks: [fn(&Pattern, &str) -> Option<Why>; 5] =
            [by_case, by_disagreement, by_capture, by_extension, by_folders];
        checks.iter().find_map(|check| {
            self.patterns().find_map(|pattern| {
                Some(NearMiss { pattern: pattern.as_str().to_owned(), why: check(pattern, key)? })
            })
        })
    }
}

fn matches(parts: &[Part], key: &str, laxity: Laxity) -> bool {
    Matcher::new(parts, laxity).captures(key).0.is_some()
}

fn by_case(pattern: &Pattern, key: &str) -> Option<Why> {
    matches(&pattern.parts, key, Laxity::CASE).then_some(Why::Case)
}

/// Returns the parts with another name for each capture, so that a name that the pattern has twice may have two values.
fn separated(parts: &[Part]) -> Vec<Part> {
    let separate = |(index, part): (usize, &Part)| match part {
        Part::Capture { name, takes } => {
            Part::Capture { name: format!("{name} {index}"), takes: takes.clone() }
        }
        Part::Literal(_) | Part::Star { .. } => part.clone(),
    };
    parts.iter().enumerate().map(separate).collect()
}

fn by_disagreement(pattern: &Pattern, key: &str) -> Option<Why> {
    let parts = &pattern.parts;
    let captures = Matcher::new(&separated(parts), Laxity::CASE).captures(key).0?;
    let has_slash = |part: &Part| matches!(part, Part::Literal(text) if text.contains('/'));
    let last_slash = parts.iter().rposition(has_slash).unwrap_or(0);
    let mut first_places: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (index, part) in parts.iter().enumerate() {
        let Part::Capture { name, .. } = part else { continue };
        let value = captures.get(&format!("{name} {index}"))?;
        let (place, first) = *first_places.entry(name).or_insert((index, value));
        if first != value {
            return Some(Why::Disagrees {
                name: name.clone(),
                first: first.to_owned(),
                other: value.to_owned(),
                is_folder_and_name: place < last_slash && index > last_slash,
            });
        }
    }
    None
}

fn by_capture(pattern: &Pattern, key: &str) -> Option<Why> {
    let captures = Matcher::new(&separated(&pattern.parts), Laxity::ALL).captures(key).0?;
    let wrong = pattern.parts.iter().enumerate().find_map(|(index, part)| {
        let Part::Capture { name, takes } = part else { return None };
        let text = captures.get(&format!("{name} {index}"))?;
        // A capture alone is a pattern, too.
        if matches(std::slice::from_ref(part), text, Laxity::CASE) {
            return None;
        }
        Some((name, takes, text.to_owned()))
    });
    let (name, takes, text) = wrong?;
    let capture = match takes {
        Takes::Plain => name.clone(),
        Takes::Date(_) => format!("{name}, a date"),
        Takes::Class { text, .. } => format!("{name}:{text}"),
    };
    Some(Why::Captured { capture, text, is_plain: *takes == Takes::Plain })
}

fn by_extension(pattern: &Pattern, key: &str) -> Option<Why> {
    let Some((Part::Literal(tail), before)) = pattern.parts.split_last() else { return None };
    let at = tail.rfind('.').filter(|at| !tail[*at..].contains('/'))?;
    let mut parts = before.to_vec();
    if at > 0 {
        parts.push(Part::Literal(tail[..at].to_owned()));
    }
    let is_wild = !matches!(parts.last(), Some(Part::Literal(text)) if !text.ends_with('/'));
    let name_at = key.rfind('/').map_or(0, |at| at + 1);
    let mut stem = key;
    for _ in 0..3 {
        if matches(&parts, stem, Laxity::CASE) && (!is_wild || has_data_end(key)) {
            return Some(Why::Extension);
        }
        let dot = stem[name_at..].rfind('.').filter(|dot| *dot > 0)?;
        stem = &stem[..name_at + dot];
    }
    None
}

fn has_data_end(key: &str) -> bool {
    key.rsplit('.').next().is_some_and(|end| DATA_ENDS.iter().any(|known| known.eq_ignore_ascii_case(end)))
}

fn by_folders(pattern: &Pattern, key: &str) -> Option<Why> {
    let segments: Vec<&str> = key.split('/').collect();
    // Spark, Hadoop and the like keep unfinished files in folders whose names begin with `_` or `.`.
    let is_stated = |folder: &str| pattern.as_str().split('/').any(|own| own == folder);
    let folders = &segments[..segments.len() - 1];
    if folders.iter().any(|folder| folder.starts_with(['_', '.']) && !is_stated(folder)) {
        return None;
    }
    for count in 1..=MAX_FOLDERS.min(folders.len()) {
        for first in 0..segments.len() - count {
            let rest = [&segments[..first], &segments[first + count..]].concat().join("/");
            if matches(&pattern.parts, &rest, Laxity::CASE) {
                return Some(Why::Deeper);
            }
        }
    }
    let of_pattern = in_segments(&pattern.parts);
    let depth = of_pattern.len() - 1;
    // A name without a text of its own, such as `{day}`, says nothing alone.
    let has_text = |segment: &Vec<Part>| {
        segment.iter().any(|part| matches!(part, Part::Literal(text) if text.len() > 4))
    };
    if segments.len() > depth || !of_pattern.last().is_some_and(has_text) {
        return None;
    }
    for count in 1..=depth {
        for first in 0..=depth - count {
            let rest = [&of_pattern[..first], &of_pattern[first + count..]].concat();
            // Without the folder with which the pattern begins, a capture could take any other folder.
            let begins = first > 0 || count == depth || matches!(rest[0][..], [Part::Literal(_)]);
            if begins && matches(&joined(&rest), key, Laxity::CASE) {
                return Some(Why::Shallower);
            }
        }
    }
    None
}

/// Returns the parts of each segment.
fn in_segments(parts: &[Part]) -> Vec<Vec<Part>> {
    let mut segments = vec![Vec::new()];
    for part in parts {
        let Part::Literal(text) = part else {
            segments.last_mut().into_iter().for_each(|segment| segment.push(part.clone()));
            continue;
        };
        for (index, piece) in text.split('/').enumerate() {
            if index > 0 {
                segments.push(Vec::new());
            }
            if !piece.is_empty() {
                let piece = Part::Literal(piece.to_owned());
                segments.last_mut().into_iter().for_each(|segment| segment.push(piece.clone()));
            }
        }
    }
    segments
}

/// Joins segments by slashes.
fn joined(segments: &[Vec<Part>]) -> Vec<Part> {
    segments.join(&Part::Literal("/".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::trigger;
    use super::*;

    fn why(patterns: &[&str], key: &str) -> Option<Why> {
        let trigger = trigger(patterns);
        assert_eq!(trigger.captures(key), None, "{key}");
        trigger.near_miss(key).map(|near| near.why)
    }

    #[test]
    fn a_key_that_nearly_matches_says_in_what_it_differs() {
        let patterns = &["incoming/{day}/orders.csv", "incoming/{day}/reviews_*.csv"];
        for (key, expected) in [
            ("incoming/1/Orders.csv", Some(Why::Case)),
            ("Incoming/1/reviews_7.CSV", Some(Why::Case)),
            ("incoming/1/orders.csv.gz", Some(Why::Extension)),
            ("incoming/1/orders.txt", Some(Why::Extension)),
            ("incoming/1/orders", Some(Why::Extension)),
            ("incoming/1/2/orders.csv", Some(Why::Deeper)),
            ("x/y/incoming/1/orders.csv", Some(Why::Deeper)),
            ("incoming/orders.csv", Some(Why::Shallower)),
            ("orders.csv", Some(Why::Shallower)),
            ("incoming/1/returns.csv", None),
            ("incoming/1/orders.csv.part", None),
            ("incoming/1/.orders.csv", None),
            ("incoming/1/_temporary/0/task_7/orders.csv", None),
            ("incoming/1/.spark-staging-7/orders.csv", None),
            ("incoming/_temporary/0/orders.csv", None),
            ("results/1/summary.csv", None),
            ("incoming/1/", None),
            ("", None),
        ] {
            assert_eq!(why(patterns, key), expected, "{key}");
        }
    }

    #[test]
    fn a_text_that_a_name_does_not_take_is_shown() {
        let near = |patterns: &[&str], key: &str| why(patterns, key).map(|why| why.to_string());
        assert_eq!(
            near(&["inj/{day}.csv"], "inj/x$(id).csv").as_deref(),
            Some("{day} takes letters, digits and - _ . = + @ , only, and the key has `x$(id)` there")
        );
        assert_eq!(
            near(&["orders_{day:yyyyMMdd}.csv"], "orders_20261301.csv").as_deref(),
            Some("the key has `20261301` where the pattern has {day, a date}")
        );
        assert_eq!(
            near(&["orders_{n:[0-9]+}.csv"], "orders_x.csv").as_deref(),
            Some("the key has `x` where the pattern has {n:[0-9]+}")
        );
    }

    #[test]
    fn a_name_with_two_values_in_one_key_is_shown_with_both() {
        for (pattern, key, expected) in [
            (
                "dd/{day:yyyy-MM-dd}/o_{day:yyyyMMdd}.csv",
                "dd/2026-01-07/o_20260108.csv",
                "{day} is 2026-01-07 in the folder and 2026-01-08 in the name",
            ),
            ("rep/{x}/{x}.csv", "rep/a/b.csv", "{x} is a in the folder and b in the name"),
            ("{x}/{x}/{y}.csv", "a/b/c.csv", "{x} is a at its first place and b at another one"),
            ("{x}_{x}.csv", "a_b.csv", "{x} is a at its first place and b at another one"),
            (
                "dd/{day:yyyy-MM-dd}/o_{day:yyyyMMdd}.csv",
                "dd/2026-01-07/o_20261308.csv",
                "the key has `20261308` where the pattern has {day, a date}",
            ),
        ] {
            let near = why(&[pattern], key).map(|why| why.to_string());
            assert_eq!(near.as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn the_folder_of_another_definition_is_not_taken_for_a_name_in_braces() {
        assert_eq!(why(&["share/{day}/x.csv"], "plain/x.CSV"), None);
        assert_eq!(why(&["share/{day}/x.csv"], "share/x.CSV"), Some(Why::Shallower));
        assert_eq!(why(&["in/shop/{day}/orders.csv"], "shop/1/orders.csv"), Some(Why::Shallower));
    }

    #[test]
    fn a_folder_of_any_names_is_not_meant_for_every_file() {
        assert_eq!(why(&["in/{day}/*.csv"], "in/1/readme.md"), None);
        assert_eq!(why(&["in/{day}/*.csv"], "in/1/orders.xlsx"), Some(Why::Extension));
        assert_eq!(why(&["in/{day}.csv"], "7.csv"), None);
    }
}
