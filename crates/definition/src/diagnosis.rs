//! Everything that is wrong with a definition file, each with its position in the file.
//!
//! The findings come from the file form, from validation and from the trigger. The findings are in the order
//! of the file.

use std::collections::HashSet;

use crate::file::{FileError, Part, Source, SourceIndex, Span, Unread};
use crate::kind::field::FieldError;
use crate::parameters::replace_values;
use crate::publication;
use crate::trigger::{Review, Trigger};
use crate::validate::{self, Problem, Report};
use crate::{Definition, FieldKey, ObjectId, ParameterValue};

pub use crate::parameters::override_values;

/// Values that are known in addition to the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutsideValues<'a> {
    /// Values that replace the file's own, for parameters that the file declares.
    pub values: &'a [ParameterValue],
    /// Values that replace all others, whether or not the file declares the parameter.
    pub settings: &'a [ParameterValue],
    /// Parameters that get their value later, before a run. An example is `myDropKeys`.
    pub filled: &'a [&'a str],
}

/// A problem with its position in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the definition cannot run because of the finding.
    pub is_error: bool,
    /// The part of the file that the finding is about. A limit on the whole definition, for example, has
    /// none.
    pub span: Option<Span>,
    /// The object or the parameter that the finding is about.
    pub object: Option<ObjectId>,
    /// The field that the finding is about.
    pub field: Option<FieldKey>,
    /// A code for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// A definition, and everything that is wrong with its file.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// The definition with the values from outside. If there are errors, it holds the readable part of the
    /// file.
    pub definition: Definition,
    /// The trigger, if the definition has a usable trigger.
    pub trigger: Option<Trigger>,
    /// The findings, in the order of the file.
    pub findings: Vec<Finding>,
}

impl Diagnosis {
    /// Returns the findings that prevent the definition from running.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_error)
    }

    /// Makes an error of each parameter without a value if every drop would fail for lack of the value. Before a drop, the
    /// definition gets no other values than those that it has now and those that a drop fills in.
    pub fn require_values(&mut self) {
        if self.trigger.is_none() {
            return;
        }
        let problems = validate::for_activation(&self.definition).errors;
        let missing = problems.iter().filter(|problem| problem.code == validate::MISSING_VALUE);
        let missing: HashSet<&ObjectId> = missing.map(|problem| &problem.object).collect();
        for finding in &mut self.findings {
            let is_missing = finding.object.as_ref().is_some_and(|object| missing.contains(object));
            if finding.code == validate::MISSING_VALUE && is_missing {
                finding.is_error = true;
                finding.message.push_str("; without it, the run of every drop fails");
            }
        }
    }

    /// Adds problems that other programs than validation found in the definition. `text` is the text of the file.
    pub fn add(&mut self, text: &str, problems: Vec<Problem>, is_error: bool) {
        let Ok(source) = Source::read(text) else { return };
        let index = source.index();
        self.findings.extend(problems.into_iter().map(|problem| of_problem(problem, is_error, &index)));
        self.findings.sort_by_key(|finding| finding.span);
    }
}

/// Reads the text of a definition file, and gives the definition the values `beside` the file. Returns the
/// definition and everything that is wrong with the file.
#[must_use]
pub fn diagnose(text: &str, beside: OutsideValues<'_>) -> Diagnosis {
    let source = match Source::read(text) {
        Ok(source) => source,
        Err(error) => return Diagnosis { findings: vec![of_file(error, true)], ..Diagnosis::default() },
    };
    let (mut definition, errors, unread) = source.translate_and_note();
    let has_errors = !errors.is_empty();
    let index = source.index();
    let mut findings: Vec<Finding> = errors.into_iter().map(|error| of_file(error, true)).collect();
    findings.extend(source.remarks().into_iter().map(|error| of_file(error, false)));
    override_values(&mut definition, beside.values);
    replace_values(&mut definition, beside.settings.to_vec());
    publication::complete(&mut definition);
    let Report { mut errors, mut warnings } = validate::validate(&definition);
    if has_errors {
        errors.retain(|problem| !is_consequence(problem, &unread));
        warnings.retain(|problem| !is_consequence(problem, &unread));
    }
    let trigger = Trigger::of(&definition);
    // If the trigger is not usable, it is unknown which parameters get a value later. So missing values are not
    // reported.
    warnings.retain(|problem| problem.code != validate::MISSING_VALUE || trigger.is_ok());
    let filled = filled(trigger.as_ref().ok().and_then(Option::as_ref), beside.filled);
    warnings.retain(|problem| {
        problem.code != validate::MISSING_VALUE || !filled.contains(problem.object.as_str())
    });
    findings.extend(errors.into_iter().map(|problem| of_problem(problem, true, &index)));
    findings.extend(warnings.into_iter().map(|problem| of_problem(problem, false, &index)));
    let trigger = match trigger {
        Ok(trigger) => {
            let Review { errors, warnings } =
                trigger.as_ref().map(|trigger| trigger.review(&definition)).unwrap_or_default();
            findings.extend(errors.into_iter().map(|problem| of_problem(problem, true, &index)));
            findings.extend(warnings.into_iter().map(|problem| of_problem(problem, false, &index)));
            trigger
        }
        Err(error) => {
            let finding = of_trigger(error, &index);
            // The check of the fields may have reported the same problem.
            if !findings.iter().any(|other| other.is_error && other.field == finding.field) {
                findings.push(finding);
            }
            None
        }
    };
    findings.sort_by_key(|finding| finding.span);
    Diagnosis { definition, trigger, findings }
}

/// Returns whether validation would probably not find the problem if the parts in `unread` could be read.
fn is_consequence(problem: &Problem, unread: &Unread) -> bool {
    let is_about_unread_field =
        || unread.fields.iter().any(|key| problem.message.contains(&format!("'{key}'")));
    unread.is_without_objects
        || match problem.code {
            validate::UNUSED => true,
            validate::DANGLING => unread.has_unread_objects,
            validate::MISSING_FIELD => is_about_unread_field(),
            validate::UNKNOWN_PARAMETER => unread.has_unread_parameters,
            validate::MISSING_VALUE => unread.has_unread_values,
            _ => false,
        }
}

/// Returns the parameters that get their value when a drop starts the pipeline, so that the file does not have
/// to contain the value. Without a trigger, there are none.
fn filled(trigger: Option<&Trigger>, beside: &[&str]) -> HashSet<String> {
    let Some(trigger) = trigger else { return HashSet::new() };
    let mut filled: HashSet<String> = beside.iter().map(|id| (*id).to_owned()).collect();
    filled.extend(trigger.parameters());
    filled
}

/// Returns an error of the file form, or a remark about it, as a finding.
#[must_use]
pub fn of_file(error: FileError, is_error: bool) -> Finding {
    let FileError { span, message } = error;
    Finding { is_error, span: Some(span), object: None, field: None, code: "MALFORMED_FILE", message }
}

fn of_problem(problem: Problem, is_error: bool, index: &SourceIndex<'_>) -> Finding {
    let span = span_of(&problem, index);
    let Problem { object, field, code, message, .. } = problem;
    Finding { is_error, span, object: Some(object), field, code, message }
}

fn span_of(problem: &Problem, index: &SourceIndex<'_>) -> Option<Span> {
    let (id, field) = (problem.object.as_str(), problem.field.as_ref().map(FieldKey::as_str));
    let part = match problem.code {
        validate::DUPLICATE_ID => return index.again(id).or_else(|| index.find(id, field, Part::Key)),
        validate::INVALID_VALUE => return index.value(id).or_else(|| index.find(id, field, Part::Key)),
        code if validate::ABOUT_THE_KEY.contains(&code) => Part::Key,
        _ => match (problem.value, problem.offset) {
            (value, Some(offset)) => Part::Text(value, offset),
            (value, None) => Part::Value(value),
        },
    };
    index.find(id, field, part)
}

/// Returns an error of the trigger as a finding. AWS has no triggers, so validation does not check them.
fn of_trigger(error: FieldError, index: &SourceIndex<'_>) -> Finding {
    let FieldError { object, field, reason } = error;
    Finding {
        is_error: true,
        span: index.find(object.as_str(), Some(field), Part::Value(0)),
        object: Some(object),
        field: Some(field.into()),
        code: "INVALID_TRIGGER",
        message: reason,
    }
}
