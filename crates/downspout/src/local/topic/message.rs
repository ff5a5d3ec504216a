//! The attributes of a message, and the forms in which the message is delivered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::query::Call;
use super::response::SnsError;

/// The length of the longest subject that SNS accepts, in characters.
const SUBJECT_CHARS: usize = 100;
/// The size of the largest message that SNS accepts, in bytes.
pub(super) const MESSAGE_BYTES: usize = 256 * 1024;

/// A message attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MessageAttribute {
    pub(super) name: String,
    /// `String`, `Number`, `Binary` or `String.Array`, perhaps with a suffix of the user.
    pub(super) data_type: String,
    /// The text, or the bytes in Base64.
    pub(super) value: String,
}

/// A message with everything that a publisher gives.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) subject: String,
    /// The text for each protocol. The text for `default` is always there.
    texts: BTreeMap<String, String>,
    pub(super) attributes: Vec<MessageAttribute>,
}

impl Message {
    /// Reads the message of a Publish call, or of an entry of PublishBatch.
    pub(super) fn read(call: &Call) -> Result<Self, SnsError> {
        let subject = call.get("Subject").unwrap_or_default();
        check_subject(call.get("Subject"))?;
        let message = call.get("Message").ok_or_else(|| SnsError::parameter("Message"))?;
        if message.is_empty() {
            return Err(SnsError::invalid("Invalid parameter: Empty message"));
        }
        let attributes = attributes(call)?;
        let size = |it: &MessageAttribute| it.name.len() + it.data_type.len() + it.value.len();
        if message.len() + attributes.iter().map(size).sum::<usize>() > MESSAGE_BYTES {
            return Err(SnsError::invalid("Invalid parameter: Message too long"));
        }
        let texts = match call.get("MessageStructure") {
            None | Some("") => BTreeMap::from([("default".to_owned(), message.to_owned())]),
            Some("json") => structured(message)?,
            Some(_) => return Err(SnsError::parameter("MessageStructure")),
        };
        Ok(Self { subject: subject.to_owned(), texts, attributes })
    }

    /// Returns the text for subscriptions of this protocol.
    pub(super) fn text(&self, protocol: &str) -> &str {
        let text = self.texts.get(protocol).or_else(|| self.texts.get("default"));
        text.map(String::as_str).unwrap_or_default()
    }

    /// Returns the size of the longest text, in bytes.
    pub(super) fn size(&self) -> usize {
        self.texts.values().map(String::len).max().unwrap_or_default()
    }

    /// Returns the document that programs receive, as SNS writes it. It has no signature: nobody here has a certificate that
    /// clients know.
    pub(super) fn document(&self, protocol: &str, topic: &str, message_id: &str, at: Timestamp) -> String {
        let mut document = json!({ "Type": "Notification", "MessageId": message_id, "TopicArn": topic });
        if !self.subject.is_empty() {
            document["Subject"] = self.subject.as_str().into();
        }
        document["Message"] = self.text(protocol).into();
        document["Timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into();
        if !self.attributes.is_empty() {
            let attribute =
                |it: &MessageAttribute| (it.name.clone(), json!({ "Type": it.data_type, "Value": it.value }));
            document["MessageAttributes"] = Value::Object(self.attributes.iter().map(attribute).collect());
        }
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

/// Reads the message attributes of a call.
fn attributes(call: &Call) -> Result<Vec<MessageAttribute>, SnsError> {
    let refused = |message: String| SnsError::refused("ParameterValueInvalid", message);
    let mut attributes: Vec<MessageAttribute> = Vec::new();
    for entry in call.items("MessageAttributes.entry") {
        let name = entry.require("Name")?.to_owned();
        let data_type = entry.get("Value.DataType").unwrap_or_default().to_owned();
        let prefix = data_type.split('.').next().unwrap_or_default();
        let member = match prefix {
            "String" | "Number" => "Value.StringValue",
            "Binary" => "Value.BinaryValue",
            _ => {
                return Err(refused(format!(
                    "The message attribute '{name}' has an invalid message attribute type, the set of supported type \
                     prefixes is Binary, Number, and String."
                )));
            }
        };
        let value = entry.get(member).unwrap_or_default().to_owned();
        if value.is_empty() {
            return Err(refused(format!(
                "The message attribute '{name}' must contain non-empty message attribute value for message attribute type \
                 '{data_type}'."
            )));
        }
        if prefix == "Number" && value.parse::<f64>().is_err() {
            return Err(refused(format!("Could not cast message attribute '{name}' value to number.")));
        }
        attributes.push(MessageAttribute { name, data_type, value });
    }
    Ok(attributes)
}

/// Reads a message with `MessageStructure` `json`: a JSON object with a text for each protocol, and one for `default`.
fn structured(message: &str) -> Result<BTreeMap<String, String>, SnsError> {
    let parts: Value = serde_json::from_str(message).map_err(|_| {
        SnsError::invalid("Invalid parameter: Message Structure - JSON message body failed to parse")
    })?;
    let parts = parts.as_object().into_iter().flatten();
    let texts: BTreeMap<String, String> =
        parts.filter_map(|(protocol, text)| Some((protocol.clone(), text.as_str()?.to_owned()))).collect();
    if !texts.contains_key("default") {
        let missing = "Invalid parameter: Message Structure - No default entry in JSON message body";
        return Err(SnsError::invalid(missing));
    }
    Ok(texts)
}

// The SNS API reference, Publish: a subject is UTF-8 text of at most 100 characters, without line breaks and control
// characters.
fn check_subject(subject: Option<&str>) -> Result<(), SnsError> {
    let Some(subject) = subject else { return Ok(()) };
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let is_legal = (1..=SUBJECT_CHARS).contains(&subject.chars().count())
        && !subject.contains(breaks)
        && !subject.starts_with(' ');
    if is_legal { Ok(()) } else { Err(SnsError::parameter("Subject")) }
}
