//! Columns whose values PostgreSQL writes with the brackets of JSON: the range `[1,5]` looks like an array of JSON, and the empty
//! array `{}` like an object.

use super::super::column::{Column, Inside};
use super::super::header;

/// The columns to which a nested value of JSON must not go, because PostgreSQL would read its text as another value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Literals {
    /// The columns of a table, which the keys name.
    named: Vec<(String, Literal)>,
    /// The placeholders of a statement, in the order of the keys.
    placed: Vec<Option<Literal>>,
}

/// The form of the values of such a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// An array or a multirange, in braces.
    Braces,
    /// A range, which may be in square brackets.
    Brackets,
}

impl Literals {
    /// Returns the columns of a table.
    #[must_use]
    pub fn named(columns: &[Column]) -> Self {
        let named = columns.iter().filter_map(|column| Some((column.name.clone(), Literal::of(column)?)));
        Self { named: named.collect(), placed: Vec::new() }
    }

    /// Returns the placeholders of a statement.
    #[must_use]
    pub fn placed(columns: &[Column]) -> Self {
        Self { named: Vec::new(), placed: columns.iter().map(Literal::of).collect() }
    }

    /// Returns the form of the column for each key of a header.
    #[must_use]
    pub fn of_keys(&self, keys: &[String]) -> Vec<Option<Literal>> {
        let of = |(place, key): (usize, &String)| {
            let mut named = self.named.iter();
            let named = named.find(|(name, _)| header::has_alike(std::slice::from_ref(name), key));
            named.map(|(_, literal)| *literal).or_else(|| self.placed.get(place).copied().flatten())
        };
        keys.iter().enumerate().map(of).collect()
    }
}

impl Literal {
    fn of(column: &Column) -> Option<Self> {
        match column.inside.as_deref()? {
            Inside::Array(..) | Inside::Multirange(_) => Some(Self::Braces),
            Inside::Range(_) => Some(Self::Brackets),
            Inside::Composite(_) | Inside::Value(_) => None,
        }
    }

    /// Returns whether the text of a nested value of JSON may be read as a value of the column.
    #[must_use]
    pub fn is_alike(self, value: &[u8]) -> bool {
        value.first() == Some(if self == Self::Braces { &b'{' } else { &b'[' })
    }

    /// Returns the reason why the value of `key` is refused, if it is nested and may be read as a value of the column.
    #[must_use]
    pub fn refusal(self, key: &str, value: &str) -> Option<String> {
        let why = match self {
            Self::Braces => {
                "an object of JSON, and no array; write a string with the array as PostgreSQL writes it, such as \"{1,2}\", or give the \
                 column the type jsonb"
            }
            Self::Brackets => {
                "an array of JSON, and no range; write a string with the range as PostgreSQL writes it, such as \"[1,5)\", or give the \
                 column the type jsonb"
            }
        };
        self.is_alike(value.as_bytes()).then(|| format!("the value of `{key}` is {why}"))
    }
}
