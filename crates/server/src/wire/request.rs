//! Requests as they come in: every member may be absent, and unknown members are ignored.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::object::{WireField, WireObject, WireParameter, WireTag, WireValue};
use crate::error::ServiceError;

/// Reads the body of a request; an empty one is an empty object.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    // serde would take a list for a struct.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ServiceError::Serialization("the body must be a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| ServiceError::Serialization(error.to_string()))
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($member:ident: $kind:ty),* $(,)? })+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Deserialize)]
            #[serde(rename_all = "camelCase")]
            pub struct $name {
                $(pub $member: Option<$kind>,)*
            }
        )+
    };
}

requests! {
    /// CreatePipeline.
    CreatePipeline { name: String, unique_id: String, description: String, tags: Vec<WireTag> }
    /// PutPipelineDefinition and ValidatePipelineDefinition.
    PutPipelineDefinition {
        pipeline_id: String,
        pipeline_objects: Vec<WireObject>,
        parameter_objects: Vec<WireParameter>,
        parameter_values: Vec<WireValue>,
    }
    /// GetPipelineDefinition.
    GetPipelineDefinition { pipeline_id: String, version: String }
    /// ActivatePipeline.
    ActivatePipeline {
        pipeline_id: String,
        parameter_values: Vec<WireValue>,
        start_timestamp: serde_json::Value,
    }
    /// DeactivatePipeline.
    DeactivatePipeline { pipeline_id: String, cancel_active: bool }
    /// DeletePipeline.
    DeletePipeline { pipeline_id: String }
    /// ListPipelines.
    ListPipelines { marker: String }
    /// DescribePipelines.
    DescribePipelines { pipeline_ids: Vec<String> }
    /// DescribeObjects.
    DescribeObjects { pipeline_id: String, object_ids: Vec<String>, evaluate_expressions: bool, marker: String }
    /// QueryObjects.
    QueryObjects { pipeline_id: String, sphere: String, query: Query, marker: String, limit: i64 }
    /// `Query`: selectors that must all hold.
    Query { selectors: Vec<Selector> }
    /// `Selector`.
    Selector { field_name: String, operator: Operator }
    /// `Operator`.
    Operator { r#type: String, values: Vec<String> }
    /// SetStatus.
    SetStatus { pipeline_id: String, object_ids: Vec<String>, status: String }
    /// EvaluateExpression.
    EvaluateExpression { pipeline_id: String, object_id: String, expression: String }
    /// AddTags.
    AddTags { pipeline_id: String, tags: Vec<WireTag> }
    /// RemoveTags.
    RemoveTags { pipeline_id: String, tag_keys: Vec<String> }
    /// PollForTask.
    PollForTask { worker_group: String, hostname: String }
    /// ReportTaskProgress.
    ReportTaskProgress { task_id: String, fields: Vec<WireField> }
    /// SetTaskStatus.
    SetTaskStatus {
        task_id: String,
        task_status: String,
        error_id: String,
        error_message: String,
        error_stack_trace: String,
    }
    /// ReportTaskRunnerHeartbeat: the id is spelled `taskrunnerId`.
    ReportTaskRunnerHeartbeat { taskrunner_id: String, worker_group: String, hostname: String }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_is_an_empty_request() {
        assert!(read::<ListPipelines>(b"").unwrap().marker.is_none());
        assert!(read::<ListPipelines>(b" {\"marker\": null, \"other\": 1}").unwrap().marker.is_none());
    }

    #[test]
    fn wrong_types_and_lists_are_serialization_errors() {
        for body in [&b"[]"[..], b"{", b"{\"marker\": 1}", b"nonsense"] {
            assert_eq!(read::<ListPipelines>(body).unwrap_err().code(), "SerializationException");
        }
    }
}
