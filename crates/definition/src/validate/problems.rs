//! Collects problems and drops duplicates.

use foldhash::{HashMap, HashSet};

use super::{Problem, Report, hints::Hints};
use crate::{Definition, FieldKey, ObjectId};

/// The maximum length of a message, which may quote a long text. AWS allows 10,000 characters in a
/// `validationMessage`.
const MAX_CHARACTERS: usize = 1_000;

#[derive(Default)]
pub(super) struct Problems {
    /// Suggests words that may have been meant.
    pub(super) hints: Hints,
    report: Report,
    /// The problems so far, so that each is reported once. The check of every object that inherits a wrong field finds the
    /// same problem, at the object that states the field.
    reported: HashSet<(ObjectId, Option<FieldKey>, String)>,
    /// The parameters that were reported as undeclared. One declaration mends all their uses, so each is reported once.
    undeclared: HashSet<String>,
    /// The position of the next problem: the index of the value, and the byte offset in its text.
    value: usize,
    offset: Option<usize>,
}

impl Problems {
    /// Sets the position of the problems that follow: the index of the value, and the byte offset in its
    /// text.
    pub(super) fn set_position(&mut self, value: usize, offset: Option<usize>) {
        (self.value, self.offset) = (value, offset);
    }

    /// Returns whether the undeclared parameter `id` was not reported before, and records it as reported.
    pub(super) fn is_first_use(&mut self, id: &str) -> bool {
        self.undeclared.insert(id.to_owned())
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.report.errors.is_empty()
    }

    /// Makes the problems that follow refer to a whole field.
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

    /// Adds a fatal error: the definition cannot be stored.
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

    /// Returns the problem with a message of limited length, or `None` if it was reported before.
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

    /// Returns all problems in the order of the definition's objects. Problems of parameters come last.
    pub(super) fn report(mut self, definition: &Definition) -> Report {
        if self.reported.is_empty() {
            return self.report;
        }
        // If an id appears twice, the first object is used.
        let objects = definition.objects.iter().enumerate().rev();
        let order: HashMap<_, _> = objects.map(|(at, object)| (&object.id, at)).collect();
        let position = |problem: &Problem| order.get(&problem.object).copied().unwrap_or(usize::MAX);
        self.report.errors.sort_by_key(position);
        self.report.warnings.sort_by_key(position);
        self.report
    }
}
