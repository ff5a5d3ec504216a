//! The captured values of a set as a person gives them.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::matching::{Laxity, Matcher};
use super::part::{Part, Takes};
use super::{Captures, Trigger};

impl Trigger {
    /// Returns the captures of the set that a person names. A value may have the form of the key or of the name of the set, with its
    /// percent-encoding; the name of a set may also be given whole, with its commas, as `values` of one name.
    ///
    /// # Errors
    ///
    /// If the names are not those of the patterns, or if a name does not take its value. The error says how to write it.
    pub fn given(&self, values: &BTreeMap<String, String>) -> Result<Captures, String> {
        let named = self.names();
        let split = whole_name(values).filter(|split| split.keys().eq(&named));
        let values = split.as_ref().unwrap_or(values);
        if !values.keys().eq(&named) {
            let example: Vec<String> = named.iter().map(|name| format!("{name}=...")).collect();
            let example = if example.is_empty() { "none".to_owned() } else { example.join(" ") };
            return Err(format!("give {example}"));
        }
        let takes = self.drop_files.first().map(super::Pattern::names).unwrap_or_default();
        let value = |(name, text): (&String, &String)| {
            let takes = takes.get(name.as_str()).copied().unwrap_or(&Takes::Plain);
            let decoded = percent_decode_str(text).decode_utf8_lossy();
            let value = value_of(takes, text).or_else(|| value_of(takes, &decoded));
            let value = value.ok_or_else(|| match takes.example() {
                Some(example) => format!("`{name}` cannot be `{text}`: write it like {name}={example}"),
                None => format!("`{name}` cannot be `{text}`"),
            })?;
            Ok((name.clone(), value))
        };
        values.iter().map(value).collect()
    }
}

/// Reads `at=2026-01-05T09%3A15,shop=berlin`, given as one value of the first name.
fn whole_name(values: &BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    let (name, rest) = values.iter().next().filter(|(_, rest)| rest.contains(','))?;
    if values.len() != 1 {
        return None;
    }
    let whole = format!("{name}={rest}");
    let pairs = whole.split(',').map(|pair| pair.split_once('='));
    pairs.map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Returns the value of a text, as the name of a set or a key has it.
fn value_of(takes: &Takes, text: &str) -> Option<String> {
    if matches!(takes, Takes::Date(_)) && takes.written(text).is_some() {
        return Some(text.to_owned());
    }
    let part = Part::Capture { name: "value".to_owned(), takes: takes.clone() };
    let captures = Matcher::new(&[part], Laxity::NONE).captures(text).0?;
    captures.get("value").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::tests::trigger;

    fn given(pattern: &str, values: &[(&str, &str)]) -> Result<String, String> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        trigger(&[pattern]).given(&values.collect()).map(|captures| captures.encoded())
    }

    #[test]
    fn a_value_is_taken_in_the_form_of_the_set_of_its_name_or_of_the_key() {
        let pattern = "stream/{shop}_{at:yyyyMMdd_HHmm}.csv";
        let set = "at=2026-01-05T09%3A15,shop=berlin";
        for values in [
            &[("shop", "berlin"), ("at", "2026-01-05T09:15")][..],
            &[("shop", "berlin"), ("at", "2026-01-05T09%3A15")],
            &[("shop", "berlin"), ("at", "20260105_0915")],
            &[("at", "2026-01-05T09%3A15,shop=berlin")],
        ] {
            assert_eq!(given(pattern, values).as_deref(), Ok(set), "{values:?}");
        }
        let at = given(pattern, &[("shop", "berlin"), ("at", "5 January")]).unwrap_err();
        assert!(at.starts_with("`at` cannot be `5 January`: write it like at=20"), "{at}");
        assert_eq!(given(pattern, &[("shop", "berlin")]).unwrap_err(), "give at=... shop=...");
        assert_eq!(given("in/x.csv", &[("day", "1")]).unwrap_err(), "give none");
        assert_eq!(given("in/x.csv", &[]).as_deref(), Ok("all"));
    }

    #[test]
    fn a_value_that_its_class_takes_is_not_decoded() {
        let name = |value| given("in/{name:.+}.csv", &[("name", value)]).unwrap();
        assert_eq!(name("50%25"), "name=50%2525");
        assert_eq!(given("in/{day}.csv", &[("day", "a%2Cb")]).as_deref(), Ok("day=a%2Cb"));
    }
}
