//! `X-Amz-Target` to operation.

use http::HeaderMap;

use crate::error::ServiceError;

/// The prefixes of a target: what every SDK sends, and what the Developer Guide's raw HTTP samples show.
const PREFIXES: [&str; 2] = ["DataPipeline", "DataPipeline_20121129"];

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// The operations of the API, version 2012-10-29.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($name),+
        }

        impl Operation {
            /// Returns the operation's name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            fn parse(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

operations! {
    ActivatePipeline,
    AddTags,
    CreatePipeline,
    DeactivatePipeline,
    DeletePipeline,
    DescribeObjects,
    DescribePipelines,
    EvaluateExpression,
    GetPipelineDefinition,
    ListPipelines,
    PollForTask,
    PutPipelineDefinition,
    QueryObjects,
    RemoveTags,
    ReportTaskProgress,
    ReportTaskRunnerHeartbeat,
    SetStatus,
    SetTaskStatus,
    ValidatePipelineDefinition,
}

/// Returns the operation that the headers name.
pub fn operation(headers: &HeaderMap) -> Result<Operation, ServiceError> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let named = target.split_once('.').filter(|(prefix, _)| PREFIXES.contains(prefix));
    named.and_then(|(_, name)| Operation::parse(name)).ok_or_else(|| {
        let hint = "send POST / with the header X-Amz-Target: DataPipeline.<Operation>";
        ServiceError::UnknownOperation(format!("there is no operation '{target}'; {hint}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(target: &'static str) -> Result<Operation, ServiceError> {
        operation(&HeaderMap::from_iter([(
            http::HeaderName::from_static("x-amz-target"),
            http::HeaderValue::from_static(target),
        )]))
    }

    #[test]
    fn both_prefixes_are_understood() {
        assert_eq!(of("DataPipeline.PollForTask").unwrap(), Operation::PollForTask);
        assert_eq!(of("DataPipeline_20121129.PollForTask").unwrap(), Operation::PollForTask);
    }

    #[test]
    fn anything_else_is_an_unknown_operation() {
        for target in ["", "PollForTask", "DynamoDB_20120810.PollForTask", "DataPipeline.pollfortask"] {
            assert_eq!(of(target).unwrap_err().code(), "UnknownOperationException");
        }
        assert_eq!(operation(&HeaderMap::new()).unwrap_err().code(), "UnknownOperationException");
    }
}
