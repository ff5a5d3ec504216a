//! Filter policies: which messages a subscription receives.
//!
//! The rules are those of the SNS developer guide, "Amazon SNS message filtering". A policy is a JSON object. Each key names a value
//! and has a list of conditions; the value must meet at least one of them. A message must match all keys. The values are
//! message attributes or, with `FilterPolicyScope` `MessageBody`, members of the message.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::message::MessageAttribute;

/// The largest number of keys in a policy.
const MAX_KEYS: usize = 5;
/// The largest number of combinations of values. The number of a policy is the product of the numbers of conditions per key. The
/// number of `$or` is the sum over its alternatives.
const MAX_COMBINATIONS: usize = 150;

/// A filter policy.
#[derive(Debug, PartialEq)]
pub(super) struct Policy {
    rules: Vec<Rule>,
    matches_body: bool,
}

/// One key of a policy.
#[derive(Debug, PartialEq)]
enum Rule {
    /// The value with this name must match at least one of these conditions.
    Value(String, Vec<Matcher>),
    /// The object with this name must match all of these rules.
    Inside(String, Vec<Rule>),
    /// `$or`: at least one of these lists of rules must match.
    Either(Vec<Vec<Rule>>),
}

/// One of the conditions for a value.
#[derive(Debug, PartialEq)]
enum Matcher {
    Equal(Value),
    EqualIgnoringCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(String),
    Numeric(Vec<(Comparison, f64)>),
    Cidr(IpAddr, u32),
    Exists(bool),
    /// The value matches none of these.
    AnythingBut(Vec<Matcher>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Policy {
    /// Reads a policy, for the members of the message if `matches_body`, else for its attributes.
    ///
    /// # Errors
    ///
    /// Why the text is not a policy, in the words of SNS.
    pub(super) fn parse(text: &str, matches_body: bool) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("failed to parse JSON. {error}"))?;
        let object = value.as_object().ok_or("Filter policy must be an object")?;
        let rules = parse_rules(object, matches_body)?;
        if count_keys(&rules) > MAX_KEYS {
            return Err("Filter policy can not have more than 5 keys".to_owned());
        }
        if count_combinations(&rules) > MAX_COMBINATIONS {
            return Err("Filter policy is too complex".to_owned());
        }
        Ok(Self { rules, matches_body })
    }

    /// Returns whether the subscription receives a message with this text and these attributes.
    pub(super) fn accepts(&self, text: &str, attributes: &[MessageAttribute]) -> bool {
        let values = match self.matches_body {
            true => serde_json::from_str(text).ok().filter(Value::is_object),
            false => Some(Value::Object(attributes.iter().filter_map(value_of).collect())),
        };
        values.is_some_and(|values| all_match(&self.rules, &values))
    }
}

/// Returns the value that a message attribute has for filters. Filters ignore binary attributes.
fn value_of(attribute: &MessageAttribute) -> Option<(String, Value)> {
    let MessageAttribute { name, data_type, value } = attribute;
    let read = match data_type.as_str() {
        "String.Array" => serde_json::from_str(value).ok()?,
        _ if data_type.starts_with("Binary") => return None,
        _ if data_type.starts_with("Number") => serde_json::Number::from_f64(value.parse().ok()?)?.into(),
        _ => Value::String(value.clone()),
    };
    Some((name.clone(), read))
}

fn count_keys(rules: &[Rule]) -> usize {
    let of_rule = |rule: &Rule| match rule {
        Rule::Value(..) => 1,
        Rule::Inside(_, rules) => count_keys(rules),
        Rule::Either(lists) => lists.iter().map(|rules| count_keys(rules)).max().unwrap_or_default(),
    };
    rules.iter().map(of_rule).sum()
}

fn count_combinations(rules: &[Rule]) -> usize {
    let of_rule = |rule: &Rule| match rule {
        Rule::Value(_, matchers) => matchers.len(),
        Rule::Inside(_, rules) => count_combinations(rules),
        Rule::Either(lists) => {
            lists.iter().map(|rules| count_combinations(rules)).fold(0, usize::saturating_add)
        }
    };
    rules.iter().map(of_rule).fold(1, usize::saturating_mul)
}

fn parse_rules(object: &Map<String, Value>, matches_body: bool) -> Result<Vec<Rule>, String> {
    let mut read = Vec::with_capacity(object.len());
    for (key, value) in object {
        read.push(match value {
            Value::Array(lists) if key == "$or" && lists.len() >= 2 && lists.iter().all(Value::is_object) => {
                let lists =
                    lists.iter().filter_map(Value::as_object).map(|object| parse_rules(object, matches_body));
                Rule::Either(lists.collect::<Result<_, _>>()?)
            }
            Value::Array(values) if values.is_empty() => {
                return Err("Empty arrays are not allowed".to_owned());
            }
            Value::Array(values) => {
                Rule::Value(key.clone(), values.iter().map(matcher).collect::<Result<_, _>>()?)
            }
            Value::Object(_) if !matches_body => {
                let text = "Filter policy scope MessageAttributes does not support nested filter policy";
                return Err(text.to_owned());
            }
            Value::Object(inside) => Rule::Inside(key.clone(), parse_rules(inside, matches_body)?),
            _ => return Err(format!("\"{key}\" must be an object or an array")),
        });
    }
    Ok(read)
}

fn matcher(value: &Value) -> Result<Matcher, String> {
    let Value::Object(object) = value else {
        return match value {
            Value::Array(_) => Err("Match value must be String, number, true, false, or null".to_owned()),
            value => Ok(Matcher::Equal(value.clone())),
        };
    };
    let mut entries = object.iter();
    let (Some((name, operand)), None) = (entries.next(), entries.next()) else {
        return Err("Only one key allowed in match expression".to_owned());
    };
    let text = || {
        operand.as_str().map(str::to_owned).ok_or_else(|| format!("{name} match pattern must be a string"))
    };
    match name.as_str() {
        "prefix" => text().map(Matcher::Prefix),
        "suffix" => text().map(Matcher::Suffix),
        "equals-ignore-case" => text().map(Matcher::EqualIgnoringCase),
        "wildcard" => text().map(Matcher::Wildcard),
        "exists" => operand
            .as_bool()
            .map(Matcher::Exists)
            .ok_or_else(|| "exists match pattern must be either true or false.".to_owned()),
        "numeric" => numeric(operand).map(Matcher::Numeric),
        "cidr" => cidr(&text()?),
        "anything-but" => anything_but(operand).map(Matcher::AnythingBut),
        _ => Err(format!("Unrecognized match type {name}")),
    }
}

fn anything_but(operand: &Value) -> Result<Vec<Matcher>, String> {
    match operand {
        Value::Array(values) if values.is_empty() => Err("Empty arrays are not allowed".to_owned()),
        Value::Array(values) => values.iter().map(matcher).collect(),
        Value::Object(object) => {
            // `{"anything-but": {"prefix": ["a", "b"]}}` lists several prefixes.
            let several = object.iter().next().and_then(|(name, values)| Some((name, values.as_array()?)));
            match several {
                Some((name, values)) => {
                    let one = |value: &Value| {
                        matcher(&Value::Object(Map::from_iter([(name.clone(), value.clone())])))
                    };
                    values.iter().map(one).collect()
                }
                None => Ok(vec![matcher(operand)?]),
            }
        }
        value => Ok(vec![matcher(value)?]),
    }
}

fn numeric(operand: &Value) -> Result<Vec<(Comparison, f64)>, String> {
    let parts = operand.as_array().ok_or("Value of numeric must be an array.")?;
    if parts.is_empty() || parts.len() % 2 != 0 || parts.len() > 4 {
        return Err("Invalid member in numeric match: an operator and a number, once or twice".to_owned());
    }
    let pair = |pair: &[Value]| {
        let comparison = match pair[0].as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::AtMost,
            Some(">") => Comparison::More,
            Some(">=") => Comparison::AtLeast,
            _ => return Err(format!("Unrecognized numeric range operator: {}", pair[0])),
        };
        let number = pair[1].as_f64().ok_or_else(|| format!("Value of {} must be numeric", pair[0]))?;
        Ok((comparison, number))
    };
    parts.chunks(2).map(pair).collect()
}

fn cidr(text: &str) -> Result<Matcher, String> {
    let (address, bits) =
        text.split_once('/').ok_or_else(|| format!("Malformed CIDR, one '/' required: {text}"))?;
    let malformed = || format!("Malformed CIDR, an IP address and a number of bits required: {text}");
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(malformed)?;
    Ok(Matcher::Cidr(address, bits))
}

fn all_match(rules: &[Rule], values: &Value) -> bool {
    rules.iter().all(|rule| match rule {
        Rule::Value(key, matchers) => {
            let found = values.get(key).map(single_values).unwrap_or_default();
            matchers.iter().any(|matcher| matcher.matches(&found))
        }
        // A list of objects matches if one of them does.
        Rule::Inside(key, rules) => match values.get(key) {
            Some(Value::Array(items)) => items.iter().any(|item| all_match(rules, item)),
            Some(value) => all_match(rules, value),
            None => all_match(rules, &Value::Null),
        },
        Rule::Either(lists) => lists.iter().any(|rules| all_match(rules, values)),
    })
}

/// Returns the single values of a value: the elements of a list, or the value itself.
fn single_values(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().flat_map(single_values).collect(),
        value => vec![value],
    }
}

impl Matcher {
    /// Returns whether one of the values matches. There are no values if the name does not exist.
    fn matches(&self, values: &[&Value]) -> bool {
        match self {
            Self::Exists(exists) => *exists != values.is_empty(),
            _ => values.iter().any(|value| self.fits(value)),
        }
    }

    fn fits(&self, value: &Value) -> bool {
        let text = || value.as_str().unwrap_or_default();
        match self {
            Self::Equal(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(wanted), Some(number)) => (wanted - number).abs() < 1e-9,
                _ => wanted == value,
            },
            Self::EqualIgnoringCase(wanted) => {
                value.is_string() && text().to_lowercase() == wanted.to_lowercase()
            }
            Self::Prefix(prefix) => value.is_string() && text().starts_with(prefix.as_str()),
            Self::Suffix(suffix) => value.is_string() && text().ends_with(suffix.as_str()),
            Self::Wildcard(pattern) => value.is_string() && is_like(text(), pattern),
            Self::Numeric(comparisons) => {
                let number = value.as_f64();
                number.is_some_and(|number| comparisons.iter().all(|(how, limit)| how.holds(number, *limit)))
            }
            Self::Cidr(network, bits) => {
                text().parse().is_ok_and(|address| is_within(address, *network, *bits))
            }
            Self::AnythingBut(matchers) => !matchers.iter().any(|matcher| matcher.fits(value)),
            Self::Exists(_) => false,
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Equal => (number - limit).abs() < 1e-9,
            Self::Less => number < limit,
            Self::AtMost => number <= limit,
            Self::More => number > limit,
            Self::AtLeast => number >= limit,
        }
    }
}

/// Returns whether the text matches the pattern, in which `*` stands for any characters.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32 - bits;
            u32::from(address).checked_shr(shift) == u32::from(network).checked_shr(shift)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128 - bits;
            u128::from(address).checked_shr(shift) == u128::from(network).checked_shr(shift)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, data_type: &str, value: &str) -> MessageAttribute {
        MessageAttribute { name: name.to_owned(), data_type: data_type.to_owned(), value: value.to_owned() }
    }

    /// Returns whether the policy accepts a message with the attributes of the example in the SNS developer guide.
    fn accepts(policy: &str) -> bool {
        let attributes = [
            attribute("store", "String", "example_corp"),
            attribute("price", "Number", "210.75"),
            attribute("interests", "String.Array", r#"["soccer", "rugby", 7, null]"#),
            attribute("source_ip", "String", "10.0.0.200"),
            attribute("bytes", "Binary", "AAAA"),
        ];
        Policy::parse(policy, false).expect(policy).accepts("not JSON", &attributes)
    }

    #[test]
    fn attributes_match_as_the_guide_says() {
        for policy in [
            r#"{}"#,
            r#"{"store": ["example_corp"], "price": [210.75]}"#,
            r#"{"interests": ["hockey", "rugby"]}"#,
            r#"{"interests": [7]}"#,
            r#"{"interests": [null]}"#,
            r#"{"store": [{"prefix": "exam"}]}"#,
            r#"{"store": [{"suffix": "corp"}]}"#,
            r#"{"store": [{"equals-ignore-case": "EXAMPLE_corp"}]}"#,
            r#"{"store": [{"wildcard": "ex*e_*p"}]}"#,
            r#"{"price": [{"numeric": [">", 200, "<=", 210.75]}]}"#,
            r#"{"price": [{"numeric": ["=", 210.75]}]}"#,
            r#"{"source_ip": [{"cidr": "10.0.0.0/24"}]}"#,
            r#"{"source_ip": [{"cidr": "0.0.0.0/0"}]}"#,
            r#"{"store": [{"anything-but": ["other", "another"]}]}"#,
            r#"{"store": [{"anything-but": {"prefix": "order-"}}]}"#,
            r#"{"store": [{"anything-but": {"suffix": ["x", "y"]}}]}"#,
            r#"{"interests": [{"anything-but": ["rugby"]}]}"#,
            r#"{"store": [{"exists": true}], "none": [{"exists": false}]}"#,
            r#"{"$or": [{"store": ["no"]}, {"price": [{"numeric": [">", 1]}]}]}"#,
        ] {
            assert!(accepts(policy), "{policy}");
        }
        for policy in [
            r#"{"store": ["Example_corp"]}"#,
            r#"{"store": ["example_corp"], "none": ["x"]}"#,
            r#"{"interests": ["7"]}"#,
            r#"{"store": [{"wildcard": "ex*x"}]}"#,
            r#"{"price": [{"numeric": [">", 210.75]}]}"#,
            r#"{"price": ["210.75"]}"#,
            r#"{"source_ip": [{"cidr": "10.0.1.0/24"}]}"#,
            r#"{"store": [{"anything-but": "example_corp"}]}"#,
            r#"{"none": [{"anything-but": "x"}]}"#,
            r#"{"bytes": [{"exists": true}]}"#,
            r#"{"$or": [{"store": ["no"]}, {"price": [1]}]}"#,
        ] {
            assert!(!accepts(policy), "{policy}");
        }
    }

    #[test]
    fn members_of_the_message_match_as_the_guide_says() {
        let body = r#"{"store": "a", "customer": {"vip": true, "orders": [{"id": 1}, {"id": 2}]}, "tags": ["x", "y"]}"#;
        let accepts = |policy: &str| Policy::parse(policy, true).expect(policy).accepts(body, &[]);
        for policy in [
            r#"{"customer": {"vip": [true]}}"#,
            r#"{"customer": {"orders": {"id": [2]}}, "tags": ["y"]}"#,
            r#"{"customer": {"email": [{"exists": false}]}}"#,
            r#"{"nobody": {"email": [{"exists": false}]}}"#,
        ] {
            assert!(accepts(policy), "{policy}");
        }
        for policy in [r#"{"customer": {"vip": [false]}}"#, r#"{"customer": {"orders": {"id": [3]}}}"#] {
            assert!(!accepts(policy), "{policy}");
        }
        let policy = Policy::parse(r#"{"store": ["a"]}"#, true).expect("a policy");
        assert!(!policy.accepts("not JSON", &[]) && !policy.accepts(r#"["a"]"#, &[]));
    }

    #[test]
    fn a_text_that_is_no_policy_is_refused_in_the_words_of_sns() {
        let refusal = |policy: &str| Policy::parse(policy, false).expect_err(policy);
        assert!(refusal("{").starts_with("failed to parse JSON. "));
        for (policy, words) in [
            ("[]", "Filter policy must be an object"),
            (r#"{"a": "b"}"#, r#""a" must be an object or an array"#),
            (r#"{"a": []}"#, "Empty arrays are not allowed"),
            (r#"{"a": [{"near": 1}]}"#, "Unrecognized match type near"),
            (r#"{"a": [{"exists": "yes"}]}"#, "exists match pattern must be either true or false."),
            (r#"{"a": [{"prefix": 1}]}"#, "prefix match pattern must be a string"),
            (
                r#"{"a": {"b": ["c"]}}"#,
                "Filter policy scope MessageAttributes does not support nested filter policy",
            ),
            (
                r#"{"a": ["1"], "b": ["1"], "c": ["1"], "d": ["1"], "e": ["1"], "f": ["1"]}"#,
                "Filter policy can not have more than 5 keys",
            ),
        ] {
            assert_eq!(refusal(policy), words, "{policy}");
        }
        let many = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        assert!(refusal(&format!(r#"{{"a": [{}], "b": [{}]}}"#, many(13), many(12))).contains("too complex"));
        assert!(Policy::parse(&format!(r#"{{"a": [{}], "b": [{}]}}"#, many(15), many(10)), false).is_ok());
    }
}
