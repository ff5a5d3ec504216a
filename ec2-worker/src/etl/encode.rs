//! Checks one value of a file and encodes it in the binary form of PostgreSQL.
//!
//! The encoder refuses the values that PostgreSQL would refuse, with a reason that helps a person to correct the file.
//! So the worker finds nearly every bad row without the database.

use super::column::{Column, ColumnType};
use super::date::{self, Moment, Pattern};
use numeric::numeric;

mod numeric;

/// Appends the length and the binary form of `text` to `out`.
///
/// Dates and times follow the pattern `dates`, or ISO 8601 if there is no pattern.
///
/// # Errors
///
/// If `text` is not a value of the column's type. The message says why. `out` may then contain a part of the value.
#[inline]
pub fn binary(
    column: &Column,
    dates: Option<&Pattern>,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let text = if column.kind.keeps_spaces() { text } else { text.trim_ascii() };
    let refused = || refusal(column, dates, text);
    match column.kind {
        ColumnType::Int4 => fixed(
            out,
            i32::try_from(integer(text).ok_or_else(refused)?).map_err(|_| range(column, text))?.to_be_bytes(),
        ),
        ColumnType::Int8 => fixed(out, integer(text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Int2 => fixed(
            out,
            i16::try_from(integer(text).ok_or_else(refused)?).map_err(|_| range(column, text))?.to_be_bytes(),
        ),
        ColumnType::Numeric(limits) => numeric(column, limits, text, out)?,
        ColumnType::Text(limit) => characters(limit, text, out)?,
        ColumnType::Date => fixed(out, day(dates, text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Timestamp => fixed(out, timestamp(dates, text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::TimestampTz => fixed(out, instant(dates, text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Time => fixed(out, date::iso_time(text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Bool => fixed(out, [u8::from(truth(text).ok_or_else(refused)?)]),
        ColumnType::Float8 => fixed(out, float(text).ok_or_else(refused)?.to_be_bytes()),
        ColumnType::Float4 => {
            let wide = float(text).ok_or_else(refused)?;
            let narrow = wide as f32;
            if narrow.is_infinite() && wide.is_finite() {
                return Err(range(column, text));
            }
            fixed(out, narrow.to_be_bytes());
        }
        ColumnType::Uuid => fixed(out, uuid(text).ok_or_else(refused)?),
        ColumnType::Json | ColumnType::Jsonb => json(column.kind == ColumnType::Jsonb, text, out)?,
        ColumnType::Bytea => sized(out, &bytea(text).ok_or_else(refused)?),
        ColumnType::Other => sized(out, text),
    }
    Ok(())
}

/// Appends `text` to `out` in the text format of `COPY`, after the same checks as in [`binary`].
///
/// # Errors
///
/// The errors of [`binary`].
pub fn text(column: &Column, dates: Option<&Pattern>, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let mut checked = Vec::with_capacity(16);
    binary(column, dates, text, &mut checked)?;
    let moment = dates.filter(|_| {
        matches!(column.kind, ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz)
    });
    if let Some(moment) = moment.and_then(|pattern| pattern.moment(text.trim_ascii())) {
        out.extend_from_slice(iso(moment).as_bytes());
        return Ok(());
    }
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            other => out.push(*other),
        }
    }
    Ok(())
}

fn iso(moment: Moment) -> String {
    let micros = moment.local() + 946_684_800_000_000;
    let offset = moment.offset.unwrap_or(0);
    let sign = if offset < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60);
    match jiff::Timestamp::from_microsecond(micros) {
        Ok(at) => format!("{}{zone}", at.strftime("%Y-%m-%d %H:%M:%S%.6f")),
        Err(_) => "infinity".to_owned(),
    }
}

fn refusal(column: &Column, dates: Option<&Pattern>, text: &[u8]) -> String {
    let value = shown(text);
    match (column.kind, dates) {
        (ColumnType::Date | ColumnType::Timestamp | ColumnType::TimestampTz, Some(pattern)) => {
            format!("{value} is not a {} written as {}", column.type_name, pattern.text())
        }
        (ColumnType::Date, None) => format!("{value} is not a date (as 2025-12-31)"),
        (ColumnType::Timestamp | ColumnType::TimestampTz, None) => {
            format!("{value} is not a {} (as 2025-12-31T23:59:59)", column.type_name)
        }
        (ColumnType::Bool, _) => format!("{value} is not a boolean (true, false, t, f, yes, no, 1, 0)"),
        (ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8, _) if integer_shape(text) => {
            range(column, text)
        }
        (ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8, _) => {
            format!("{value} is not a whole number")
        }
        (ColumnType::Float4 | ColumnType::Float8 | ColumnType::Numeric(_), _) => {
            format!("{value} is not a number")
        }
        _ => format!("{value} is not a {}", column.type_name),
    }
}

fn range(column: &Column, text: &[u8]) -> String {
    format!("{} is out of range for {}", shown(text), column.type_name)
}

/// Returns the value `text` for a message: in quotes, with control characters escaped, and cut if it is long.
#[must_use]
pub fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    format!("\"{short}\"")
}

fn fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&(N as u32).to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    // A record has a few megabytes at most, so the length fits into 32 bits.
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn integer_shape(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    if digits.len() <= 18 {
        let mut value = 0_i64;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: f64 = text.parse().ok()?;
    let named = text.bytes().any(|byte| matches!(byte, b'n' | b'N' | b'i' | b'I'));
    // PostgreSQL refuses a number that is too large; Rust reads such a number as infinite.
    (value.is_finite() || named).then_some(value)
}

fn truth(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["t", "true", "y", "yes", "on", "1"]) {
        Some(true)
    } else if is(&["f", "false", "n", "no", "off", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn characters(limit: Option<usize>, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    if let Some(limit) = limit.filter(|limit| text.len() > *limit) {
        let count = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        if count > limit {
            return Err(format!("{} has {count} characters, but the column takes {limit}", shown(text)));
        }
    }
    sized(out, text);
    Ok(())
}

fn day(dates: Option<&Pattern>, text: &[u8]) -> Option<i32> {
    if let Some(pattern) = dates {
        return pattern.moment(text).map(|moment| moment.days);
    }
    date::iso_date(text).or_else(|| match text {
        b"infinity" => Some(i32::MAX),
        b"-infinity" => Some(i32::MIN),
        // Many tools write a date with a time of day, which is midnight.
        _ => date::iso_moment(text)
            .filter(|m| m.micros == 0 && m.offset.is_none_or(|o| o == 0))
            .map(|m| m.days),
    })
}

fn timestamp(dates: Option<&Pattern>, text: &[u8]) -> Option<i64> {
    match (dates, text) {
        (Some(pattern), _) => pattern.moment(text).map(Moment::local),
        (None, b"infinity") => Some(i64::MAX),
        (None, b"-infinity") => Some(i64::MIN),
        // A timestamp without time zone has no offset. Dropping the offset of the text would change the time.
        (None, _) => date::iso_moment(text).filter(|m| m.offset.is_none_or(|o| o == 0)).map(Moment::local),
    }
}

fn instant(dates: Option<&Pattern>, text: &[u8]) -> Option<i64> {
    match (dates, text) {
        (Some(pattern), _) => pattern.moment(text).map(Moment::utc),
        (None, b"infinity") => Some(i64::MAX),
        (None, b"-infinity") => Some(i64::MIN),
        (None, _) => date::iso_moment(text).map(Moment::utc),
    }
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text = text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(text);
    let mut bytes = [0; 16];
    let mut count = 0;
    for byte in text.iter().filter(|byte| **byte != b'-') {
        let digit = (*byte as char).to_digit(16)? as u8;
        *bytes.get_mut(count / 2)? |= digit << (4 * (1 - count % 2));
        count += 1;
    }
    (count == 32).then_some(bytes)
}

fn json(versioned: bool, text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(text) {
        return Err(format!("{} is not JSON: {error}", shown(text)));
    }
    // The binary form of jsonb begins with the version number 1.
    out.extend_from_slice(&((text.len() + usize::from(versioned)) as u32).to_be_bytes());
    if versioned {
        out.push(1);
    }
    out.extend_from_slice(text);
    Ok(())
}

fn bytea(text: &[u8]) -> Option<Vec<u8>> {
    if let Some(hex) = text.strip_prefix(b"\\x") {
        let digit = |byte: u8| (byte as char).to_digit(16);
        let pairs = hex.chunks(2).map(|pair| Some((digit(pair[0])? * 16 + digit(*pair.get(1)?)?) as u8));
        return pairs.collect();
    }
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

#[cfg(test)]
mod tests {
    use postgres_types::private::BytesMut;
    use postgres_types::{ToSql, Type};

    use super::*;

    fn encode(kind: ColumnType, text: &str) -> Result<Vec<u8>, String> {
        let column = Column {
            name: "c".to_owned(),
            type_name: "the type".to_owned(),
            kind,
            not_null: false,
            has_default: false,
        };
        let mut out = Vec::new();
        binary(&column, None, text.as_bytes(), &mut out).map(|()| out[4..].to_vec())
    }

    fn theirs(value: &dyn ToSql, ty: &Type) -> Vec<u8> {
        let mut out = BytesMut::new();
        value.to_sql_checked(ty, &mut out).expect("a value of that type");
        out.to_vec()
    }

    #[test]
    fn fixed_types_are_encoded_as_the_driver_encodes_them() {
        assert_eq!(encode(ColumnType::Int4, " -42 "), Ok(theirs(&-42_i32, &Type::INT4)));
        assert_eq!(encode(ColumnType::Int8, "9223372036854775807"), Ok(theirs(&i64::MAX, &Type::INT8)));
        assert_eq!(encode(ColumnType::Bool, "Yes"), Ok(vec![1]));
        assert_eq!(encode(ColumnType::Float8, "1e3"), Ok(theirs(&1000_f64, &Type::FLOAT8)));
        let date: jiff::civil::Date = "2025-12-31".parse().expect("a date");
        assert_eq!(encode(ColumnType::Date, "2025-12-31"), Ok(theirs(&date, &Type::DATE)));
        let at: jiff::Timestamp = "2025-12-31T22:59:59.5Z".parse().expect("a time");
        assert_eq!(
            encode(ColumnType::TimestampTz, "2025-12-31 23:59:59.5+01"),
            Ok(theirs(&at, &Type::TIMESTAMPTZ))
        );
        assert_eq!(encode(ColumnType::Bytea, "\\x00ff"), Ok(vec![0, 255]));
        assert_eq!(encode(ColumnType::Jsonb, "{}"), Ok(vec![1, b'{', b'}']));
        assert_eq!(encode(ColumnType::Uuid, "00000000-0000-0000-0000-0000000000ff").map(|b| b[15]), Ok(255));
    }

    #[test]
    fn numerics_are_base_ten_thousand_without_zero_groups() {
        let parts = |text| {
            let bytes = encode(ColumnType::Numeric(None), text).expect("a number");
            bytes.chunks(2).map(|two| i16::from_be_bytes([two[0], two[1]])).collect::<Vec<_>>()
        };
        assert_eq!(parts("12345.6"), [3, 1, 0, 1, 1, 2345, 6000]);
        assert_eq!(parts("-0.00012"), [2, -1, 0x4000, 5, 1, 2000]);
        assert_eq!(parts("0.00"), [0, 0, 0, 2]);
        assert_eq!(parts("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(parts("0.000012"), [1, -2, 0, 6, 1200]);
        assert_eq!(parts("1.5e3"), parts("1500"));
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_a_reason() {
        let reason = |kind, text| encode(kind, text).expect_err("refused");
        assert_eq!(reason(ColumnType::Int4, "abc"), "\"abc\" is not a whole number");
        assert_eq!(reason(ColumnType::Int4, "3000000000"), "\"3000000000\" is out of range for the type");
        assert_eq!(
            reason(ColumnType::Int8, "99999999999999999999"),
            "\"99999999999999999999\" is out of range for the type"
        );
        assert_eq!(reason(ColumnType::Date, "2023-02-30"), "\"2023-02-30\" is not a date (as 2025-12-31)");
        assert_eq!(
            reason(ColumnType::Text(Some(2)), "äöü"),
            "\"äöü\" has 3 characters, but the column takes 2"
        );
        assert_eq!(
            reason(ColumnType::Numeric(Some((5, 2))), "1234.5"),
            "\"1234.5\" is out of range for the type"
        );
        assert!(reason(ColumnType::Timestamp, "2023-02-01T00:00:00+02:00").contains("is not a"));
        assert!(encode(ColumnType::Text(Some(3)), "äöü").is_ok());
    }

    #[test]
    fn the_text_form_escapes_the_special_characters_of_copy() {
        let column = Column {
            name: "c".to_owned(),
            type_name: "int4[]".to_owned(),
            kind: ColumnType::Other,
            not_null: false,
            has_default: false,
        };
        let mut out = Vec::new();
        text(&column, None, b"a\\\t\n", &mut out).expect("text");
        assert_eq!(out, b"a\\\\\\t\\n");
    }
}
