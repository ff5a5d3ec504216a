//! How much work evaluations may do: texts that use texts, and lists that multiply, grow without bound.

use std::cell::Cell;

use super::{EvaluateError, Value};

/// Many times what the longest text takes, and done in a moment.
const MOST: usize = 16_000_000;
/// What looking at one name, operator or element costs.
const STEP: usize = 8;
/// So many bytes are copied for what a unit of work costs.
const BYTES: usize = 8;

/// The work that is left to evaluations which belong together.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Cell::new(MOST) }
    }
}

impl Budget {
    /// Returns the budget of one evaluation.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it a new one.
    pub fn refill(&self) {
        self.left.set(MOST);
    }

    pub(super) fn read(&self, text: &str) -> Result<(), EvaluateError> {
        self.spend(text.len())
    }

    pub(super) fn steps(&self, number: usize) -> Result<(), EvaluateError> {
        self.spend(number.saturating_mul(STEP))
    }

    pub(super) fn bytes(&self, number: usize) -> Result<(), EvaluateError> {
        self.spend(number / BYTES)
    }

    /// The work of taking `value` apart or copying it.
    pub(super) fn value(&self, value: &Value) -> Result<(), EvaluateError> {
        match value {
            Value::String(text) => self.bytes(text.len()),
            Value::Reference(target) => self.bytes(target.as_str().len()),
            Value::List(items) => {
                self.steps(items.len())?;
                items.iter().try_for_each(|item| self.value(item))
            }
            Value::Integer(_) | Value::Double(_) | Value::DateTime(_) => Ok(()),
        }
    }

    fn spend(&self, work: usize) -> Result<(), EvaluateError> {
        let left = self.left.get().checked_sub(work);
        // What cannot be paid uses everything up: whatever asks next is refused as well.
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(EvaluateError::TooLong)
    }
}
