//! The errors of RunInstances: which of them pass, and which of them end the attempt.

use aws_sdk_ec2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_ec2::operation::run_instances::RunInstancesError;

/// The reason why EC2 did not start a machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// EC2 has no machine for this request now. The request may succeed later.
    #[error("waits for room in EC2: {0}")]
    NoRoom(String),
    /// The client token belongs to an earlier request that was different, so a machine was started before.
    #[error("a machine was started before with other settings")]
    StartedBefore,
    /// EC2 refuses this request, and always will.
    #[error("EC2 refuses to start it: {0}")]
    Refused(String),
    /// It is unknown whether EC2 started the machine, or EC2 cannot answer now. The request is made again.
    #[error(transparent)]
    Again(anyhow::Error),
}

/// The codes that say that EC2 has no room for the machine.
const NO_ROOM: &[&str] = &[
    "InsufficientAddressCapacity",
    "InsufficientCapacity",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "InstanceLimitExceeded",
    "MaxSpotInstanceCountExceeded",
    "SpotMaxPriceTooLow",
    "VcpuLimitExceeded",
    "VolumeLimitExceeded",
];

/// The codes that have nothing to do with the request: too many calls, a fault of EC2, credentials that are being replaced.
const AGAIN: &[&str] = &[
    "AuthFailure",
    "Blocked",
    "ExpiredToken",
    "InternalError",
    "InternalFailure",
    "InvalidClientTokenId",
    "PendingVerification",
    "RequestExpired",
    "RequestLimitExceeded",
    "RequestThrottled",
    "ServiceUnavailable",
    "SignatureDoesNotMatch",
    "Throttling",
    "ThrottlingException",
    "Unavailable",
];

/// The first status of HTTP that blames the server.
const SERVER_ERROR: u16 = 500;

/// Returns the meaning of an error of RunInstances.
pub(crate) fn start_error(error: SdkError<RunInstancesError>) -> StartError {
    let Some(service) = error.as_service_error() else { return again(error) };
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = service.code().unwrap_or_default();
    let text = format!("{code}: {}", service.message().unwrap_or("no message"));
    match meaning(code, status) {
        Meaning::NoRoom => StartError::NoRoom(text),
        Meaning::StartedBefore => StartError::StartedBefore,
        Meaning::Refused => StartError::Refused(text),
        Meaning::Again => again(error),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    NoRoom,
    StartedBefore,
    Refused,
    Again,
}

fn meaning(code: &str, status: u16) -> Meaning {
    match code {
        "IdempotentParameterMismatch" => Meaning::StartedBefore,
        // Some of them come with status 500, so they are looked for first.
        _ if NO_ROOM.contains(&code) => Meaning::NoRoom,
        _ if AGAIN.contains(&code) || status >= SERVER_ERROR || code.is_empty() => Meaning::Again,
        _ => Meaning::Refused,
    }
}

fn again(error: SdkError<RunInstancesError>) -> StartError {
    StartError::Again(anyhow::Error::new(error).context("asking EC2 for a machine"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_errors_are_distinguished_from_lasting_ones() {
        for (code, status, expected) in [
            ("InsufficientInstanceCapacity", 500, Meaning::NoRoom),
            ("SpotMaxPriceTooLow", 400, Meaning::NoRoom),
            ("RequestLimitExceeded", 503, Meaning::Again),
            ("Whatever", 500, Meaning::Again),
            ("", 400, Meaning::Again),
            ("IdempotentParameterMismatch", 400, Meaning::StartedBefore),
            ("InvalidAMIID.NotFound", 400, Meaning::Refused),
            ("UnauthorizedOperation", 403, Meaning::Refused),
        ] {
            assert_eq!(meaning(code, status), expected, "{code}");
        }
    }
}
