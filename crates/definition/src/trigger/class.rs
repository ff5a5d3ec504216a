//! The texts that a capture such as `{n:[0-9]+}` takes: a sequence of sets of characters, each with a count.
//!
//! The language is the part of regular expressions that a key can be compared with in one pass: without groups, without
//! alternatives, and without marks of the beginning and the end.

/// A set of characters. No set has `/`, because a capture stays within a segment of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CharSet {
    /// Every character but `/`.
    Any,
    /// The characters that a plain `{name}` takes: letters, digits and `- _ . = + @ ,`.
    Safe,
    /// The characters of these ranges, or all others.
    Ranges { ranges: Vec<(char, char)>, is_negated: bool },
}

/// A set of characters that stands `least` to `most` times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) set: CharSet,
    pub(super) least: usize,
    pub(super) most: usize,
}

impl CharSet {
    /// Returns whether the set has `letter`.
    pub(super) fn has(&self, letter: char) -> bool {
        letter != '/'
            && match self {
                Self::Any => true,
                Self::Safe => is_safe(letter),
                Self::Ranges { ranges, is_negated } => {
                    ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *is_negated
                }
            }
    }

    /// Returns whether a plain `{name}` would take every character of the set, too.
    fn is_safe(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Safe => true,
            Self::Ranges { is_negated: true, .. } => false,
            // A range may have thousands of characters; the answer for one beyond ASCII need not be exact.
            Self::Ranges { ranges, is_negated: false } => {
                ranges.iter().all(|(first, last)| last.is_ascii() && (*first..=*last).all(is_safe))
            }
        }
    }
}

/// Returns whether a plain `{name}` takes `letter`: no shell, no SQL and no expression gives it a meaning.
///
/// Letters and digits are those of every language. macOS writes `ä` as `a` and a mark, so the marks count, too.
pub(super) fn is_safe(letter: char) -> bool {
    letter.is_alphanumeric() || "-_.=+@,".contains(letter) || ('\u{300}'..='\u{36f}').contains(&letter)
}

/// Returns whether all `runs` take only characters that are safe in commands and queries.
pub(super) fn are_safe(runs: &[Run]) -> bool {
    runs.iter().all(|run| run.set.is_safe())
}

/// Returns a text that the runs take.
pub(super) fn example(runs: &[Run]) -> Option<String> {
    let mut text = String::new();
    for run in runs {
        let letter = match &run.set {
            CharSet::Any | CharSet::Safe => 'x',
            CharSet::Ranges { ranges, is_negated: false } => ranges.first()?.0,
            set @ CharSet::Ranges { .. } => (' '..='~').rev().find(|letter| set.has(*letter))?,
        };
        text.extend(std::iter::repeat_n(letter, run.least.max(1).min(run.most)));
    }
    Some(text)
}

/// Returns whether `text` is meant as a class, and not as the form of a date.
pub(super) fn is_class(text: &str) -> bool {
    text.starts_with(['(', '.']) || text.contains(['[', '\\'])
}

/// Reads a class such as `[A-Z]{2}[0-9]+`. The error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Vec<Run>, String> {
    let mut letters = text.chars().peekable();
    let mut runs: Vec<Run> = Vec::new();
    while let Some(next) = letters.next() {
        let set = match next {
            '[' => in_brackets(&mut letters).map_err(|why| format!("`{text}`: {why}"))?,
            '\\' => escape(letters.next()).map_err(|why| format!("`{text}`: {why}"))?,
            '.' => CharSet::Any,
            '/' => return Err(format!("`{text}`: a capture stays within a segment, so it takes no `/`")),
            '(' | ')' | '|' | '^' | '$' => {
                return Err(format!(
                    "`{text}`: `{next}` has no meaning here; write sets such as `[0-9]`, each with `+`, `*`, `?` or `{{2}}`"
                ));
            }
            '+' | '*' | '?' | '{' | '}' | ']' => {
                return Err(format!("`{text}`: there is no set of characters before `{next}`"));
            }
            literal => only(literal),
        };
        let (least, most) = count(&mut letters).map_err(|why| format!("`{text}`: {why}"))?;
        runs.push(Run { set, least, most });
    }
    if runs.iter().all(|run| run.least == 0) {
        return Err(format!("`{text}` also takes an empty text; write `+` in place of `*`"));
    }
    Ok(runs)
}

type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn only(letter: char) -> CharSet {
    CharSet::Ranges { ranges: vec![(letter, letter)], is_negated: false }
}

fn escape(letter: Option<char>) -> Result<CharSet, String> {
    let ranges = match letter {
        Some('d') => vec![('0', '9')],
        Some('w') => vec![('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')],
        Some(letter) if letter.is_ascii_alphanumeric() || letter == '/' => {
            return Err(format!("`\\{letter}` has no meaning here; there are `\\d` and `\\w`"));
        }
        Some(letter) => vec![(letter, letter)],
        None => return Err("a `\\` at the end".to_owned()),
    };
    Ok(CharSet::Ranges { ranges, is_negated: false })
}

/// Reads a set after its `[`.
fn in_brackets(letters: &mut Letters<'_>) -> Result<CharSet, String> {
    let is_negated = letters.next_if_eq(&'^').is_some();
    let mut ranges: Vec<(char, char)> = Vec::new();
    loop {
        let first = match letters.next() {
            None => return Err("a `[` without a `]`".to_owned()),
            Some(']') if !ranges.is_empty() => return Ok(CharSet::Ranges { ranges, is_negated }),
            Some(']') => return Err("a set without characters".to_owned()),
            Some('\\') => match escape(letters.next())? {
                CharSet::Ranges { ranges: escaped, .. }
                    if escaped.len() == 1 && escaped[0].0 == escaped[0].1 =>
                {
                    escaped[0].0
                }
                CharSet::Ranges { ranges: escaped, .. } => {
                    ranges.extend(escaped);
                    continue;
                }
                CharSet::Any | CharSet::Safe => continue,
            },
            Some(letter) => letter,
        };
        let mut ahead = letters.clone();
        let last = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(last)) if last != ']' && last != '\\' => {
                *letters = ahead;
                last
            }
            _ => first,
        };
        if last < first {
            return Err(format!("the range `{first}-{last}` runs backwards"));
        }
        ranges.push((first, last));
    }
}

/// Reads `+`, `*`, `?`, `{2}`, `{2,}` or `{2,4}`. Without one of them, the set stands once.
fn count(letters: &mut Letters<'_>) -> Result<(usize, usize), String> {
    match letters.peek() {
        Some('+') => Ok(letters.next().map_or((1, 1), |_| (1, usize::MAX))),
        Some('*') => Ok(letters.next().map_or((1, 1), |_| (0, usize::MAX))),
        Some('?') => Ok(letters.next().map_or((1, 1), |_| (0, 1))),
        Some('{') => {
            let inside: String = letters.by_ref().skip(1).take_while(|letter| *letter != '}').collect();
            let wrong = || format!("`{{{inside}}}` is not a count such as `{{2}}`, `{{2,}}` or `{{2,4}}`");
            // No key has more than 1,024 characters.
            let number = |text: &str| text.trim().parse().ok().filter(|count: &usize| *count <= 1_024);
            let (least, most) = match inside.split_once(',') {
                None => (number(&inside), number(&inside)),
                Some((least, most)) if most.trim().is_empty() => (number(least), Some(usize::MAX)),
                Some((least, most)) => (number(least), number(most)),
            };
            match (least, most) {
                (Some(least), Some(most)) if least <= most && most > 0 => Ok((least, most)),
                _ => Err(wrong()),
            }
        }
        _ => Ok((1, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_sequence_of_counted_sets() {
        let runs = parse(r"[A-Za-z_]{2,3}\d+-?x.*").unwrap();
        let counts: Vec<_> = runs.iter().map(|run| (run.least, run.most)).collect();
        assert_eq!(counts, [(2, 3), (1, usize::MAX), (0, 1), (1, 1), (0, usize::MAX)]);
        assert!(runs[0].set.has('Z') && runs[0].set.has('_') && !runs[0].set.has('5'));
        assert!(runs[4].set.has('$') && !runs[4].set.has('/'));
        assert!(parse("[^x]+").unwrap()[0].set.has('$') && !parse("[^x]+").unwrap()[0].set.has('/'));
        assert!(parse(r"[a\]-]+").unwrap()[0].set.has('-'));
    }

    #[test]
    fn only_a_class_of_safe_characters_is_safe() {
        for (class, is_safe) in
            [("[0-9]+", true), (r"\w+", true), ("[A-Z ]+", false), ("[^/]+", false), (".+", false)]
        {
            assert_eq!(are_safe(&parse(class).unwrap()), is_safe, "{class}");
        }
    }

    #[test]
    fn what_is_no_class_is_refused_with_the_reason() {
        for (class, message) in [
            ("[0-9", "without a `]`"),
            ("[]+", "without characters"),
            ("[9-0]", "backwards"),
            ("(a|b)", "has no meaning here"),
            ("+", "no set of characters"),
            ("[0-9]{3,2}", "is not a count"),
            ("[0-9]{x}", "is not a count"),
            ("[0-9]*", "empty text"),
            (r"\s", "`\\d` and `\\w`"),
            (r"[a]\", "at the end"),
        ] {
            let refusal = parse(class).unwrap_err();
            assert!(refusal.contains(message), "{class}: {refusal}");
        }
    }
}
