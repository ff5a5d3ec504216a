//! The loop of a worker: poll, work, report.

use tokio_util::sync::CancellationToken;

use crate::{Clients, Config};

pub(crate) async fn run(
    config: Config,
    _clients: Clients,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tokio::fs::create_dir_all(&config.scratch_dir).await?;
    shutdown.cancelled().await;
    Ok(())
}
