//! Finds the operation that the header `X-Amz-Target` names.

use http::HeaderMap;

use crate::error::ServiceError;
use crate::ops::Operation;

/// The prefixes of a target: the one that every SDK sends, and the one in the Developer Guide's raw HTTP samples.
const PREFIXES: [&str; 2] = ["DataPipeline", "DataPipeline_20121129"];

/// Returns the operation that the headers name. Fails with `UnknownOperation` if they name none.
pub(crate) fn operation(headers: &HeaderMap) -> Result<Operation, ServiceError> {
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
    fn both_prefixes_are_accepted() {
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
