//! Creates and deletes streams for both services, with the errors that the services have in common.

use super::error::WireError;
use crate::intake::Intake;
use crate::live::{Acceptance, LiveStream};
use crate::log::Origin;
use crate::streams::{CreateError, NewStream};

/// Creates a stream, and begins to deliver it. `exists` makes the sentence about a stream of the same name from the words for
/// where that stream comes from.
pub(super) async fn create(
    intake: &Intake,
    new: NewStream,
    exists: impl FnOnce(&str) -> String,
) -> Result<(), WireError> {
    let own = new.origin;
    let stream = intake.streams.create(new).await.map_err(|error| match error {
        CreateError::Exists(stream) => WireError::in_use(exists(origin_of(&stream, own))),
        CreateError::Definition(problem) => WireError::invalid_argument(problem),
        CreateError::Unusable(_) => WireError::internal(&error.to_string()),
        CreateError::Log(error) => error.into(),
    })?;
    intake.dock.begin(stream);
    Ok(())
}

/// Returns where a stream comes from, if the service itself has not created it.
fn origin_of(stream: &LiveStream, own: Origin) -> &'static str {
    match stream.log.header().origin {
        _ if stream.is_of_file() => ": a file defines it",
        origin if origin == own => "",
        Origin::Kinesis => ": it was created by Kinesis, and streams of both services share their names here",
        Origin::Firehose => {
            ": it was created by Firehose, and streams of both services share their names here"
        }
        Origin::File => ": a file defines it",
    }
}

/// Lets a stream end. `called` names the stream in the words of the service.
pub(super) async fn delete(intake: &Intake, stream: &LiveStream, called: &str) -> Result<(), WireError> {
    if stream.is_of_file() {
        return Err(WireError::in_use(format!(
            "{called} is defined by the file streams/{}.json: remove the file to end the stream.",
            stream.name
        )));
    }
    if stream.acceptance().await == Acceptance::Ending {
        return Err(WireError::in_use(format!("{called} is being deleted.")));
    }
    intake.streams.delete(stream).await?;
    Ok(())
}
