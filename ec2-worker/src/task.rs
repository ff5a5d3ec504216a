//! A task of the service, read into an activity that can run.

use std::collections::HashMap;

use aws_sdk_datapipeline::types::TaskObject;
use definition::{Field, ObjectId, PipelineObject};

use crate::activity::{Activities, Run};
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::rds::RdsInstances;
use crate::reader::Reader;
use crate::storage::S3Uri;

/// One attempt, as a worker sees it.
pub(crate) struct Task {
    /// The identity of the work over all its attempts.
    pub(crate) key: WorkKey,
    /// The id of the object in the definition.
    pub(crate) component: String,
    /// The folder for the logs of this attempt.
    pub(crate) logs: Option<S3Uri>,
    /// The work.
    pub(crate) activity: Box<dyn Run>,
}

impl Task {
    /// Reads `objects`, which the service handed out as `wire`, and which now have the passwords of secrets.
    ///
    /// # Errors
    ///
    /// If the object of the attempt is missing, or if the worker cannot use a field of an object. The message then
    /// names the object and the field.
    pub(crate) fn read(
        wire: &TaskObject,
        objects: &HashMap<String, PipelineObject>,
        activities: &Activities,
        rds: &RdsInstances,
    ) -> Result<Self, Failure> {
        let attempt_id = wire.attempt_id().unwrap_or_default();
        let objects = rds.located(objects);
        let attempt = objects.get(attempt_id).ok_or_else(|| {
            let message = format!("the task has no object for its attempt `{attempt_id}`");
            Failure::bad_input("Definition", message)
        })?;
        let reader = Reader::new(&objects, attempt, wire.pipeline_id().unwrap_or_default())?;
        let activity = activities.read(&reader)?;
        let logs = reader.log_folder().map(|folder| folder.child(attempt_id));
        Ok(Self { key: reader.key().clone(), component: reader.component().to_owned(), logs, activity })
    }
}

/// Returns the objects of a task.
pub(crate) fn objects(wire: &TaskObject) -> HashMap<String, PipelineObject> {
    let objects = wire.objects().into_iter().flatten().map(|(id, object)| {
        let fields = object.fields().iter().map(|field| match field.ref_value() {
            Some(target) => Field::reference(field.key(), target),
            None => Field::string(field.key(), field.string_value().unwrap_or_default()),
        });
        let fields = fields.collect();
        let object =
            PipelineObject { id: ObjectId::from(object.id()), name: object.name().to_owned(), fields };
        (id.clone(), object)
    });
    objects.collect()
}
