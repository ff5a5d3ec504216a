//! The words that mean true, false or no value in the files of other programs.

/// A pair of words for true and false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TruthWords {
    /// The word for true, in lower case.
    pub truth: &'static str,
    /// The word for false, in lower case.
    pub falsehood: &'static str,
    /// Whether PostgreSQL knows the words.
    pub is_known: bool,
    /// Whether a column with only one of the two words is a column of truth values. A single word of most pairs may
    /// mean something else: `NO` is also Norway.
    pub may_be_alone: bool,
}

const fn known(truth: &'static str, falsehood: &'static str) -> TruthWords {
    TruthWords { truth, falsehood, is_known: true, may_be_alone: false }
}

const fn foreign(truth: &'static str, falsehood: &'static str) -> TruthWords {
    TruthWords { truth, falsehood, is_known: false, may_be_alone: false }
}

/// The pairs of words that are recognised. `1` and `0` are missing, because they are read as numbers.
pub const TRUTHS: [TruthWords; 12] = [
    TruthWords { may_be_alone: true, ..known("true", "false") },
    known("yes", "no"),
    known("t", "f"),
    known("y", "n"),
    known("on", "off"),
    foreign("ja", "nein"),
    foreign("j", "n"),
    foreign("wahr", "falsch"),
    foreign("oui", "non"),
    foreign("vrai", "faux"),
    foreign("si", "no"),
    foreign("sí", "no"),
];

/// The null words: the texts that programs write for a missing value.
const NULLS: [&str; 18] = [
    "NULL", "null", "Null", "(null)", "N/A", "n/a", "#N/A", "NA", "\\N", "\\n", "None", "none", "nil", "-",
    "--", " --", "?", "#NV",
];

/// Returns whether a null word has no other meaning, so that it means NULL even in a column of text. `\n` has another meaning:
/// it is often a line break or a separator.
#[must_use]
pub fn is_only_null(word: &str) -> bool {
    word == "\\N"
}

/// Returns whether a text means true or false in the pair of words, or `None` if it is neither.
#[must_use]
pub fn truth(words: &TruthWords, text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    match () {
        () if lower == words.truth => Some(true),
        () if lower == words.falsehood => Some(false),
        () => None,
    }
}

/// Returns the text if it is a null word, and `None` otherwise.
#[must_use]
pub fn null(text: &str) -> Option<&'static str> {
    NULLS.into_iter().find(|word| *word == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_recognised_in_any_case_but_nulls_only_as_programs_write_them() {
        assert_eq!(truth(&TRUTHS[0], "TRUE"), Some(true));
        assert_eq!(truth(&TRUTHS[5], "Nein"), Some(false));
        assert_eq!(truth(&TRUTHS[0], "1"), None);
        assert_eq!(null("n/a"), Some("n/a"));
        assert_eq!(null("Na"), None);
    }
}
