//! "Did you mean": the nearest of the words that would have been right.

/// Returns ` (did you mean ...?)` when one of `words` is nearly `written`, else nothing.
pub(super) fn hint<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> String {
    nearest(written, words).map_or_else(String::new, |word| format!(" (did you mean '{word}'?)"))
}

/// Longest text that is compared, and most words that it is compared with: a hint is not worth more.
const MAX_LENGTH: usize = 40;
const MAX_WORDS: usize = 400;

/// Returns the word nearest to `written`, if it is near at all.
pub(super) fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > MAX_LENGTH {
        return None;
    }
    let most = (written.chars().count() / 4).clamp(1, 3);
    let lower = written.to_lowercase();
    words
        .take(MAX_WORDS)
        .filter(|word| word.len().abs_diff(written.len()) <= 8)
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= most && *word != written)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many characters must be put, taken, changed, or swapped with their neighbour.
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
