//! Suggests the known word that is nearest to a misspelt one.

/// Finds the suggestions for one report of validation. `left` is the number of words that may still be compared: the
/// limit saves time, and thousands of suggestions would help no reader.
pub(super) struct Hints {
    left: usize,
}

impl Default for Hints {
    fn default() -> Self {
        Self { left: 20_000 }
    }
}

impl Hints {
    /// Returns ` (did you mean ...?)` if one of `words` is near to `written`, else an empty text.
    pub(super) fn hint<'a>(&mut self, written: &str, words: impl Iterator<Item = &'a str>) -> String {
        self.nearest(written, words).map_or_else(String::new, |word| format!(" (did you mean '{word}'?)"))
    }

    /// Returns the word nearest to `written`. Returns `None` if no word is near, or if no comparisons are left.
    pub(super) fn nearest<'a>(
        &mut self,
        written: &str,
        words: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let mut compared = 0;
        let found = nearest(written, words.take(self.left).inspect(|_| compared += 1));
        self.left -= compared;
        found
    }
}

/// If one of two words begins with the other, they are near, provided that the shorter one has at least this many
/// bytes.
const MIN_PREFIX: usize = 5;
/// The length of the longest word that gets a suggestion, in bytes.
const MAX_LENGTH: usize = 40;
/// The largest number of known words that a word is compared with.
const MAX_WORDS: usize = 400;

/// Returns the word nearest to `written`, if one is near.
pub fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let most = (written.chars().count() / 4).clamp(1, 3);
    let lower = written.to_lowercase();
    let near = |word: &str| {
        // This cheap comparison of the first letters and of the lengths excludes most words.
        let is_prefix = word
            .as_bytes()
            .iter()
            .zip(written.as_bytes())
            .take(MIN_PREFIX)
            .all(|(a, b)| a.eq_ignore_ascii_case(b));
        if !is_prefix && word.len().abs_diff(written.len()) > most {
            return None;
        }
        let word = word.to_lowercase();
        // Examples: `formatDate` for `format`, `script` for `scriptUri`.
        let is_longer =
            |longer: &str, shorter: &str| shorter.len() >= MIN_PREFIX && longer.starts_with(shorter);
        let is_beginning = is_longer(&lower, &word) || is_longer(&word, &lower);
        let difference = lower.chars().count().abs_diff(word.chars().count());
        if difference > most && !is_beginning {
            return None;
        }
        let distance = distance(&lower, &word);
        (distance <= most || is_beginning).then_some(distance)
    };
    words
        .take(MAX_WORDS)
        .filter(|word| word.len().abs_diff(written.len()) <= 8 && *word != written)
        .filter_map(|word| Some((near(word)?, word)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Returns how many characters of `a` must be inserted, removed, changed, or swapped with their neighbour to get `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut next = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let changed = row[j] + usize::from(a[i] != b[j]);
            next[j + 1] = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                next[j + 1] = next[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let words = ["filePath", "directoryPath", "dependsOn"];
        assert_eq!(nearest("filepath", words.into_iter()), Some("filePath"));
        assert_eq!(nearest("dependOn", words.into_iter()), Some("dependsOn"));
        assert_eq!(nearest("dependsNo", words.into_iter()), Some("dependsOn"));
        assert_eq!(nearest("subject", words.into_iter()), None);
    }
}
