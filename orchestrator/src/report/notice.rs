//! Notices: what a person is told when a set cannot start as it should.
//!
//! Each has an id that depends on its cause alone, so that a retry tells nobody the same thing twice.

use sha2::{Digest, Sha256};

/// Longest subject that SNS takes.
const MAX_SUBJECT: usize = 100;

/// One message for the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The same for the same cause.
    pub id: String,
    /// At most 100 printable ASCII characters, as SNS wants it.
    pub subject: String,
    pub message: String,
}

impl Notice {
    /// Returns the notice for `cause`; its parts say what about is told, and nothing that changes from try to try.
    pub(crate) fn new(cause: &[&str], subject: &str, message: String) -> Self {
        Self { id: digest(cause)[..32].to_owned(), subject: ascii(subject), message }
    }
}

/// Returns the SHA-256 of the parts in hexadecimal; no two lists of parts look alike to it.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}

fn ascii(subject: &str) -> String {
    let printable = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    let line: String = subject.chars().map(printable).collect();
    match line.get(..MAX_SUBJECT - 3) {
        Some(beginning) if line.len() > MAX_SUBJECT => format!("{beginning}..."),
        Some(_) | None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_short_and_ascii() {
        let notice = Notice::new(&["x"], &"ä\n".repeat(80), String::new());
        assert!(notice.subject.len() == 100 && notice.subject.is_ascii() && !notice.subject.contains('\n'));
    }

    #[test]
    fn an_id_depends_on_every_part_of_the_cause() {
        let id = |cause: &[&str]| Notice::new(cause, "", String::new()).id;
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        assert_ne!(id(&["a", "b"]), id(&["ab", ""]));
    }
}
