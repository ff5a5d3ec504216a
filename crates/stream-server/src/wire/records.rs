//! The common parts of the puts of both services: the limit of records in a request, and the data of a record.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::WireError;

/// The most records of a request.
const MOST_RECORDS: usize = 500;

/// Checks how many records a request has.
pub(super) fn check_count(records: usize) -> Result<(), WireError> {
    let broken = match records {
        0 => "Member must have length greater than or equal to 1",
        1..=MOST_RECORDS => return Ok(()),
        _ => "Member must have length less than or equal to 500",
    };
    Err(WireError::constraint("records", Some(&format!("[{records} records]")), broken))
}

/// The data of a record: Base64 in a text, or another value by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data<'a> {
    Text(Cow<'a, str>),
    /// A JSON value that is not text. Its content does not matter.
    Json,
}

impl Data<'_> {
    /// Appends the decoded data to a buffer. `place` is the place of the record in the request, if the request has a list.
    pub(super) fn decode(&self, place: Option<usize>, buffer: &mut Vec<u8>) -> Result<(), WireError> {
        let is_json = match self {
            Self::Text(text) if STANDARD.decode_vec(text.as_bytes(), buffer).is_ok() => return Ok(()),
            Self::Text(text) => {
                text.trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).starts_with(['{', '[', '"'])
            }
            Self::Json => true,
        };
        let of = place.map_or_else(String::new, |index| format!(" of record {}", index + 1));
        let what = if is_json { "JSON and not the Base64 of it" } else { "not Base64" };
        Err(WireError::serialization(format!(
            "`Data`{of} is {what}: boto3 and the other SDKs encode it by themselves; another client sends \
             {{\"Data\": \"eyJhIjoxfQ==\"}} for the record {{\"a\":1}}"
        )))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Data<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Data<'de>, E> {
        Ok(Data::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Data<'de>, E> {
        Ok(Data::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Data<'de>, E> {
        Ok(Data::Json)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Data<'de>, E> {
        Ok(Data::Json)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Data<'de>, E> {
        Ok(Data::Json)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Data<'de>, E> {
        Ok(Data::Json)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Data<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Data::Json)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Data<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Data::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str) -> Result<String, String> {
        let data: Data<'_> = serde_json::from_str(json).unwrap();
        let mut buffer = Vec::new();
        let result = data.decode(Some(2), &mut buffer);
        result.map(|()| String::from_utf8(buffer).unwrap()).map_err(|error| error.message)
    }

    #[test]
    fn data_is_base64_and_json_in_its_place_is_reported() {
        assert_eq!(decoded(r#""eyJhIjoxfQ==""#), Ok(r#"{"a":1}"#.to_owned()));
        assert_eq!(decoded(r#""eyJhIjoxfQ=\u003d""#), Ok(r#"{"a":1}"#.to_owned()));
        assert_eq!(decoded(r#""""#), Ok(String::new()));
        for json in [
            r#"{"secret": [1]}"#,
            r#"["secret"]"#,
            "17",
            "1e5",
            "true",
            r#"" {\"secret\": 1}""#,
            r#""\"secret\"""#,
        ] {
            let message = decoded(json).unwrap_err();
            assert!(
                message.starts_with("`Data` of record 3 is JSON and not the Base64 of it: boto3 "),
                "{message}"
            );
            assert!(!message.contains("secret") && !message.contains("17"), "{message}");
        }
        assert!(decoded(r#""se-cret""#).unwrap_err().starts_with("`Data` of record 3 is not Base64: "));
    }
}
