//! Finds separators that few programs write, such as `||`, `\x1f` or `~`.

/// The separators that are tried, in this order.
const RARE: [&str; 12] =
    ["|~|", "~|~", "|^|", "^|^", "||", "::", "\u{1f}", "\u{a6}", "\u{a7}", "\u{ac}", "~", ":"];
/// The number of lines that are looked at.
const LINES: usize = 200;

/// Returns the separators that are in the first line of a text, and equally often in at least nine of ten lines.
pub(super) fn rare(head: &str) -> Vec<&'static str> {
    let lines: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).take(LINES).collect();
    // The last line may be incomplete.
    let lines = if lines.len() > 2 { &lines[..lines.len() - 1] } else { &lines[..] };
    let is_in_all = |separator: &&str| {
        let first = lines.first().map_or(0, |line| line.matches(separator).count());
        let equal = lines.iter().filter(|line| line.matches(separator).count() == first).count();
        first > 0 && equal * 10 >= lines.len() * 9
    };
    RARE.into_iter().filter(is_in_all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_in_every_line() {
        assert_eq!(rare("id||name\n1||Ann|A\n2||Bob\n"), ["||"]);
        assert_eq!(rare("id\u{1f}name\n1\u{1f}Ann\n"), ["\u{1f}"]);
        assert!(rare("id,name\n1,10:30\n2,x\n").is_empty());
    }
}
