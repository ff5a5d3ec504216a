//! The columns of a table.

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
    /// `text`, `varchar(n)`, `char(n)`, enumerations, and other types whose binary form is their text.
    Text(Option<usize>),
    /// `date`.
    Date,
    /// `timestamp`.
    Timestamp,
    /// `timestamp with time zone`.
    TimestampTz,
    /// `time`.
    Time,
    /// `uuid`.
    Uuid,
    /// `json`.
    Json,
    /// `jsonb`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// A type without a binary encoder here. Its values are sent as text, and the database checks them.
    Other,
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
}

impl ColumnType {
    /// Returns the kind of a type from its name in `pg_type`, its `typtype`, whether it is in the schema `pg_catalog`,
    /// and its type modifier.
    #[must_use]
    pub fn of(name: &str, typtype: &str, built_in: bool, modifier: i32) -> Self {
        // The modifier of varchar and char is n + 4. The modifier of numeric is ((precision << 16) | scale) + 4, with a
        // signed scale of 11 bits.
        let length = usize::try_from(modifier - 4).ok().filter(|n| *n > 0);
        match name {
            _ if typtype == "e" => Self::Text(None),
            "citext" => Self::Text(None),
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
            "text" | "xml" | "name" => Self::Text(None),
            "varchar" | "bpchar" => Self::Text(length),
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::TimestampTz,
            "time" => Self::Time,
            "uuid" => Self::Uuid,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "bytea" => Self::Bytea,
            _ => Self::Other,
        }
    }

    /// Returns whether spaces around a value are part of it.
    #[must_use]
    pub fn keeps_spaces(self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytea | Self::Other)
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
        assert_eq!(ColumnType::of("_int4", "b", true, -1), ColumnType::Other);
        assert_eq!(ColumnType::of("mood", "e", false, -1), ColumnType::Text(None));
    }
}
