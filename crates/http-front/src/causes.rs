//! Errors as one line for a log or an answer.

use std::error::Error;

/// Returns an error with all its causes, such as `writing failed: disk full`. Most errors leave their causes out of their own text.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_causes_are_named() {
        let inner = std::io::Error::other("disk full");
        let outer = std::io::Error::other(inner);
        assert_eq!(with_causes(&std::io::Error::other("broken")), "broken");
        assert!(with_causes(&outer).ends_with("disk full"), "{}", with_causes(&outer));
    }
}
