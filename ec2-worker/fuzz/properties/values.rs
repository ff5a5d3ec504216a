//! The checks of values: every way to the database takes the same texts, and a database agrees where there is one.

use ec2_worker::etl::column::{Column, ColumnType, MomentType};
use ec2_worker::etl::encode;
use ec2_worker::etl::value_rules::ColumnRules;

use super::readings::Database;

/// Types whose values the load checks itself.
pub(crate) const TYPES: [(&str, ColumnType); 28] = [
    ("boolean", ColumnType::Bool),
    ("int2", ColumnType::Int2),
    ("int4", ColumnType::Int4),
    ("int8", ColumnType::Int8),
    ("float4", ColumnType::Float4),
    ("float8", ColumnType::Float8),
    ("numeric", ColumnType::Numeric(None)),
    ("numeric(6,2)", ColumnType::Numeric(Some((6, 2)))),
    ("numeric(2,4)", ColumnType::Numeric(Some((2, 4)))),
    ("numeric(3,-2)", ColumnType::Numeric(Some((3, -2)))),
    ("text", ColumnType::Text(None)),
    ("varchar(3)", ColumnType::Text(Some(3))),
    ("char(3)", ColumnType::Text(Some(3))),
    ("date", ColumnType::Date),
    ("timestamp", ColumnType::Timestamp),
    ("timestamptz", ColumnType::TimestampTz),
    ("time", ColumnType::Time),
    ("timetz", ColumnType::TimeTz),
    ("uuid", ColumnType::Uuid),
    ("json", ColumnType::Json),
    ("jsonb", ColumnType::Jsonb),
    ("bytea", ColumnType::Bytea),
    ("date[]", ColumnType::Each(MomentType::Date)),
    ("timestamptz[]", ColumnType::Each(MomentType::TimestampTz)),
    ("time[]", ColumnType::Each(MomentType::Time)),
    ("timetz[]", ColumnType::Each(MomentType::TimeTz)),
    ("tsrange", ColumnType::Each(MomentType::Timestamp)),
    ("datemultirange", ColumnType::Each(MomentType::Date)),
];

/// Checks a text as a value of the type that the first byte chooses. With a database, the load and the server read
/// the same value from the text, or the load refuses a text with two meanings.
pub(crate) fn check(bytes: &[u8], database: Option<&mut Database>) {
    let Some((first, text)) = bytes.split_first() else { return };
    let (name, kind) = TYPES[usize::from(*first) % TYPES.len()];
    // The load refuses a record with other bytes before it reads the values.
    let Ok(text) = std::str::from_utf8(text) else { return };
    // A vertical tab is a blank only to PostgreSQL. A form feed at the edge of jsonb is a blank only to the load.
    if text.contains(['\0', '\u{b}', '\u{c}']) || text.trim_ascii().is_empty() {
        return;
    }
    let column = Column::of("v", name, kind);
    let rules = ColumnRules::default();
    let mut out = Vec::new();
    let plain = encode::plain(&column, &rules, text.as_bytes());
    // The binary form of some types is never used.
    let binary = match kind.needs_text() {
        true => plain.as_ref().map(drop).map_err(Clone::clone),
        false => encode::binary(&column, &rules, text.as_bytes(), &mut out),
    };
    assert_eq!(binary.as_ref().err(), plain.as_ref().err(), "{name} {text:?}");
    if let Err(reason) = &binary {
        assert!(reason.len() < 1000 && !reason.contains(char::is_control), "{reason:?}");
    }
    if binary.is_ok() && !kind.needs_text() {
        let (length, value) = out.split_at(4);
        assert_eq!(length, (value.len() as u32).to_be_bytes(), "{name} {text:?}");
    }
    let plain = plain.ok().map(|plain| String::from_utf8(plain.into_owned()).expect("texts of texts"));
    if let Some(plain) = &plain {
        let again = encode::plain(&column, &rules, plain.as_bytes());
        assert_eq!(again.as_deref(), Ok(plain.as_bytes()), "{name} {text:?}: its own text is read as it is");
    }
    let Some(database) = database else { return };
    // ISO 8601 also has a comma before the decimals of a second, which PostgreSQL does not read.
    let is_moment = column.kind.moments().is_some() && !matches!(column.kind, ColumnType::Each(_));
    let asked = if is_moment { text.replace(',', ".") } else { text.to_owned() };
    // The load leaves blanks around a value out, also where the server refuses them.
    let asked = if column.kind.keeps_spaces() { asked.as_str() } else { asked.trim_ascii() };
    let wanted = database.reading(name, asked);
    let Some(plain) = plain else {
        // The load refuses a zero with an exponent that no other number could have, and a number with blanks before its
        // exponent.
        let is_huge = text.rsplit(['e', 'E']).next().is_some_and(|exponent| {
            exponent.trim().len() > 4 || exponent.starts_with(|first: char| first.is_ascii_whitespace())
        });
        // Numbers in base 16, 8 and 2 are taken by some servers only, and by some types.
        let has_base = text.contains(['x', 'X', 'o', 'O', 'b', 'B', 'p', 'P']);
        let is_strict = column.kind.moments().is_some() || column.kind.is_number() && (is_huge || has_base);
        assert!(wanted.is_none() || is_strict, "{name} {text:?} is {wanted:?}, but refused: {binary:?}");
        return;
    };
    // The server does not read a time of more than a hundred bytes.
    if wanted.is_none() && column.kind.moments().is_some() && text.len() > 100 {
        return;
    }
    assert_eq!(database.reading(name, &plain), wanted, "{name} {text:?}, sent as {plain:?}");
    if !column.kind.needs_text() {
        assert_eq!(database.binary(name, &out[4..]), wanted, "{name} {text:?} in binary form");
    }
}
