//! Answers as they go out; an absent member is left out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::object::{WireField, WireObject, WireParameter, WireTag, WireValue};

macro_rules! responses {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $member:ident: $kind:ty),* $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Serialize)]
            #[serde(rename_all = "camelCase")]
            pub struct $name {
                $($(#[$attribute])* pub $member: $kind,)*
            }
        )+
    };
}

responses! {
    /// CreatePipeline.
    Created { pipeline_id: String }
    /// PutPipelineDefinition and ValidatePipelineDefinition: both lists are always there, clients iterate them.
    Validated { validation_errors: Vec<Errors>, validation_warnings: Vec<Warnings>, errored: bool }
    /// `ValidationError`.
    Errors { id: String, errors: Vec<String> }
    /// `ValidationWarning`.
    Warnings { id: String, warnings: Vec<String> }
    /// GetPipelineDefinition. A pipeline without one answers with `pipelineObjects` alone.
    Definition {
        pipeline_objects: Vec<WireObject>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parameter_objects: Option<Vec<WireParameter>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parameter_values: Option<Vec<WireValue>>,
    }
    /// ListPipelines.
    Listed {
        pipeline_id_list: Vec<IdName>,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
        has_more_results: bool,
    }
    /// `PipelineIdName`.
    IdName { id: String, name: String }
    /// DescribePipelines.
    Described { pipeline_description_list: Vec<Description> }
    /// `PipelineDescription`.
    Description {
        pipeline_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        fields: Vec<WireField>,
        tags: Vec<WireTag>,
    }
    /// DescribeObjects.
    Objects {
        pipeline_objects: Vec<WireObject>,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
        has_more_results: bool,
    }
    /// QueryObjects.
    Ids {
        ids: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
        has_more_results: bool,
    }
    /// EvaluateExpression.
    Evaluated { evaluated_expression: String }
    /// PollForTask: `{}` when nothing was ready.
    Polled {
        #[serde(skip_serializing_if = "Option::is_none")]
        task_object: Option<TaskObject>,
    }
    /// `TaskObject`.
    TaskObject { task_id: String, pipeline_id: String, attempt_id: String, objects: BTreeMap<String, WireObject> }
    /// ReportTaskProgress.
    Progressed { canceled: bool }
    /// ReportTaskRunnerHeartbeat.
    Beaten { terminate: bool }
    /// An empty structure.
    Empty {}
}
