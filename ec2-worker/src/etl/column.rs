//! The columns of a table.

use std::sync::Arc;

/// The most decimals of the seconds that PostgreSQL keeps.
pub const MOST_DECIMALS: usize = 6;

/// The type of a column, as far as checking and encoding need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`, with its precision and scale if they are declared.
    Numeric(Option<(i32, i32)>),
    /// `text`, `varchar(n)`, `char(n)`, and other types whose binary form is their text.
    Text(Option<usize>),
    /// An enumeration, and whether the empty text is one of its labels.
    Enum(bool),
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamp with time zone`.
    TimestampTz,
    /// `time`.
    Time,
    /// `time with time zone`.
    TimeTz,
    /// `uuid`.
    Uuid,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// An array, range or multirange of dates or times. Its values are sent as text.
    Each(MomentType),
    /// `money`. Its values are sent as text.
    Money,
    /// An interval, with the finest unit that the column keeps. Its values are sent as text.
    Interval(IntervalUnit),
    /// An array, a range or a multirange of numbers or of intervals. Its values are sent as text.
    Numbers,
    /// `"char"`: one byte. Its values are sent as text. The value says whether every letter is one byte in the encoding of the database.
    Byte(bool),
    /// `oid`, `xid` and their like: a whole number without a sign. Its values are sent as text.
    Id,
    /// A type without a binary encoder here. Its values are sent as text, and the database checks them.
    Other,
    /// As [`Self::Other`], but the empty text may be a value of the type.
    OtherText,
}

/// A unit of an interval, from coarse to fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntervalUnit {
    /// Years, and units of many years.
    Year,
    /// Months.
    Month,
    /// Days and weeks.
    Day,
    /// Hours.
    Hour,
    /// Minutes.
    Minute,
    /// Seconds and their parts.
    Second,
}

/// The types of dates and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MomentType {
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamp with time zone`.
    TimestampTz,
    /// `time`.
    Time,
    /// `time with time zone`.
    TimeTz,
}

/// A column that a load may fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The type, as PostgreSQL writes it.
    pub type_name: String,
    /// The type, as far as checking and encoding need it.
    pub kind: ColumnType,
    /// Whether the column refuses NULL.
    pub not_null: bool,
    /// Whether a file may lack the column, because it has a default or is an identity.
    pub has_default: bool,
    /// The declared decimals of the seconds of a date, a time or an interval, such as 0 for `timestamp(0)`.
    pub precision: Option<usize>,
    /// The type of the column of a table that these values fill, if it is another one, and values may change on the way there: the
    /// placeholder `?::numeric` may fill a column of whole numbers, and `?::timestamp` one of dates.
    pub stored_as: Option<ColumnType>,
    /// The types of the values inside a value of the column; `None` if there are none.
    pub inside: Option<Arc<Inside>>,
}

/// The values inside a value, as the text of the value shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inside {
    /// A single value. The column has its type.
    Value(Box<Column>),
    /// An array, and the character between its elements.
    Array(u8, Box<Inside>),
    /// A range.
    Range(Box<Inside>),
    /// A multirange of such ranges.
    Multirange(Box<Inside>),
    /// A composite value, with its fields in order.
    Composite(Vec<Inside>),
}

impl Column {
    /// Returns a column that may be NULL, has no default and holds no values inside others.
    #[must_use]
    pub fn of(name: impl Into<String>, type_name: impl Into<String>, kind: ColumnType) -> Self {
        Self {
            name: name.into(),
            type_name: type_name.into(),
            kind,
            not_null: false,
            has_default: false,
            precision: None,
            stored_as: None,
            inside: None,
        }
    }

    /// Returns a column of type text that may be NULL and has no default.
    #[must_use]
    pub fn of_text(name: impl Into<String>) -> Self {
        Self::of(name, "text", ColumnType::Text(None))
    }
}

impl ColumnType {
    /// Returns the column type for a type of PostgreSQL: from its name in `pg_type`, its `typtype`, whether it is in
    /// the schema `pg_catalog`, and its type modifier.
    #[must_use]
    pub fn of(name: &str, typtype: &str, built_in: bool, modifier: i32) -> Self {
        // The modifier of varchar and char is n + 4. The modifier of numeric is ((precision << 16) | scale) + 4, with a
        // signed scale of 11 bits.
        let length = usize::try_from(modifier - 4).ok().filter(|n| *n > 0);
        match name {
            _ if typtype == "e" => Self::Enum(false),
            "citext" => Self::Text(None),
            "_date" | "daterange" | "datemultirange" if built_in => Self::Each(MomentType::Date),
            "_timestamp" | "tsrange" | "tsmultirange" if built_in => Self::Each(MomentType::Timestamp),
            "_timestamptz" | "tstzrange" | "tstzmultirange" if built_in => {
                Self::Each(MomentType::TimestampTz)
            }
            "_time" if built_in => Self::Each(MomentType::Time),
            "_timetz" if built_in => Self::Each(MomentType::TimeTz),
            "money" if built_in => Self::Money,
            "interval" if built_in => Self::Interval(IntervalUnit::finest_of(modifier)),
            "_interval" | "_money" | "_numeric" | "_float4" | "_float8" | "_int2" | "_int4" | "_int8"
            | "numrange" | "nummultirange" | "int4range" | "int4multirange" | "int8range"
            | "int8multirange"
                if built_in =>
            {
                Self::Numbers
            }
            // The empty text may be a value of a type from an extension, such as hstore. It is not a value of these
            // types of PostGIS.
            "geometry" | "geography" | "raster" => Self::Other,
            _ if !built_in && typtype == "b" && !name.starts_with('_') => Self::OtherText,
            _ if !built_in || typtype != "b" => Self::Other,
            "bool" => Self::Bool,
            "int2" => Self::Int2,
            "int4" => Self::Int4,
            "int8" => Self::Int8,
            "float4" => Self::Float4,
            "float8" => Self::Float8,
            "numeric" if modifier >= 4 => {
                let packed = modifier - 4;
                Self::Numeric(Some(((packed >> 16) & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024)))
            }
            "numeric" => Self::Numeric(None),
            "text" => Self::Text(None),
            // PostgreSQL cuts a longer name in its text form, and refuses it in its binary form.
            "name" => Self::Text(Some(63)),
            // The binary form of xml follows the encoding that the text declares; the text form is UTF-8.
            "xml" | "tsvector" | "tsquery" | "varbit" | "int2vector" | "oidvector" | "refcursor" => {
                Self::OtherText
            }
            "char" => Self::Byte(false),
            "oid" | "xid" | "xid8" | "cid" => Self::Id,
            "varchar" | "bpchar" => Self::Text(length),
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "time" => Self::Time,
            "timetz" => Self::TimeTz,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            _ => Self::Other,
        }
    }

    /// Returns the type with more values, if `has_more` is true: with an empty label, or with letters beyond ASCII.
    #[must_use]
    pub fn with_more_values(self, has_more: bool) -> Self {
        match self {
            Self::Enum(_) => Self::Enum(has_more),
            Self::Byte(_) => Self::Byte(has_more),
            other => other,
        }
    }

    /// Returns whether spaces around a value are kept, because they are part of it or because the database decides.
    #[must_use]
    pub fn keeps_spaces(self) -> bool {
        matches!(
            self,
            Self::Text(_)
                | Self::Enum(_)
                | Self::Bytea
                | Self::Json
                | Self::Each(_)
                | Self::Interval(_)
                | Self::Numbers
                | Self::Byte(_)
                | Self::Other
                | Self::OtherText
        )
    }

    /// Returns whether the empty text can be a value of the type.
    #[must_use]
    pub fn has_empty_value(self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytea | Self::Enum(true) | Self::Byte(_) | Self::OtherText)
    }

    /// Returns whether the type has no binary encoder here, so that all rows are sent as text.
    #[must_use]
    pub fn needs_text(self) -> bool {
        matches!(
            self,
            Self::Each(_)
                | Self::Money
                | Self::Interval(_)
                | Self::Numbers
                | Self::Byte(_)
                | Self::Id
                | Self::Other
                | Self::OtherText
        )
    }

    /// Returns whether the values are numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8 | Self::Float4 | Self::Float8 | Self::Numeric(_))
    }

    /// Returns whether the values are numbers or contain numbers.
    #[must_use]
    pub fn has_numbers(self) -> bool {
        self.is_number() || matches!(self, Self::Money | Self::Interval(_) | Self::Numbers)
    }

    /// Returns the decimals of the seconds that a type keeps, from its type modifier; `None` if the type declares none.
    #[must_use]
    pub fn precision(self, modifier: i32) -> Option<usize> {
        // The fields of an interval stand above its precision, which is `0xffff` if none is declared.
        let is_interval = matches!(self, Self::Interval(_));
        let declared =
            usize::try_from(if is_interval && modifier >= 0 { modifier & 0xffff } else { modifier }).ok()?;
        let has_seconds = is_interval || self.moments().is_some_and(|moments| moments != MomentType::Date);
        (has_seconds && declared <= MOST_DECIMALS).then_some(declared)
    }

    /// Returns the type of the dates or times in a value, or `None` if values contain none.
    #[must_use]
    pub fn moments(self) -> Option<MomentType> {
        match self {
            Self::Date => Some(MomentType::Date),
            Self::Timestamp => Some(MomentType::Timestamp),
            Self::TimestampTz => Some(MomentType::TimestampTz),
            Self::Time => Some(MomentType::Time),
            Self::TimeTz => Some(MomentType::TimeTz),
            Self::Each(moments) => Some(moments),
            _ => None,
        }
    }
}

impl Inside {
    /// Returns whether `is_wanted` is true of a type of single values inside.
    #[must_use]
    pub fn any(&self, is_wanted: &dyn Fn(&Column) -> bool) -> bool {
        match self {
            Self::Value(column) => is_wanted(column),
            Self::Array(_, of) | Self::Range(of) | Self::Multirange(of) => of.any(is_wanted),
            Self::Composite(fields) => fields.iter().any(|field| field.any(is_wanted)),
        }
    }

    /// Returns whether a value inside is a number or contains one.
    #[must_use]
    pub fn has_numbers(&self) -> bool {
        self.any(&|column| column.kind.has_numbers())
    }
}

impl IntervalUnit {
    /// Returns the finest unit that a column keeps, from its type modifier. PostgreSQL drops all finer ones, and keeps the coarser
    /// ones, whatever the type says about them.
    #[must_use]
    pub fn finest_of(modifier: i32) -> Self {
        // The bits of the fields stand above 16 bits of the precision, at the places of PostgreSQL's `datetime.h`.
        let fields = [
            (12, Self::Second),
            (11, Self::Minute),
            (10, Self::Hour),
            (3, Self::Day),
            (1, Self::Month),
            (2, Self::Year),
        ];
        let has = |bit: i32| modifier >= 0 && (modifier >> 16) & (1 << bit) != 0;
        fields.into_iter().find_map(|(bit, unit)| has(bit).then_some(unit)).unwrap_or(Self::Second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_modifiers_give_lengths_precision_and_scale() {
        assert_eq!(ColumnType::of("varchar", "b", true, 24), ColumnType::Text(Some(20)));
        assert_eq!(
            ColumnType::of("numeric", "b", true, ((10 << 16) | 2) + 4),
            ColumnType::Numeric(Some((10, 2)))
        );
        assert_eq!(ColumnType::of("numeric", "b", true, -1), ColumnType::Numeric(None));
        assert_eq!(ColumnType::of("_int4", "b", true, -1), ColumnType::Numbers);
        assert_eq!(ColumnType::of("int8multirange", "m", true, -1), ColumnType::Numbers);
        assert_eq!(ColumnType::of("_uuid", "b", true, -1), ColumnType::Other);
        assert_eq!(ColumnType::of("tsrange", "r", true, -1), ColumnType::Each(MomentType::Timestamp));
        assert_eq!(ColumnType::of("mood", "e", false, -1), ColumnType::Enum(false));
        assert_eq!(ColumnType::of("timestamp", "b", true, 0).precision(0), Some(0));
        assert_eq!(ColumnType::of("date", "b", true, -1).precision(-1), None);
        // As the server gives them for interval(0), interval second(3), interval day and interval.
        for (modifier, wanted) in
            [(2_147_418_112, Some(0)), (268_435_459, Some(3)), (589_823, None), (-1, None)]
        {
            assert_eq!(
                ColumnType::of("interval", "b", true, modifier).precision(modifier),
                wanted,
                "{modifier}"
            );
        }
    }
}
