//! Reads whole numbers and floating-point numbers as PostgreSQL does.

/// Returns whether the text is a whole number, of any size.
pub(super) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Returns a whole number, or `None` if the text is not a whole number or does not fit into 64 bits.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
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

/// The reason why a text is not a floating-point number of a type.
pub(super) enum NoFloat {
    /// It is not a number.
    Unreadable,
    /// It is too large, or so small that only zero would be left.
    OutOfRange,
}

pub(super) fn float8(text: &[u8]) -> Result<f64, NoFloat> {
    let value: f64 = read(text)?;
    judge(text, value.is_infinite(), value == 0.0).map(|()| value)
}

/// A number is read as `real` at once. Reading it as `double precision` first would round twice.
pub(super) fn float4(text: &[u8]) -> Result<f32, NoFloat> {
    let value: f32 = read(text)?;
    judge(text, value.is_infinite(), value == 0.0).map(|()| value)
}

fn read<T: std::str::FromStr>(text: &[u8]) -> Result<T, NoFloat> {
    let text = std::str::from_utf8(text).map_err(|_| NoFloat::Unreadable)?;
    text.parse().map_err(|_| NoFloat::Unreadable)
}

/// PostgreSQL refuses a number that is too large or too small; Rust reads such a number as infinite or as zero.
fn judge(text: &[u8], is_infinite: bool, is_zero: bool) -> Result<(), NoFloat> {
    let named = text.iter().any(|byte| matches!(byte, b'n' | b'N'));
    let mantissa = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let vanished = is_zero && mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    if (is_infinite && !named) || vanished { Err(NoFloat::OutOfRange) } else { Ok(()) }
}
