//! Values that expressions compute with.

use jiff::Zoned;

use crate::ObjectId;

/// A value in an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text; converted where a number or a time is needed and it looks like one.
    String(String),
    /// A time in its zone; UTC unless moved.
    DateTime(Zoned),
    /// Several values: a repeated field or an array parameter.
    List(Vec<Value>),
    /// A reference field; as text it is the id.
    Reference(ObjectId),
}
