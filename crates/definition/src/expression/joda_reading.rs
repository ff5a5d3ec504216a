//! Says which patterns of Joda-Time a program can read dates with. Reading takes fewer letters than formatting does.

/// The letters of the parts that a date in a file can have.
const READABLE: &str = "yYMdHhkKmsSaZE";

/// Returns the reason why no date can be read with `pattern`, or `None` if the pattern is legal.
#[must_use]
pub fn unreadable(pattern: &str) -> Option<String> {
    let mut letters = String::new();
    let mut is_quoted = false;
    for next in pattern.chars() {
        match next {
            '\'' => is_quoted = !is_quoted,
            letter if letter.is_ascii_alphabetic() && !is_quoted => letters.push(letter),
            _ => {}
        }
    }
    let has = |wanted: &[char]| letters.contains(wanted);
    if is_quoted {
        return Some("a quote is never closed".to_owned());
    }
    if let Some(other) = letters.chars().find(|letter| !READABLE.contains(*letter)) {
        let hint = match other {
            'D' => "; `d` is the day of the month",
            'z' => "; `ZZZ` is the name of a zone",
            _ => "",
        };
        return Some(format!("the letter `{other}` cannot be read{hint}"));
    }
    if has(&['h', 'K']) && !has(&['a']) {
        return Some("an hour of 12 needs `a` for am or pm; `H` is the hour of 24".to_owned());
    }
    if !has(&['y', 'Y', 'M', 'd', 'H', 'h', 'k', 'K']) {
        return Some("it has no letter of a date or an hour".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_readable_if_each_letter_has_one_meaning() {
        for pattern in
            ["dd/MM/yyyy", "YYYY-MM-dd'T'HH:mm:ss.SSSZZ", "E d MMM yy hh:mm a ZZZ", "HH 'o''clock'"]
        {
            assert_eq!(unreadable(pattern), None, "{pattern}");
        }
        for (pattern, why) in [
            ("QQ", "the letter `Q` cannot be read"),
            ("DD/MM/YYYY", "the letter `D` cannot be read; `d` is the day of the month"),
            ("yyyy'T", "a quote is never closed"),
            ("dd/MM/yyyy hh:mm", "an hour of 12 needs `a` for am or pm; `H` is the hour of 24"),
            ("'yyyy'", "it has no letter of a date or an hour"),
        ] {
            assert_eq!(unreadable(pattern).as_deref(), Some(why), "{pattern}");
        }
    }
}
