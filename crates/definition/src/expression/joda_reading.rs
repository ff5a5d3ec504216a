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
    if let Some(twice) = twice(pattern) {
        return Some(format!("`{twice}` appears twice{}", if twice == 'M' { MINUTES } else { "" }));
    }
    for (of, names) in [("hour", HOURS), ("year", YEARS)] {
        if let [first, second, ..] =
            names.chars().filter(|name| letters.contains(*name)).collect::<Vec<_>>()[..]
        {
            return Some(format!("it has two letters for the {of}, `{first}` and `{second}`"));
        }
    }
    if let Some(letter) = long_run(pattern) {
        return Some(format!("`{letter}` appears more than {LONGEST_RUN} times in a row"));
    }
    if let Some((first, second)) = side_by_side(pattern) {
        return Some(format!(
            "`{first}` and `{second}` stand side by side, so that 111 has two meanings; write each of them twice"
        ));
    }
    if let Some(year) = odd_year_beside_number(pattern) {
        return Some(format!(
            "the year `{year}` stands directly beside another number; write it as `yyyy` or `yy`"
        ));
    }
    if has(&['m']) && !has(&['H', 'h', 'k', 'K']) {
        return Some("it has minutes but no hour; `M` is the month, and `m` are minutes".to_owned());
    }
    if has(&['d']) && has(&['y', 'Y']) && !has(&['M']) {
        return Some("it has a day and a year but no month, `M`".to_owned());
    }
    if has(&['d']) && !has(&['y', 'Y']) {
        return Some("it has a day but no year, `y`".to_owned());
    }
    if !has(&['y', 'Y', 'M', 'd', 'H', 'h', 'k', 'K']) {
        return Some("it has no letter of a date or an hour".to_owned());
    }
    None
}

/// The letters of an hour, and those of a year.
const HOURS: &str = "HhkK";
const YEARS: &str = "yY";
/// The largest number of digits in a number of a date.
const LONGEST_RUN: usize = 9;

/// Returns two numbers of one or two digits each that no separator keeps apart.
fn side_by_side(pattern: &str) -> Option<(char, char)> {
    let letters: Vec<char> = pattern.chars().collect();
    let is_single = |at: usize| {
        let same = |other: Option<&char>| other == Some(&letters[at]);
        "yYMdHhkKms".contains(letters[at])
            && !same(letters.get(at + 1))
            && !(at > 0 && same(letters.get(at - 1)))
    };
    let is_quoted = |at: usize| letters[..at].iter().filter(|letter| **letter == '\'').count() % 2 == 1;
    let mut pairs = (1..letters.len()).filter(|at| is_single(at - 1) && is_single(*at) && !is_quoted(*at));
    pairs.next().map(|at| (letters[at - 1], letters[at]))
}

/// Returns the letters of a year that has not two or four digits, although another number stands directly beside it.
fn odd_year_beside_number(pattern: &str) -> Option<String> {
    let mut runs: Vec<(char, usize)> = Vec::new();
    let mut is_quoted = false;
    for next in pattern.chars() {
        is_quoted ^= next == '\'';
        match runs.last_mut() {
            Some((last, count)) if *last == next && !is_quoted => *count += 1,
            // Quoted letters are not numbers.
            _ => runs.push((if is_quoted { '\'' } else { next }, 1)),
        }
    }
    let is_number = |run: Option<&(char, usize)>| {
        run.is_some_and(|(letter, count)| "yYMdHhkKmsS".contains(*letter) && !(*letter == 'M' && *count > 2))
    };
    let mut odd = runs.iter().enumerate().filter(|(at, (letter, count))| {
        let is_beside =
            is_number(at.checked_sub(1).and_then(|at| runs.get(at))) || is_number(runs.get(at + 1));
        YEARS.contains(*letter) && !matches!(count, 2 | 4) && is_beside
    });
    odd.next().map(|(_, (letter, count))| letter.to_string().repeat(*count))
}

/// Returns a letter that stands in more places in a row than a number has digits.
fn long_run(pattern: &str) -> Option<char> {
    let (mut last, mut run) = (None, 0);
    pattern.chars().find(|next| {
        run = if last == Some(*next) { run + 1 } else { 1 };
        last = Some(*next);
        next.is_ascii_alphabetic() && run > LONGEST_RUN
    })
}

const MINUTES: &str = "; `m` are minutes";

/// Returns a letter that stands in two places of the pattern, so that the second value would replace the first.
fn twice(pattern: &str) -> Option<char> {
    let (mut seen, mut last, mut is_quoted) = (String::new(), None, false);
    for next in pattern.chars() {
        is_quoted ^= next == '\'';
        let letter = (next.is_ascii_alphabetic() && !is_quoted).then_some(next);
        if let Some(letter) = letter.filter(|_| letter != last) {
            if seen.contains(letter) {
                return Some(letter);
            }
            seen.push(letter);
        }
        last = letter;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_readable_if_each_letter_has_one_meaning() {
        for pattern in [
            "dd/MM/yyyy",
            "Hmm",
            "yyyyMMdd 'Md'",
            "YYYY-MM-dd'T'HH:mm:ss.SSSZZ",
            "E d MMM yy hh:mm a ZZZ",
            "HH 'o''clock'",
            "y/M/d",
            "d MMMy",
        ] {
            assert_eq!(unreadable(pattern), None, "{pattern}");
        }
        for (pattern, why) in [
            ("QQ", "the letter `Q` cannot be read"),
            ("DD/MM/YYYY", "the letter `D` cannot be read; `d` is the day of the month"),
            ("yyyy'T", "a quote is never closed"),
            ("dd/MM/yyyy hh:mm", "an hour of 12 needs `a` for am or pm; `H` is the hour of 24"),
            ("dd/mm/yyyy", "it has minutes but no hour; `M` is the month, and `m` are minutes"),
            ("dd/MM/yyyy HH:MM", "`M` appears twice; `m` are minutes"),
            ("dd.yyyy", "it has a day and a year but no month, `M`"),
            ("dd/MM", "it has a day but no year, `y`"),
            ("HH:mm hh a", "it has two letters for the hour, `H` and `h`"),
            ("dd/MM/yyyy YY", "it has two letters for the year, `y` and `Y`"),
            (
                "yyyyMd",
                "`M` and `d` stand side by side, so that 111 has two meanings; write each of them twice",
            ),
            ("yMMdd", "the year `y` stands directly beside another number; write it as `yyyy` or `yy`"),
            ("ddMMyyy", "the year `yyy` stands directly beside another number; write it as `yyyy` or `yy`"),
            ("yyyyyyyyyyMM", "`y` appears more than 9 times in a row"),
            ("'yyyy'", "it has no letter of a date or an hour"),
        ] {
            assert_eq!(unreadable(pattern).as_deref(), Some(why), "{pattern}");
        }
    }
}
