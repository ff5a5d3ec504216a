//! The values that a set's keys have in common.

use std::collections::BTreeMap;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::ParameterValue;

/// The maximum length of a set's name in bytes. S3 keys have at most 1,024 bytes, so a longer name is cut and
/// ends with a hash of the whole name.
const MAX_ENCODED: usize = 160;
/// The characters of a value that are escaped in the name of a set.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The captured values of a set, by name. All keys of the set have the same values.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Captures(pub(super) BTreeMap<String, String>);

impl Captures {
    /// Returns the value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns the names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the parameter values that the captures give: `{day}` gives `myDay`.
    #[must_use]
    pub fn parameter_values(&self) -> Vec<ParameterValue> {
        self.iter()
            .map(|(name, value)| ParameterValue { id: parameter_id(name), value: value.to_owned() })
            .collect()
    }

    /// Returns the name of the set, such as `day=2026-11-20`, or `all` without captures.
    ///
    /// Equal captures give equal names, and different captures give different names. The name is safe in keys
    /// and in pipeline names, whatever the values contain, and never begins with `_`.
    #[must_use]
    pub fn encoded(&self) -> String {
        if self.0.is_empty() {
            return "all".to_owned();
        }
        let pairs: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED)))
            .collect();
        let whole = pairs.join(",");
        if whole.len() <= MAX_ENCODED {
            return whole;
        }
        // `~` is escaped in values, so a cut name never equals a complete name.
        format!("{}~{}", &whole[..MAX_ENCODED - 65], hex::encode(Sha256::digest(&whole)))
    }
}

impl FromIterator<(String, String)> for Captures {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Display for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encoded())
    }
}

/// Returns the parameter that `{name}` gives a value to: `myName`.
pub(super) fn parameter_id(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().fold("my".to_owned(), |id, letter| format!("{id}{letter}")) + letters.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Pattern;
    use super::*;

    #[test]
    fn a_long_value_is_cut_and_stays_unique() {
        let pattern = Pattern::parse("{a}/x").unwrap();
        let of = |letter: &str| {
            let key = format!("{}{letter}/x", "ü".repeat(400));
            pattern.captures(&key).unwrap().encoded()
        };
        assert!(of("a").len() <= MAX_ENCODED && of("a") != of("b"));
    }

    proptest! {
        #[test]
        fn different_values_have_different_safe_names(one in "[^/]{1,80}", other in "[^/]{1,80}") {
            let pattern = Pattern::parse("in{a:.+}/x").unwrap();
            let name = |value: &str| pattern.captures(&format!("in{value}/x")).unwrap().encoded();
            prop_assert_eq!(name(&one) == name(&other), one == other);
            prop_assert!(name(&one).bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
        }
    }
}
