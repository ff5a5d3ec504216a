//! The name of a stream.

/// The name of a stream, as Kinesis allows it: 1 to 128 letters, digits, `_`, `.` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// The reason why a text is not the name of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty or longer than 128 characters.
    #[error("the name of a stream has 1 to 128 characters")]
    Length,
    /// The text is `.` or `..`, which mean other things in the path of a URL.
    #[error("`.` and `..` are not names of streams")]
    Dots,
    /// The text has another character than a name may have.
    #[error("the name of a stream consists of letters, digits, `_`, `.` and `-`")]
    Character,
}

impl StreamName {
    /// Returns the name if `text` is one.
    ///
    /// # Errors
    ///
    /// The reason why `text` is not the name of a stream.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        match text {
            text if matches!(&text[..], "." | "..") => Err(NameError::Dots),
            text if !text.bytes().all(is_legal) => Err(NameError::Character),
            text if text.is_empty() || text.len() > 128 => Err(NameError::Length),
            text => Ok(Self(text)),
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StreamName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for StreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for StreamName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<StreamName> for String {
    fn from(name: StreamName) -> Self {
        name.0
    }
}

impl AsRef<str> for StreamName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_characters_and_the_length_of_kinesis() {
        for name in ["a", "user-events", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(StreamName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(StreamName::new(".."), Err(NameError::Dots));
        assert_eq!(StreamName::new(""), Err(NameError::Length));
        assert_eq!(StreamName::new("x".repeat(129)), Err(NameError::Length));
        for name in ["a b", "a/b", "ä", "a\n"] {
            assert_eq!(StreamName::new(name), Err(NameError::Character));
        }
    }
}
