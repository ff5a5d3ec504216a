//! Reads the types that are neither numbers nor dates nor times.

use std::borrow::Cow;

use super::super::column::Column;
use super::super::number_form::NumberForm;
use super::super::value_rules::{ColumnRules, is_same_word};
use super::refusal::{refusal, shown};

/// Returns a boolean by the declared words, or by those of PostgreSQL and their unique beginnings.
pub(super) fn truth(rules: &ColumnRules, text: &[u8]) -> Option<bool> {
    if rules.truths.iter().any(|word| is_same_word(word, text)) {
        return Some(true);
    }
    if rules.falsehoods.iter().any(|word| is_same_word(word, text)) {
        return Some(false);
    }
    let begins = |word: &str, least: usize| {
        text.len() >= least
            && word.len() >= text.len()
            && text.eq_ignore_ascii_case(&word.as_bytes()[..text.len()])
    };
    if begins("true", 1) || begins("yes", 1) || begins("on", 2) || text == b"1" {
        Some(true)
    } else if begins("false", 1) || begins("no", 1) || begins("off", 2) || text == b"0" {
        Some(false)
    } else {
        None
    }
}

/// Returns the text that a column of `limit` characters stores. Spaces beyond the limit are dropped, as PostgreSQL does.
#[inline]
pub(super) fn characters(limit: Option<usize>, text: &[u8]) -> Result<&[u8], String> {
    let Some(limit) = limit.filter(|limit| text.len() > *limit) else { return Ok(text) };
    let starts = |(_, byte): &(usize, &u8)| **byte & 0xc0 != 0x80;
    let Some((end, _)) = text.iter().enumerate().filter(starts).nth(limit) else { return Ok(text) };
    if text[end..].iter().all(|byte| *byte == b' ') {
        return Ok(&text[..end]);
    }
    let count = text.iter().enumerate().filter(starts).count();
    Err(format!(
        "{} has {count} characters, but the column takes {limit}; shorten the text, or give the column the type text",
        shown(text)
    ))
}

/// Reads a UUID. As in PostgreSQL, a hyphen may follow each group of four digits, and braces may enclose all.
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text = match text.strip_prefix(b"{") {
        Some(rest) => rest.strip_suffix(b"}")?,
        None => text,
    };
    let mut bytes = [0; 16];
    let mut rest = text;
    for (index, byte) in bytes.iter_mut().enumerate() {
        let [high, low, tail @ ..] = rest else { return None };
        *byte = ((*high as char).to_digit(16)? * 16 + (*low as char).to_digit(16)?) as u8;
        rest = match tail {
            [b'-', tail @ ..] if index % 2 == 1 && index < 15 => tail,
            _ => tail,
        };
    }
    rest.is_empty().then_some(bytes)
}

/// Checks that an amount of money has digits, at most one sign and one `$` in front of them or brackets around them, at most two
/// decimals apart from zeros, and that a comma in it stands before three digits. PostgreSQL takes a sign or a bracket anywhere, and
/// leaves commas out wherever they stand, so `1234,56` would become
/// 123456. It reads a lone dash, which means no value in many files, as 0. Unless the file says how it writes numbers
/// (`is_declared`), a point before exactly three digits is refused where it may group them: `1.500` is 1500 in many countries.
pub(super) fn money(is_declared: bool, text: &[u8]) -> Option<()> {
    let text = text.trim_ascii();
    let amount = match text.strip_prefix(b"(") {
        Some(inner) => without_one_of(b"$", inner.strip_suffix(b")")?.trim_ascii()),
        None if text.starts_with(b"$") => without_one_of(b"+-", without_one_of(b"$", text)),
        None => without_one_of(b"$", without_one_of(b"+-", text)),
    };
    if !amount.iter().all(|byte| byte.is_ascii_digit() || b".,".contains(byte)) {
        return None;
    }
    let whole = text.split(|byte| *byte == b'.').next()?;
    let groups = whole.split(|byte| *byte == b',').skip(1);
    // Nobody groups 0,123: its comma is a decimal one.
    let begins_with_zero =
        whole.contains(&b',') && whole.iter().find(|byte| byte.is_ascii_digit()) == Some(&b'0');
    let digits = |group: &[u8]| group.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Nobody groups 1234,567 either.
    let first = whole.split(|byte| *byte == b',').next().unwrap_or_default();
    let is_first_long =
        whole.contains(&b',') && first.iter().filter(|byte| byte.is_ascii_digit()).count() > 3;
    let fraction = &text[whole.len()..];
    let decimals: Vec<u8> = fraction.iter().copied().filter(u8::is_ascii_digit).collect();
    let zeros = decimals.iter().rev().take_while(|digit| **digit == b'0').count();
    let before: Vec<u8> = whole.iter().copied().filter(u8::is_ascii_digit).collect();
    let may_group = decimals.len() == 3 && (1..=3).contains(&before.len()) && before[0] != b'0';
    let is_fraction_plain =
        !fraction.contains(&b',') && decimals.len() - zeros <= 2 && (is_declared || !may_group);
    let has_digits = text.iter().any(u8::is_ascii_digit);
    (has_digits
        && !begins_with_zero
        && !is_first_long
        && is_fraction_plain
        && groups.into_iter().all(|group| digits(group) == 3))
    .then_some(())
}

/// Returns a text without its first character and the blanks behind it, if the character is one of `marks`.
fn without_one_of<'a>(marks: &[u8], text: &'a [u8]) -> &'a [u8] {
    match text.split_first() {
        Some((first, rest)) if marks.contains(first) => rest.trim_ascii_start(),
        _ => text,
    }
}

/// Checks that a text is one byte, or a backslash and three octal digits. PostgreSQL drops the other bytes of a longer text. If
/// `is_letter` is true, every letter is one byte in the database.
pub(super) fn byte(is_letter: bool, text: &[u8]) -> Option<()> {
    let letters = || std::str::from_utf8(text).is_ok_and(|text| text.chars().count() == 1);
    let is_octal = matches!(text, [b'\\', b'0'..=b'3', b'0'..=b'7', b'0'..=b'7']);
    (text.len() <= 1 || is_octal || is_letter && letters()).then_some(())
}

/// Checks that a text is a whole number without a sign, and not above `most`. PostgreSQL takes a negative number for a large one, and
/// drops the high bits of a number that is too large. Unless `takes_zeros` is true, it reads a number that begins with a zero as octal.
pub(super) fn id(most: u64, takes_zeros: bool, text: &[u8]) -> Option<()> {
    let text = text.trim_ascii();
    if !takes_zeros && text.len() > 1 && text.first() == Some(&b'0') {
        return None;
    }
    let number: u64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (text[0].is_ascii_digit() && number <= most).then_some(())
}

/// Checks that no number inside a text has a character that a form of numbers gives another meaning than PostgreSQL. In a list of
/// numbers (`is_list`), such a character may stand between two of them, but not between two digits.
pub(super) fn without_form(form: &NumberForm, is_list: bool, text: &[u8]) -> Option<()> {
    let text = String::from_utf8_lossy(text);
    let letters: Vec<char> = text.chars().collect();
    let is_digit =
        |index: Option<usize>| index.and_then(|index| letters.get(index)).is_some_and(char::is_ascii_digit);
    let is_of_number = |(index, letter): (usize, &char)| {
        let is_of_form = Some(*letter) == form.grouping || *letter == form.decimal && *letter != '.';
        let (before, after) = (is_digit(index.checked_sub(1)), is_digit(Some(index + 1)));
        // A blank may group digits, and it separates the words of an interval.
        let is_separator = is_list || letter.is_whitespace();
        is_of_form && if is_separator { before && after } else { before || after }
    };
    (!letters.iter().enumerate().any(is_of_number)).then_some(())
}

/// Checks JSON.
pub(super) fn json(text: &[u8]) -> Result<(), String> {
    match serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        // PostgreSQL takes JSON that is nested more deeply; it checks the text again.
        Err(error) if !error.to_string().starts_with("recursion limit") => Err(format!(
            "{} is not JSON: {error}; correct the value (a text in JSON has quotes of its own), or give the column the type \
                 text",
            shown(text)
        )),
        _ => Ok(()),
    }
}

/// Reads bytes in either form of PostgreSQL.
pub(super) fn bytea<'a>(
    column: &Column,
    rules: &ColumnRules,
    text: &'a [u8],
) -> Result<Cow<'a, [u8]>, String> {
    let is_hex = |digits: &[u8]| {
        !digits.is_empty() && digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit)
    };
    if text.strip_prefix(b"0x").is_some_and(is_hex) {
        return Err(format!(
            "{} is bytes as SQL Server and MySQL write them, and PostgreSQL would store these letters instead; write \\x in place of 0x, or, if \
             the letters are meant, write them in hexadecimal digits after \\x",
            shown(text)
        ));
    }
    if text.strip_prefix(b"\\\\x").is_some_and(is_hex) {
        return Err(format!(
            "{} has its backslash twice, as the text format of COPY writes it, and PostgreSQL would store the letters; write one backslash, or \
             set `escapeChar` (`myEscapeChar`) to \\; if the letters are meant, write them in hexadecimal digits after \\x",
            shown(text)
        ));
    }
    let bytes = match text.strip_prefix(b"\\x") {
        Some(hex) => from_hex(hex).map(Cow::Owned),
        None if text.contains(&b'\\') => from_escapes(text).map(Cow::Owned),
        None => Some(Cow::Borrowed(text)),
    };
    bytes.ok_or_else(|| refusal(column, rules, text))
}

/// Returns bytes as text that PostgreSQL reads.
pub(super) fn hex(bytes: &[u8]) -> Vec<u8> {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
    let mut text = b"\\x".to_vec();
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}

/// Reads pairs of digits, with white space between them.
fn from_hex(mut text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len() / 2);
    loop {
        text = match text {
            [] => return Some(bytes),
            [b' ' | b'\n' | b'\t' | b'\r', rest @ ..] => rest,
            [high, low, rest @ ..] => {
                bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
                rest
            }
            [_] => return None,
        };
    }
}

fn from_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                tail
            }
            (b'\\', _) => return None,
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    Some(bytes)
}
