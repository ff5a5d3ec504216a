//! Key patterns such as `incoming/{day}/orders_*.csv`. A pattern captures values from a key, and says where the keys of a set
//! are.
//!
//! A pattern has literal texts, `*` and captures. `*` and captures stay within a segment, the text between two slashes.
//! `{name}` takes characters that are safe in commands and queries. `{day:yyyyMMdd}` takes a date, and `{n:[0-9]+}` a
//! text of a class.

use std::collections::BTreeMap;

use super::class;
use super::date_form::DateForm;
use super::matching::{Laxity, Matcher};
use super::part::{Part, Takes};
use super::{Captures, S3Key};

/// The maximum number of captures in a pattern. A match takes longer the more captures the pattern has.
const MAX_CAPTURES: usize = 8;
/// The maximum length of a pattern in characters: no key is longer.
const MAX_LENGTH: usize = 1_024;
/// The endings that upload programs add to the name of a file that is not complete.
const TEMPORARY_ENDS: [&str; 4] = [".part", ".filepart", ".tmp", "~"];
/// The beginnings of the names of hidden files and of the lock files of office programs.
const TEMPORARY_BEGINS: [&str; 2] = [".", "~$"];
/// The endings that `myCompressed` allows after the name of a file.
pub(super) const PACKED_ENDS: [&str; 2] = [".gz", ".zst"];

/// A key pattern: literal texts, `*`, and captures in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pub(super) parts: Vec<Part>,
    options: Options,
}

/// The options of all patterns of a definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// `myIgnoreCase`.
    pub(super) ignores_case: bool,
    /// `myCompressed`.
    pub(super) takes_packed: bool,
}

/// The place of the keys that a pattern takes, for given captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is one such key.
    Key(S3Key),
    /// The keys begin with this prefix.
    Below {
        /// The beginning of the keys.
        prefix: String,
        /// Whether no key has a further `/` after the prefix.
        is_level: bool,
    },
}

impl Pattern {
    /// Reads a pattern. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the pattern is empty; write a key such as `incoming/{day}/orders.csv`".to_owned());
        }
        if text.starts_with("s3://") || text.starts_with('/') {
            let hint = "a pattern is a key of the drop bucket, without bucket name or leading slash";
            return Err(format!("`{text}`: {hint}"));
        }
        if text.chars().count() > MAX_LENGTH {
            return Err(format!("the pattern has more than {MAX_LENGTH} characters; no key has so many"));
        }
        let parts = parse_parts(text).map_err(|error| format!("`{text}`: {error}"))?;
        let captures = parts.iter().filter(|part| matches!(part, Part::Capture { .. })).count();
        if captures > MAX_CAPTURES {
            return Err(format!("`{text}`: more than {MAX_CAPTURES} names in braces"));
        }
        if text.ends_with('/') {
            return Err(format!(
                "`{text}`: a pattern names files; write `{text}*` for all files of the folder"
            ));
        }
        Ok(Self { text: text.to_owned(), parts, options: Options::default() })
    }

    /// Returns a pattern of these parts, for a comparison.
    pub(super) fn of_parts(parts: Vec<Part>, options: Options) -> Self {
        Self { text: String::new(), parts, options }
    }

    pub(super) fn options(&self) -> Options {
        self.options
    }

    pub(super) fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the values that the pattern captures from `key`, or `None` if the key does not match.
    ///
    /// If several matches are possible, earlier captures take as few characters as possible. A name that stands twice
    /// must have the same value in both places. The names of files that are still being written never match.
    #[must_use]
    pub fn captures(&self, key: &str) -> Option<Captures> {
        self.counted(key).0
    }

    /// Returns whether `key` matches with these captures.
    #[must_use]
    pub fn takes(&self, key: &str, captures: &Captures) -> bool {
        self.captures(key).as_ref() == Some(captures)
    }

    /// Does the same as [`captures`](Self::captures), and counts the steps.
    pub(super) fn counted(&self, key: &str) -> (Option<Captures>, u64) {
        if self.is_temporary(key) {
            return (None, 0);
        }
        let laxity = if self.options.ignores_case { Laxity::CASE_OF_NAME } else { Laxity::NONE };
        let matcher = Matcher::new(&self.parts, laxity);
        let (found, mut steps) = matcher.captures(key);
        if found.is_some() || !self.options.takes_packed {
            return (found, steps);
        }
        let Some(unpacked) = self.unpacked(key) else { return (None, steps) };
        let (found, more) = matcher.captures(unpacked);
        steps += more;
        (found, steps)
    }

    /// Returns a key without the ending of a packed file if `myCompressed` is set, and with its name in lower case if `myIgnoreCase`
    /// is. Two matching keys with the same result stand for one file.
    #[must_use]
    pub fn file_of(&self, key: &str) -> String {
        let unpacked = self.options.takes_packed.then(|| self.unpacked(key)).flatten().unwrap_or(key);
        let (folder, name) = unpacked.split_at(unpacked.rfind('/').map_or(0, |at| at + 1));
        match self.options.ignores_case {
            true => format!("{folder}{}", name.to_lowercase()),
            false => unpacked.to_owned(),
        }
    }

    /// Returns the key without the ending of a packed file, if it has one.
    fn unpacked<'k>(&self, key: &'k str) -> Option<&'k str> {
        PACKED_ENDS.into_iter().find_map(|end| match self.options.ignores_case {
            true => strip_end(key, end),
            false => key.strip_suffix(end),
        })
    }

    /// Returns whether the name in `key` is one that programs give to a file before it is complete, and the pattern does not
    /// state this name literally.
    fn is_temporary(&self, key: &str) -> bool {
        let tail = match self.parts.last() {
            Some(Part::Literal(text)) => text.as_str(),
            _ => "",
        };
        let ends = TEMPORARY_ENDS.iter().any(|end| has_end(key, end) && !has_end(tail, end));
        let shape = self.shape();
        let of_pattern = shape.split('/').chain(std::iter::repeat(""));
        let hides = |(segment, own): (&str, &str)| {
            TEMPORARY_BEGINS.iter().any(|begin| segment.starts_with(begin) && !own.starts_with(begin))
        };
        ends || key.split('/').zip(of_pattern).any(hides)
    }

    /// Returns the pattern with `*` in place of each capture.
    fn shape(&self) -> String {
        let text = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Star { .. } | Part::Capture { .. } => "*".to_owned(),
        };
        self.parts.iter().map(text).collect()
    }

    /// Returns the key that the pattern makes from `captures`, or `None` if a name has no value or more than one key is
    /// possible.
    #[must_use]
    pub fn key(&self, captures: &Captures) -> Option<S3Key> {
        match self.place(captures)? {
            Place::Key(key) => Some(key),
            Place::Below { .. } => None,
        }
    }

    /// Returns the pattern with the captures filled in, and each `*` as it is. If there is one key only, this is the key.
    #[must_use]
    pub fn filled(&self, captures: &Captures) -> Option<String> {
        self.parts.iter().map(|part| part.filled(captures)).collect()
    }

    /// Returns where the keys are that match with these captures, or `None` if a name has no value that the pattern takes.
    #[must_use]
    pub fn place(&self, captures: &Captures) -> Option<Place> {
        let filled = self.filled(captures)?;
        let before_star = self.parts.iter().take_while(|part| !matches!(part, Part::Star { .. }));
        let mut prefix: String = before_star.filter_map(|part| part.filled(captures)).collect();
        if prefix.len() == filled.len() && !self.options.ignores_case && !self.options.takes_packed {
            return Some(Place::Key(S3Key(filled)));
        }
        if self.options.ignores_case {
            // The name of the file may have other letters than the pattern.
            let folder = filled.rfind('/').map_or(0, |at| at + 1);
            prefix.truncate(prefix.len().min(folder));
        }
        let is_level = !filled[prefix.len()..].contains('/');
        Some(Place::Below { prefix, is_level })
    }

    /// Returns captures that the pattern could have, for checks without a key.
    pub(super) fn example(&self) -> Option<Captures> {
        let of = |(name, takes): (&str, &Takes)| Some((name.to_owned(), takes.example()?));
        self.captures_in_order().map(of).collect::<Option<_>>().map(Captures)
    }

    /// Returns whether the pattern has a `*`.
    #[must_use]
    pub fn has_star(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Star { .. }))
    }

    /// Returns the parameters that the names give values to: `{day}` gives `myDay`.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> {
        self.names().into_keys().map(super::parameter_id)
    }

    /// Returns each name with the texts that it takes.
    pub(super) fn names(&self) -> BTreeMap<&str, &Takes> {
        self.captures_in_order().collect()
    }

    /// Returns each capture with the texts that it takes, in the order of the pattern.
    pub(super) fn captures_in_order(&self) -> impl Iterator<Item = (&str, &Takes)> {
        self.parts.iter().filter_map(|part| match part {
            Part::Capture { name, takes } => Some((name.as_str(), takes)),
            Part::Literal(_) | Part::Star { .. } => None,
        })
    }

    /// Returns the beginning of every key that matches.
    pub(super) fn literal_prefix(&self) -> String {
        let Some(Part::Literal(text)) = self.parts.first() else { return String::new() };
        let folder = text.rfind('/').map_or(0, |at| at + 1);
        let has_name = !self.shape()[text.len()..].contains('/');
        // The name of the file may have other letters than the pattern.
        if self.options.ignores_case && has_name { text[..folder].to_owned() } else { text.clone() }
    }
}

/// Returns whether the last segment of `key` is a name that programs give to a file before it is complete.
pub(super) fn is_temporary_name(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    TEMPORARY_BEGINS.iter().any(|begin| name.starts_with(begin))
        || TEMPORARY_ENDS.iter().any(|end| has_end(name, end))
}

fn has_end(text: &str, end: &str) -> bool {
    strip_end(text, end).is_some()
}

/// Removes `end` from the end of `text`, in upper or lower case.
pub(super) fn strip_end<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(end.len())?;
    (text.is_char_boundary(at) && text[at..].eq_ignore_ascii_case(end)).then(|| &text[..at])
}

fn parse_parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find(['{', '*']).unwrap_or(rest.len());
        let (literal, after) = rest.split_at(open);
        if literal.contains('}') {
            return Err("a `}` without a `{`".to_owned());
        }
        let is_wild = matches!(parts.last(), Some(Part::Capture { .. } | Part::Star { .. }));
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        } else if is_wild && !after.is_empty() {
            return Err("two names in braces, or a name and a `*`, need some text between them".to_owned());
        }
        if let Some(tail) = after.strip_prefix('*') {
            let begins = literal.ends_with('/') || (literal.is_empty() && parts.is_empty());
            let ends = tail.is_empty() || tail.starts_with('/');
            parts.push(Part::Star { least: usize::from(begins && ends) });
            rest = tail;
            continue;
        }
        let Some(inside) = after.strip_prefix('{') else { break };
        let end = end_of_capture(inside).ok_or("a `{` without a `}`")?;
        parts.push(capture(&inside[..end])?);
        rest = &inside[end + 1..];
    }
    Ok(parts)
}

/// Returns the position of the `}` that ends a capture. A class may have braces of its own, `{n:[0-9]{8}}`.
fn end_of_capture(inside: &str) -> Option<usize> {
    let (mut depth, mut is_in_set, mut is_escaped) = (0_u32, false, false);
    for (at, letter) in inside.char_indices() {
        if std::mem::take(&mut is_escaped) {
            continue;
        }
        match letter {
            '\\' => is_escaped = true,
            '[' => is_in_set = true,
            ']' => is_in_set = false,
            _ if is_in_set => {}
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    // The braces do not pair, so the first `}` is the end that was meant.
    inside.find('}')
}

fn capture(inside: &str) -> Result<Part, String> {
    let (name, kind) = match inside.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inside, None),
    };
    let begins = name.chars().next().is_some_and(|letter| letter.is_ascii_alphabetic());
    if !begins || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Err(format!(
            "`{{{inside}}}`: a name begins with a letter and contains only letters, digits and `_`"
        ));
    }
    let takes = match kind {
        None => Takes::Plain,
        Some("") => {
            return Err(format!(
                "`{{{inside}}}`: write the form of a date after the `:`, such as `yyyy-MM-dd`, or a class such as `[0-9]+`"
            ));
        }
        Some(kind) if class::is_class(kind) => {
            Takes::Class { text: kind.to_owned(), runs: class::parse(kind)? }
        }
        Some(kind) => Takes::Date(DateForm::parse(kind).map_err(|why| {
            format!("{why}; write the form of a date such as `yyyy-MM-dd`, or a class such as `[0-9]+`")
        })?),
    };
    Ok(Part::Capture { name: name.to_owned(), takes })
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
