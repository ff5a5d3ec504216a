//! Compares a key that is partly known with a pattern: whether a key is possible that both describe.
//!
//! A segment, the text between two slashes, that is known whole is compared exactly, with the dates and classes of the pattern.
//! Anything else is compared as if each capture of the pattern took any text without a slash.

use super::part::Part;
use super::pattern::{Options, PACKED_ENDS, Pattern, strip_end};

/// In a key, stands for the value of a capture: a text without a slash that is not empty.
pub(super) const CAPTURED: char = '\u{1}';
/// In a key, stands for any text.
pub(super) const OPEN: char = '\u{3}';

/// Returns whether the pattern may take a key with [`CAPTURED`] and [`OPEN`] parts.
pub(super) fn may_take(pattern: &Pattern, key: &str) -> bool {
    if !key.contains([CAPTURED, OPEN]) {
        return pattern.captures(key).is_some();
    }
    let mut keys = vec![key];
    if pattern.options().takes_packed {
        keys.extend(PACKED_ENDS.iter().filter_map(|end| strip_end(key, end)));
    }
    let (tokens, ignores_case) = (tokens_of(pattern), pattern.options().ignores_case);
    let meet = |key: &str| can_meet(&tokens, &tokens_of_key(key), ignores_case);
    keys.into_iter().any(|key| meet(key) && known_segments_match(pattern, key))
}

/// Returns whether the pattern takes the segments of a key that are known whole and whose places are known.
fn known_segments_match(pattern: &Pattern, key: &str) -> bool {
    let before_open = key.split(OPEN).next().unwrap_or_default();
    let mut texts: Vec<&str> = before_open.split('/').collect();
    if before_open.len() < key.len() {
        // The rest of this segment is not known.
        texts.pop();
    }
    let segments = segments_of(pattern);
    let pairs = segments.iter().zip(texts).filter(|(_, text)| !text.contains(CAPTURED));
    pairs.into_iter().all(|(segment, text)| segment.captures(text).is_some())
}

/// Returns the pattern, cut at its slashes.
fn segments_of(pattern: &Pattern) -> Vec<Pattern> {
    let mut segments: Vec<Vec<Part>> = Vec::new();
    let mut segment = Vec::new();
    for part in &pattern.parts {
        let Part::Literal(text) = part else {
            segment.push(part.clone());
            continue;
        };
        for (number, piece) in text.split('/').enumerate() {
            if number > 0 {
                segments.push(std::mem::take(&mut segment));
            }
            if !piece.is_empty() {
                segment.push(Part::Literal(piece.to_owned()));
            }
        }
    }
    // Case and packing concern the name of the file alone.
    let folders = segments.into_iter().map(|parts| Pattern::of_parts(parts, Options::default()));
    let name = Pattern::of_parts(segment, pattern.options());
    folders.chain([name]).collect()
}

/// A part of a key that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Is(char),
    /// A character that is not a slash.
    One,
    /// Any number of characters without a slash.
    Many,
    /// Any number of characters.
    Any,
}

impl Token {
    fn is_repeated(self) -> bool {
        matches!(self, Self::Many | Self::Any)
    }

    /// Returns whether some character is possible for both, if each stands for one character at least.
    fn fits(self, other: Self, ignores_case: bool) -> bool {
        match (self, other) {
            (Self::Is(a), Self::Is(b)) if ignores_case => a.to_lowercase().eq(b.to_lowercase()),
            (Self::Is(a), Self::Is(b)) => a == b,
            (Self::Is('/'), Self::One | Self::Many) | (Self::One | Self::Many, Self::Is('/')) => false,
            _ => true,
        }
    }
}

fn tokens_of(pattern: &Pattern) -> Vec<Token> {
    let of = |part: &Part| match part {
        Part::Literal(text) => text.chars().map(Token::Is).collect(),
        Part::Star { least: 0 } => vec![Token::Many],
        Part::Star { .. } | Part::Capture { .. } => vec![Token::One, Token::Many],
    };
    pattern.parts.iter().flat_map(of).collect()
}

fn tokens_of_key(key: &str) -> Vec<Token> {
    let of = |letter: char| match letter {
        CAPTURED => vec![Token::One, Token::Many],
        OPEN => vec![Token::Any],
        letter => vec![Token::Is(letter)],
    };
    key.chars().flat_map(of).collect()
}

/// Returns whether a text is possible that both rows of tokens describe.
fn can_meet(one: &[Token], other: &[Token], ignores_case: bool) -> bool {
    let may_be_empty = |tokens: &[Token]| tokens.iter().all(|token| token.is_repeated());
    // `row[j]` says whether the rest of `one` after the present token can meet the rest of `other` from `j` on.
    let mut row: Vec<bool> = (0..=other.len()).map(|j| may_be_empty(&other[j..])).collect();
    for (i, a) in one.iter().enumerate().rev() {
        let mut with = vec![false; other.len() + 1];
        with[other.len()] = may_be_empty(&one[i..]);
        for (j, b) in other.iter().enumerate().rev() {
            let fits = a.fits(*b, ignores_case);
            with[j] = match (a.is_repeated(), b.is_repeated()) {
                (true, true) => row[j] || with[j + 1],
                (true, false) => row[j] || (fits && with[j + 1]),
                (false, true) => with[j + 1] || (fits && row[j]),
                (false, false) => fits && row[j + 1],
            };
        }
        row = with;
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(one: &str, other: &str) -> bool {
        let tokens = |text: &str| -> Vec<Token> {
            let of = |letter: char| match letter {
                '*' => Token::Many,
                '#' => Token::Any,
                '?' => Token::One,
                letter => Token::Is(letter),
            };
            text.chars().map(of).collect()
        };
        can_meet(&tokens(one), &tokens(other), false)
    }

    #[test]
    fn texts_with_unknown_parts_meet_if_one_text_is_both() {
        for (one, other) in [
            ("", ""),
            ("", "*"),
            ("a*", "*b"),
            ("a?c", "a*"),
            ("*", "*"),
            ("a*b*c", "a?*c"),
            ("*x*", "?x"),
            ("#", "a/b"),
            ("a#", "a*/?"),
            ("#b", "a/*"),
        ] {
            assert!(meet(one, other) && meet(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("", "?"),
            ("a", "b"),
            ("a*", "b*"),
            ("*a", "*b"),
            ("?", "??"),
            ("a*b", "a*c"),
            ("a*", "a/"),
            ("*/?", "a#/b/"),
            ("?", "/"),
        ] {
            assert!(!meet(one, other) && !meet(other, one), "{one} {other}");
        }
    }

    #[test]
    fn an_open_part_stands_for_any_text() {
        let takes = |pattern: &str, key: &str| {
            may_take(&Pattern::parse(pattern).unwrap(), &key.replace('#', &OPEN.to_string()))
        };
        for (pattern, key) in [
            ("in/{day}/a.csv", "#"),
            ("in/{day}/a.csv", "in/#"),
            ("in/{day}/a.csv", "i#/a.csv"),
            ("in/{day}/a.csv", "#a.csv"),
            ("in/{day}/a.csv", "in/#-#/a.csv"),
            ("in/{day}/a.csv", "in/#.csv"),
            ("a.csv", "#.csv"),
            ("{day:yyyy}/{name}.csv", "2026/#"),
        ] {
            assert!(takes(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in [
            ("in/{day}/a.csv", "out/#"),
            ("in/{day}/a.csv", "in/#/b.csv"),
            ("in/{day}/a.csv", "#/b.csv"),
            ("a.csv", "x/#"),
            ("{day:yyyy}/{name}.csv", "year/#"),
        ] {
            assert!(!takes(pattern, key), "{pattern} {key}");
        }
    }
}
