//! `database-server`: the process of the embedded PostgreSQL, which `up` starts.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use tokio::sync::oneshot;

use super::Exit;
use crate::local::postgres;

/// Arguments of `database-server`.
#[derive(Debug, Args)]
pub struct DatabaseServerArgs {
    /// Folder of the database
    folder: PathBuf,
    /// Socket to listen on
    socket: PathBuf,
}

pub(super) async fn run(args: DatabaseServerArgs) -> anyhow::Result<Exit> {
    // The embedded PostgreSQL has a runtime of its own, so its thread must not belong to this one.
    let (done, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // The receiver waits as long as this process runs.
        let _ = done.send(postgres::serve(&args.folder, &args.socket));
    });
    let is_well = ended.await.context("the thread of the embedded PostgreSQL panicked")?;
    Ok(if is_well { Exit::Done } else { Exit::Failed })
}
