//! Key patterns such as `incoming/{day}/orders.csv`: they capture values from a key and make a key from
//! values.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Captures, S3Key};

/// The maximum number of captures in a pattern. A match takes longer the more captures the pattern has.
const MAX_CAPTURES: usize = 8;
/// The maximum number of steps of a match if a name repeats in the pattern. If no name repeats, no limit is
/// needed: the search remembers the positions that failed.
const MAX_STEPS: u32 = 100_000;

/// A key pattern: literal texts and names in braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Capture(String),
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
        if text.contains('*') {
            let hint = "`*` is no wildcard here; write a name in braces, such as `{part}`, which stands for any characters \
                        but `/`";
            return Err(format!("`{text}`: {hint}"));
        }
        let parts = parse_parts(text).map_err(|error| format!("`{text}`: {error}"))?;
        let captures = parts.iter().filter(|part| matches!(part, Part::Capture(_))).count();
        if captures > MAX_CAPTURES {
            return Err(format!("`{text}`: more than {MAX_CAPTURES} names in braces"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the values that the pattern captures from `key`. Returns `None` if the key does not match, or if
    /// a name repeats in the pattern and the search finds no match within `MAX_STEPS`.
    ///
    /// If several matches are possible, earlier names capture as few characters as possible.
    #[must_use]
    pub fn captures(&self, key: &str) -> Option<Captures> {
        let repeats =
            self.names().len() < self.parts.iter().filter(|part| matches!(part, Part::Capture(_))).count();
        let mut search = Search { failed: HashSet::new(), repeats, steps: 0, bound: BTreeMap::new() };
        search.fits(&self.parts, key, 0).then_some(Captures(search.bound))
    }

    /// Returns the key that the pattern makes from `captures`, or `None` if a name has no value.
    #[must_use]
    pub fn key(&self, captures: &Captures) -> Option<S3Key> {
        let mut key = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => key.push_str(text),
                Part::Capture(name) => key.push_str(captures.get(name)?),
            }
        }
        Some(S3Key(key))
    }

    /// Returns the parameters that the names give values to: `{day}` gives `myDay`.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = String> {
        self.names().into_iter().map(super::parameter_id)
    }

    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Capture(name) => Some(name.as_str()),
                Part::Literal(_) => None,
            })
            .collect()
    }

    pub(super) fn literal_prefix(&self) -> String {
        match self.parts.first() {
            Some(Part::Literal(text)) => text.clone(),
            Some(Part::Capture(_)) | None => String::new(),
        }
    }
}

/// The state of a match: the value of each name so far, and the positions from which no match is possible.
struct Search {
    failed: HashSet<(usize, usize)>,
    repeats: bool,
    steps: u32,
    bound: BTreeMap<String, String>,
}

impl Search {
    fn fits(&mut self, parts: &[Part], key: &str, at: usize) -> bool {
        let Some((part, rest)) = parts.split_first() else { return at == key.len() };
        self.steps += 1;
        if self.failed.contains(&(parts.len(), at)) || (self.repeats && self.steps > MAX_STEPS) {
            return false;
        }
        let fits = match part {
            Part::Literal(text) => {
                key[at..].starts_with(text.as_str()) && self.fits(rest, key, at + text.len())
            }
            Part::Capture(name) => match self.bound.get(name).cloned() {
                Some(value) => key[at..].starts_with(&value) && self.fits(rest, key, at + value.len()),
                None => self.takes(name, rest, key, at),
            },
        };
        // If a name repeats, the failure may depend on its value.
        if !fits && !self.repeats {
            self.failed.insert((parts.len(), at));
        }
        fits
    }

    fn takes(&mut self, name: &str, rest: &[Part], key: &str, at: usize) -> bool {
        let mut end = at;
        for letter in key[at..].chars().take_while(|letter| *letter != '/') {
            end += letter.len_utf8();
            self.bound.insert(name.to_owned(), key[at..end].to_owned());
            if self.fits(rest, key, end) {
                return true;
            }
        }
        self.bound.remove(name);
        false
    }
}

fn parse_parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find('{').unwrap_or(rest.len());
        let (literal, after) = rest.split_at(open);
        if literal.contains('}') {
            return Err("a `}` without a `{`".to_owned());
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        } else if matches!(parts.last(), Some(Part::Capture(_))) {
            return Err("two names in braces need some text between them".to_owned());
        }
        let Some(inside) = after.strip_prefix('{') else { break };
        let (name, after) = inside.split_once('}').ok_or("a `{` without a `}`")?;
        parts.push(Part::Capture(checked_name(name)?));
        rest = after;
    }
    Ok(parts)
}

fn checked_name(name: &str) -> Result<String, String> {
    let begins = name.chars().next().is_some_and(|letter| letter.is_ascii_alphabetic());
    if begins && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        return Ok(name.to_owned());
    }
    Err(format!("`{{{name}}}`: a name begins with a letter and contains only letters, digits and `_`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_takes_one_or_more_characters_but_no_slash() {
        let pattern = Pattern::parse("in/{day}/a.csv").unwrap();
        for key in ["in//a.csv", "in/x/y/a.csv", "in/x/a.csvx", "xin/x/a.csv", "in/x/A.csv"] {
            assert_eq!(pattern.captures(key), None, "{key}");
        }
        assert_eq!(pattern.captures("in/ä b+c/a.csv").unwrap().get("day"), Some("ä b+c"));
    }

    #[test]
    fn a_repeated_name_has_one_value() {
        let pattern = Pattern::parse("{day}/{shop}/{day}.csv").unwrap();
        assert!(pattern.captures("1/x/2.csv").is_none());
        assert_eq!(pattern.captures("1/x/1.csv").unwrap().encoded(), "day=1,shop=x");
    }

    #[test]
    fn an_awkward_key_is_refused_quickly() {
        let pattern = Pattern::parse("{a}-{b}-{c}-{d}-{e}-{f}-{g}.csv").unwrap();
        assert!(pattern.captures(&"-".repeat(1024)).is_none());
        let repeating = Pattern::parse("{a}-{b}-{c}-{d}-{e}-{a}.csv").unwrap();
        assert!(repeating.captures(&"-".repeat(1024)).is_none());
    }

    proptest! {
        #[test]
        fn a_key_made_of_captures_gives_them_back(day in "[^/\\-]{1,20}", shop in "[^/]{1,20}") {
            let pattern = Pattern::parse("in/{day}-{shop}/orders.csv").unwrap();
            let key = format!("in/{day}-{shop}/orders.csv");
            let captures = pattern.captures(&key).unwrap();
            prop_assert_eq!(captures.get("day"), Some(day.as_str()));
            prop_assert_eq!(pattern.key(&captures).unwrap().to_string(), key);
        }
    }
}
