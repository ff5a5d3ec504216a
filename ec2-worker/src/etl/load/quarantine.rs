//! Writes the refused rows of a load into an object in S3.

use super::super::rejects::Spool;
use super::Load;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::storage::Upload;

/// Writes the quarantine file, and names it in the failure.
pub(super) async fn give_up(
    load: &Load,
    spool: &mut Spool,
    mut failure: Failure,
    progress: &Progress,
) -> Failure {
    // The transaction was undone.
    progress.set("rowsLoaded", 0);
    if spool.count() == 0 {
        return failure;
    }
    progress.set("rowsRejected", spool.count());
    for reason in spool.reasons() {
        progress.add("rejectReasons", reason.clone());
    }
    match quarantine(load, spool).await {
        Ok(Some(at)) => failure.message.push_str(&format!("; the refused rows are in {at}")),
        Ok(None) => {}
        Err(problem) => progress.note(format!("the quarantine file could not be written: {problem}")),
    }
    failure
}

/// Writes the refused rows into the object for them, if the load names one, and returns its location.
pub(super) async fn quarantine(load: &Load, spool: &mut Spool) -> Result<Option<String>, Failure> {
    let Some((storage, at)) = &load.quarantine else { return Ok(None) };
    let mut file = spool.reader()?;
    let mut upload = Upload::new(storage.clone(), at.clone());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match Spool::read(&mut file, &mut buffer)? {
            0 => break,
            count => upload.write(&buffer[..count]).await?,
        }
    }
    upload.finish().await?;
    Ok(Some(at.to_string()))
}
