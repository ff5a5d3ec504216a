//! The dates of signed requests.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

/// The limit of AWS on the difference between the date of a request and the clock, in minutes.
pub(crate) const ALLOWED_SKEW_MINUTES: i64 = 15;

/// The date of a request.
pub(crate) struct RequestDate {
    /// The date in the form that is signed, `YYYYMMDDTHHMMSSZ`.
    pub(crate) text: String,
    pub(crate) time: Timestamp,
    /// The header that has the date, in lower case.
    pub(crate) header: &'static str,
}

/// The reason why a request has no date.
#[derive(Debug)]
pub(crate) enum DateError {
    Missing,
    /// The value is not a date.
    Unreadable(String),
}

impl RequestDate {
    /// Reads the date of a request: from `x-amz-date`, and without that header from `Date`.
    ///
    /// `Date` may have any form of RFC 9110 or of ISO 8601.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, DateError> {
        let (value, header) = match (headers.get("x-amz-date"), headers.get(http::header::DATE)) {
            (Some(value), _) => (value, "x-amz-date"),
            (None, Some(value)) => (value, "date"),
            (None, None) => return Err(DateError::Missing),
        };
        let text = value.to_str().unwrap_or_default().trim();
        let time = match header {
            "x-amz-date" => parse(text),
            _ => parse(text).or_else(|| parse_http(text)).or_else(|| text.parse().ok()),
        };
        let time = time.ok_or_else(|| DateError::Unreadable(text.to_owned()))?;
        Ok(Self { text: basic(time), time, header })
    }
}

/// Reads a date of the form `YYYYMMDDTHHMMSSZ`.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    let time = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    // The pattern also reads shorter numbers and blanks.
    (basic(time) == text).then_some(time)
}

/// Returns the date as `YYYYMMDDTHHMMSSZ`.
pub(crate) fn basic(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Returns the time between which and `now` a request may be dated in the past or in the future.
pub(crate) fn allowed_skew() -> SignedDuration {
    SignedDuration::from_mins(ALLOWED_SKEW_MINUTES)
}

fn parse_http(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &'static str) -> Option<String> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )]);
        RequestDate::of(&headers).ok().map(|date| date.text)
    }

    #[test]
    fn the_header_date_may_have_any_http_form() {
        for form in [
            "Sun, 30 Aug 2015 12:36:00 GMT",
            "Sunday, 30-Aug-15 12:36:00 GMT",
            "Sun Aug 30 12:36:00 2015",
            "20150830T123600Z",
            "2015-08-30T12:36:00Z",
        ] {
            assert_eq!(of("date", form).as_deref(), Some("20150830T123600Z"), "{form}");
        }
    }

    #[test]
    fn the_header_x_amz_date_has_one_form() {
        assert_eq!(of("x-amz-date", "20150830T123600Z").as_deref(), Some("20150830T123600Z"));
        for form in
            ["Sun, 30 Aug 2015 12:36:00 GMT", "2015830T123600Z", "20150830T123600", "20151330T123600Z", ""]
        {
            assert_eq!(of("x-amz-date", form), None, "{form}");
        }
    }
}
