//! Finds separators that few programs write, such as `||`, `\x1f` or `~`.

/// The separators that are tried, in this order.
const RARE: [&str; 12] =
    ["|~|", "~|~", "|^|", "^|^", "||", "::", "\u{1f}", "\u{a6}", "\u{a7}", "\u{ac}", "~", ":"];
/// The separator of R (`write.table`). It is tried last, because texts contain it.
const BLANK: &str = " ";
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
    let mut found: Vec<&str> = RARE.into_iter().filter(is_in_all).collect();
    if lines.len() > 1 && lines.iter().all(|line| line.contains(BLANK)) {
        found.push(BLANK);
    }
    found
}

/// Returns whether a text looks like a list of SAP: `|` at both ends of its lines, and lines of dashes.
pub(super) fn is_list(head: &str) -> bool {
    let lines: Vec<&str> =
        head.lines().map(str::trim_end).filter(|line| !line.is_empty()).take(LINES).collect();
    let is_dashes = |line: &&&str| line.len() > 4 && line.bytes().all(|byte| byte == b'-');
    let dashes = lines.iter().filter(is_dashes).count();
    let framed =
        lines.iter().filter(|line| line.len() > 2 && line.starts_with('|') && line.ends_with('|')).count();
    // The lines before the table are titles.
    dashes > 0
        && framed > 1
        && (dashes + framed) * 2 > lines.len()
        && !lines.iter().any(|line| line.starts_with('-') && !is_dashes(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_in_every_line() {
        assert_eq!(rare("id||name\n1||Ann|A\n2||Bob\n"), ["||"]);
        assert!(is_list("Stock\n\n------\n|a |b|\n------\n|x |1|\n|yy|2|\n------\n"));
        assert!(!is_list("|a|b|\n|1|2|\n") && !is_list("-----\n-5|2\n"));
        assert_eq!(rare("id\u{1f}name\n1\u{1f}Ann\n"), ["\u{1f}"]);
        assert!(rare("id,name\n1,10:30\n2,x\n").is_empty());
        assert_eq!(rare("\"x\" \"y\"\n\"1\" \"a b\" 3\n\"2\" \"c\" 4\n"), [" "]);
    }
}
