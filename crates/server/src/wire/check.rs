//! Checks requests by the constraints of AWS's service model: presence, lengths, characters, list sizes.
//!
//! One error names the violations of a request, at most 50 of them, in the words of AWS. The
//! argument `at` of a function is the path of the member in the request, such as `parameterValues.1.member.id`.

use crate::error::ServiceError;

/// `id`: 1 to 1024 characters.
pub(crate) const ID: Text = Text { least: 1, most: 1024 };
/// `string`: up to 1024 characters.
pub(crate) const STRING: Text = Text { least: 0, most: 1024 };
/// `fieldNameString`: 1 to 256 characters.
pub(crate) const FIELD_NAME: Text = Text { least: 1, most: 256 };
/// `fieldStringValue`: up to 10,240 characters.
pub(crate) const FIELD_VALUE: Text = Text { least: 0, most: 10_240 };
/// `longString`: an expression, up to 20 MiB.
pub(crate) const LONG: Text = Text { least: 0, most: 20_971_520 };
/// `taskId`: 1 to 2048 characters.
pub(crate) const TASK_ID: Text = Text { least: 1, most: 2048 };
/// `tagKey`: 1 to 128 characters.
pub(crate) const TAG_KEY: Text = Text { least: 1, most: 128 };
/// `tagValue`: up to 256 characters.
pub(crate) const TAG_VALUE: Text = Text { least: 0, most: 256 };
/// Any length: for `taskStatus`, whose value [`Check::one_of`] checks.
pub(crate) const ANY: Text = Text { least: 0, most: usize::MAX };

/// The limits of a text's length, in UTF-16 code units. The service of AWS counts in these units, because it is written in
/// Java.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    least: usize,
    most: usize,
}

/// Collects the violations of a request.
#[derive(Default)]
pub(crate) struct Check {
    violations: Vec<String>,
}

impl Check {
    /// Returns the text of a member that must be present, and notes its violations. An absent member gives an empty
    /// text.
    pub(crate) fn required(&mut self, at: &str, value: Option<String>, limits: Text) -> String {
        self.member(at, value).map(|text| self.text(at, text, limits)).unwrap_or_default()
    }

    /// Returns the text of a member that may be absent, and notes its violations.
    pub(crate) fn optional(&mut self, at: &str, value: Option<String>, limits: Text) -> Option<String> {
        value.map(|text| self.text(at, text, limits))
    }

    /// Returns the member, and notes a violation if the member is absent.
    pub(crate) fn member<T>(&mut self, at: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.note(format!("Value null at '{at}' failed to satisfy constraint: Member must not be null"));
        }
        value
    }

    /// Notes a violation if a list is longer than `most`.
    pub(crate) fn at_most<T>(&mut self, at: &str, list: &[T], most: usize) {
        if list.len() > most {
            self.note(format!(
                "Value at '{at}' failed to satisfy constraint: Member must have length less than or equal to {most}"
            ));
        }
    }

    /// Notes a violation if a text is none of `words`.
    pub(crate) fn one_of(&mut self, at: &str, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            self.note(format!(
                "Value '{value}' at '{at}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                words.join(", ")
            ));
        }
    }

    /// Returns an error that names the noted violations, or `Ok` if there are none.
    pub(crate) fn finish(self) -> Result<(), ServiceError> {
        let count = self.violations.len();
        match count {
            0 => Ok(()),
            _ => {
                let plural = if count == 1 { "" } else { "s" };
                let list = self.violations.join("; ");
                Err(ServiceError::Validation(format!("{count} validation error{plural} detected: {list}")))
            }
        }
    }

    fn text(&mut self, at: &str, text: String, limits: Text) -> String {
        // A text has at least as many bytes as UTF-16 units, so most texts need no count.
        let over = text.len() > limits.most && text.encode_utf16().count() > limits.most;
        let under = text.len() < limits.least;
        // The message does not repeat a value that is too long.
        let shown = if over { String::new() } else { format!(" '{text}'") };
        if over {
            let most = limits.most;
            self.note(format!(
                "Value at '{at}' failed to satisfy constraint: Member must have length less than or equal to {most}"
            ));
        }
        if under {
            let least = limits.least;
            self.note(format!(
                "Value{shown} at '{at}' failed to satisfy constraint: Member must have length greater than or equal \
                 to {least}"
            ));
        }
        if !text.chars().all(is_legal) {
            self.note(format!(
                "Value at '{at}' failed to satisfy constraint: Member must satisfy regular expression pattern: \
                 [\\u0020-\\uD7FF\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF\\r\\n\\t]*"
            ));
        }
        text
    }

    fn note(&mut self, violation: String) {
        /// The limit of violations in an error, so that the answer stays short if every object of a large definition has
        /// one.
        const MOST_NAMED: usize = 50;
        if self.violations.len() < MOST_NAMED {
            self.violations.push(violation);
        }
    }
}

/// Returns whether XML 1.0 allows the character. The string shapes of the model allow the same characters, except that the
/// shapes of tags have no pattern. Here the pattern applies to tags too.
fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(check: Check) -> String {
        check.finish().unwrap_err().to_string()
    }

    #[test]
    fn a_missing_member_is_refused_in_the_words_of_aws() {
        let mut check = Check::default();
        check.required("pipelineId", None, ID);
        assert_eq!(
            message(check),
            "1 validation error detected: Value null at 'pipelineId' failed to satisfy constraint: Member must not be \
             null"
        );
    }

    #[test]
    fn too_many_tags_are_refused_in_the_words_of_aws() {
        let mut check = Check::default();
        check.at_most("tags", &[(); 11], 10);
        assert!(message(check).ends_with(
            "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 10"
        ));
    }

    #[test]
    fn lengths_count_utf16_units() {
        let mut check = Check::default();
        check.required("a", Some("\u{10000}".repeat(512)), ID);
        check.required("b", Some("ä".repeat(1024)), ID);
        check.finish().unwrap();
        let mut check = Check::default();
        check.required("a", Some("\u{10000}".repeat(513)), ID);
        check.required("b", Some("\u{1}".to_owned()), ID);
        assert!(message(check).starts_with("2 validation errors detected: "));
    }
}
