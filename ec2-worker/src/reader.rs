//! Reads the fields of a task into typed values. Every error names the object and the field.

use std::collections::HashMap;

use definition::kind::field::FieldError;
use definition::{FieldValue, PipelineObject};

use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::storage::S3Uri;

/// Reads the objects of one task.
pub struct Reader<'a> {
    objects: &'a HashMap<String, PipelineObject>,
    attempt: &'a PipelineObject,
    key: WorkKey,
    log_folder: Option<S3Uri>,
}

/// A script: its text, or the object in S3 that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// The text itself.
    Inline(String),
    /// An object in S3.
    At(S3Uri),
}

impl<'a> Reader<'a> {
    /// Returns a reader for `attempt`, which is one of `objects`, in the pipeline with the id `pipeline`.
    ///
    /// # Errors
    ///
    /// If `pipelineLogUri` is not an S3 URI.
    pub fn new(
        objects: &'a HashMap<String, PipelineObject>,
        attempt: &'a PipelineObject,
        pipeline: &str,
    ) -> Result<Self, Failure> {
        let instance = text_or_reference(attempt, "@instanceParent").unwrap_or_else(|| attempt.id.as_str());
        let generation = attempt.string("@generation").and_then(|text| text.parse().ok()).unwrap_or(0);
        let key = WorkKey { pipeline: pipeline.to_owned(), instance: instance.to_owned(), generation };
        let mut reader = Self { objects, attempt, key, log_folder: None };
        let root = reader.s3("pipelineLogUri", attempt)?;
        let component = reader.component();
        reader.log_folder = root.map(|root| root.child(&format!("{pipeline}/{component}/{instance}")));
        Ok(reader)
    }

    /// Returns the attempt, with the fields of its activity.
    #[must_use]
    pub fn attempt(&self) -> &'a PipelineObject {
        self.attempt
    }

    /// Returns the identity of the work over all its attempts.
    #[must_use]
    pub fn key(&self) -> &WorkKey {
        &self.key
    }

    /// Returns the id of the run: the id of the pipeline and the start of the interval. A pipeline that is activated again has
    /// another run.
    #[must_use]
    pub fn run(&self) -> String {
        let start = self.attempt.string("@scheduledStartTime").unwrap_or_default();
        let digits: String = start.chars().filter(char::is_ascii_digit).collect();
        format!("{}_{digits}", self.key.pipeline)
    }

    /// Returns the id of the component: the object in the definition whose work the attempt does.
    #[must_use]
    pub fn component(&self) -> &str {
        text_or_reference(self.attempt, "@componentParent").unwrap_or(&self.key.instance)
    }

    /// Returns the folder for the logs of the instance, or `None` if the object has no `pipelineLogUri`.
    #[must_use]
    pub fn log_folder(&self) -> Option<&S3Uri> {
        self.log_folder.as_ref()
    }

    /// Returns the script in the field `inline`, or in the object that `scriptUri` names.
    ///
    /// # Errors
    ///
    /// If the attempt has neither field, or if the text of `scriptUri` is not an S3 URI.
    pub fn script(&self, inline: &str) -> Result<Script, Failure> {
        if let Some(text) = self.attempt.string(inline) {
            return Ok(Script::Inline(text.to_owned()));
        }
        let missing = || problem(self.attempt, inline, "is missing; give it, or `scriptUri`");
        self.s3("scriptUri", self.attempt)?.map(Script::At).ok_or_else(missing)
    }

    /// Returns the objects that a field of the attempt refers to.
    ///
    /// # Errors
    ///
    /// If one of these objects is not in the task.
    pub fn referred(&self, key: &str) -> Result<Vec<&'a PipelineObject>, Failure> {
        self.attempt.references(key).map(|id| self.object(self.attempt, key, id.as_str())).collect()
    }

    /// Returns the object `id`, which the field `key` of `from` refers to.
    ///
    /// # Errors
    ///
    /// If the object is not in the task.
    pub fn object(&self, from: &PipelineObject, key: &str, id: &str) -> Result<&'a PipelineObject, Failure> {
        self.objects.get(id).ok_or_else(|| not_in_task(from, key, id))
    }

    /// Returns the object `id`, or `None` if the object is not in the task.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&'a PipelineObject> {
        self.objects.get(id)
    }

    /// Returns the S3 URI in the field `key` of `object`, or `None` if the object lacks the field.
    ///
    /// # Errors
    ///
    /// If the text in the field is not an S3 URI.
    pub fn s3(&self, key: &str, object: &PipelineObject) -> Result<Option<S3Uri>, Failure> {
        let Some(text) = object.string(key) else { return Ok(None) };
        let unreadable = || problem(object, key, &format!("is `{text}`; give a URI as s3://bucket/key"));
        S3Uri::parse(text).map(Some).ok_or_else(unreadable)
    }
}

/// Returns the id of the component of an object: the id in the definition. Messages name the component, because people
/// do not know the ids of its instances and attempts.
#[must_use]
pub fn component(object: &PipelineObject) -> &str {
    text_or_reference(object, "@componentParent").unwrap_or_else(|| object.id.as_str())
}

/// Returns the failure of a field that cannot be used. `what` completes the sentence "object …, field …", such as `is
/// missing`.
#[must_use]
pub fn problem(object: &PipelineObject, field: &str, what: &str) -> Failure {
    let id = component(object);
    Failure::bad_input("Definition", format!("object `{id}`, field `{field}` {what}"))
}

/// Returns the failure of a field whose text the rules of the crate `definition` refuse.
#[must_use]
pub fn refused(object: &PipelineObject, error: FieldError) -> Failure {
    let error = FieldError { object: component(object).into(), ..error };
    Failure::bad_input("Definition", error.to_string())
}

pub(crate) fn not_in_task(from: &PipelineObject, key: &str, id: &str) -> Failure {
    problem(from, key, &format!("refers to `{id}`, which the task does not contain"))
}

fn text_or_reference<'a>(object: &'a PipelineObject, key: &'a str) -> Option<&'a str> {
    object.values(key).next().map(|value| match value {
        FieldValue::String(text) => text.as_str(),
        FieldValue::Ref(id) => id.as_str(),
    })
}
