//! Collects problems, each once.

use foldhash::{HashMap, HashSet};

use super::{Problem, Report, hints::Hints};
use crate::{Definition, FieldKey, ObjectId};

/// Messages quote what they found, and that may be long; a `validationMessage` holds 10,000.
const MAX_CHARACTERS: usize = 1_000;

#[derive(Default)]
pub(super) struct Findings {
    /// What else may have been meant.
    pub(super) hints: Hints,
    report: Report,
    /// An inherited field is met once per heir; its problem is told once.
    reported: HashSet<(ObjectId, Option<FieldKey>, String)>,
    /// Where in a field the checks are.
    value: usize,
    offset: Option<usize>,
}

impl Findings {
    /// Says what is looked at from here on: the value of that number, at a byte of its text.
    pub(super) fn set_position(&mut self, value: usize, offset: Option<usize>) {
        (self.value, self.offset) = (value, offset);
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.report.errors.is_empty()
    }

    /// Says that no value of a field is looked at any more.
    pub(super) fn clear_position(&mut self) {
        self.set_position(0, None);
    }

    pub(super) fn error(
        &mut self,
        object: &ObjectId,
        field: Option<&str>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        if let Some(problem) = self.problem(object, field, code, message.into(), false) {
            self.report.errors.push(problem);
        }
    }

    pub(super) fn fatal(
        &mut self,
        object: &ObjectId,
        field: Option<&str>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        if let Some(problem) = self.problem(object, field, code, message.into(), true) {
            self.report.errors.push(problem);
        }
    }

    pub(super) fn warning(
        &mut self,
        object: &ObjectId,
        field: Option<&str>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        if let Some(problem) = self.problem(object, field, code, message.into(), false) {
            self.report.warnings.push(problem);
        }
    }

    fn problem(
        &mut self,
        object: &ObjectId,
        field: Option<&str>,
        code: &'static str,
        message: String,
        fatal: bool,
    ) -> Option<Problem> {
        let field = field.map(FieldKey::from);
        let end =
            (message.len() > MAX_CHARACTERS).then(|| message.char_indices().nth(MAX_CHARACTERS)).flatten();
        let message = match end {
            Some((end, _)) => format!("{}...", &message[..end]),
            None => message,
        };
        let is_new = self.reported.insert((object.clone(), field.clone(), message.clone()));
        let (value, offset) = (self.value, self.offset);
        is_new.then(|| Problem { object: object.clone(), field, code, message, fatal, value, offset })
    }

    /// Everything found, by object in the definition's order; parameters come last.
    pub(super) fn report(mut self, definition: &Definition) -> Report {
        if self.reported.is_empty() {
            return self.report;
        }
        // Of two objects with one id, the first one.
        let objects = definition.objects.iter().enumerate().rev();
        let order: HashMap<_, _> = objects.map(|(at, object)| (&object.id, at)).collect();
        let position = |problem: &Problem| order.get(&problem.object).copied().unwrap_or(usize::MAX);
        self.report.errors.sort_by_key(position);
        self.report.warnings.sort_by_key(position);
        self.report
    }
}
