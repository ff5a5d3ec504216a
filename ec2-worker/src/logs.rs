//! An attempt's logs, packed and put under `pipelineLogUri`.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzEncoder;

use crate::failure::Failure;
use crate::progress::Progress;
use crate::storage::{S3Uri, Storage};

/// Uploads `Activity.log.gz`, and the output of a command where there is one.
///
/// A log that cannot be written is worth a warning, not a failed task.
pub(crate) async fn upload(storage: &Storage, at: &S3Uri, folder: &Path, progress: &Progress) {
    let text = progress.log_text();
    let activity = pack(text.as_bytes());
    let mut logs = vec![("Activity.log.gz", activity)];
    for (name, file) in [("StdOutput.gz", "StdOutput"), ("StdError.gz", "StdError")] {
        if let Ok(file) = File::open(folder.join(file)) {
            logs.push((name, pack(BufReader::new(file))));
        }
    }
    for (name, packed) in logs {
        let put = match packed {
            Ok(bytes) => storage.put(&at.child(name), bytes).await,
            Err(error) => Err(Failure::scratch("packing a log", &error)),
        };
        if let Err(failure) = put {
            tracing::warn!(log.name = name, error = %failure, "a log could not be uploaded");
        }
    }
}

fn pack(text: impl io::Read) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    io::copy(&mut GzEncoder::new(text, Compression::fast()), &mut packed)?;
    Ok(packed)
}
