//! Limits the work of evaluations. Without a limit, the work for texts that use other texts, and for lists
//! that multiply each other, could grow without end.

use std::cell::Cell;

use super::{EvaluateError, Value};

/// The total work of a budget, in units of work. Reading one byte of an expression's text takes one unit.
/// Ordinary texts need far less than the total, and a computer does all of it in a moment.
const TOTAL: usize = 16_000_000;
/// The work of one step. An operator or an element of a list costs one step; a name costs several.
const STEP: usize = 8;
/// The number of bytes that can be copied for one unit of work.
const BYTES: usize = 8;

/// The remaining work of evaluations that belong together.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: Cell::new(TOTAL) }
    }
}

impl Budget {
    /// Returns a full budget.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the budget full again.
    pub fn refill(&self) {
        self.left.set(TOTAL);
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

    /// Spends the work of copying `value` or of listing its elements.
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
        // A request beyond the budget uses it up, so later requests are refused, too.
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(EvaluateError::TooLong)
    }
}
