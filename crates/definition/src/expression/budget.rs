//! Limits the work of evaluations. Without a limit, a short definition could cause nearly endless work: one
//! field can use another field several times, and an operator between two lists combines each pair of their elements.

use std::cell::Cell;

use super::{EvaluateError, Value};

/// The total work of a budget, in units. Parsing a text with expressions costs one unit for each byte of the text.
/// Ordinary texts need far less than the total. The total takes less than a second.
const TOTAL: usize = 16_000_000;
/// The units of work that one step costs. An operator or an element of a list costs one step; a name costs several.
const UNITS_PER_STEP: usize = 8;
/// The number of bytes that can be copied for one unit of work.
const BYTES_PER_UNIT: usize = 8;

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

    /// Spends the work of parsing `text`.
    pub(super) fn spend_parse(&self, text: &str) -> Result<(), EvaluateError> {
        self.spend(text.len())
    }

    /// Spends the work of `number` steps.
    pub(super) fn spend_steps(&self, number: usize) -> Result<(), EvaluateError> {
        self.spend(number.saturating_mul(UNITS_PER_STEP))
    }

    /// Spends the work of copying `number` bytes.
    pub(super) fn spend_bytes(&self, number: usize) -> Result<(), EvaluateError> {
        self.spend(number / BYTES_PER_UNIT)
    }

    /// Spends the work of copying `value`. Each element of a list costs one step, in addition to its own copy.
    pub(super) fn spend_value(&self, value: &Value) -> Result<(), EvaluateError> {
        match value {
            Value::String(text) => self.spend_bytes(text.len()),
            Value::Reference(target) => self.spend_bytes(target.as_str().len()),
            Value::List(items) => {
                self.spend_steps(items.len())?;
                items.iter().try_for_each(|item| self.spend_value(item))
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
