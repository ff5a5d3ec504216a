//! The destination of the rows that an unload writes.

use tokio::io::AsyncWriteExt as _;

use crate::failure::Failure;
use crate::storage::ObjectWriter;

/// The destination of the rows.
pub(super) enum Sink {
    Object(Box<ObjectWriter>),
    File(tokio::fs::File),
}

impl Sink {
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::File(file) => {
                file.write_all(&bytes).await.map_err(|error| Failure::scratch("writing rows", &error))
            }
            Self::Object(writer) => writer.write(bytes).await,
        }
    }

    pub(super) async fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(mut file) => {
                file.flush().await.map_err(|error| Failure::scratch("writing rows", &error))
            }
            Self::Object(writer) => writer.finish().await,
        }
    }
}
