//! The process of the embedded server, from its start to its end.
//!
//! The process says on standard output how its start ended: one line [`READY`], or one line that begins with [`FAILED`]. It
//! stops when its standard input says [`END`], and ends at once when its standard input ends, because the front is gone then.

use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use pglite_oxide::PgliteServer;

use super::cluster::{Cluster, ClusterError};

/// The line on standard output that says that the server listens.
pub(super) const READY: &str = "downspout database server: ready";
/// The beginning of the line on standard output that says why the server does not start.
pub(super) const FAILED: &str = "downspout database server: failed:";
/// The line on standard input that asks the server to stop.
pub(super) const END: &str = "end";

/// The settings of the server that differ from those of `pglite-oxide`.
///
/// All memory of the server counts for the process, and the server never gives memory back to the system. So its caches are
/// small: the system's own cache of files stands behind them.
const SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "32MB"), ("maintenance_work_mem", "32MB"), ("wal_buffers", "1MB")];

/// The reason why the server does not start.
#[derive(Debug, thiserror::Error)]
enum ServerError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("the embedded PostgreSQL does not start: {0:#}")]
    Start(anyhow::Error),
}

/// Serves the database in `data_dir` on `socket`, until the standard input says that this process must end. Blocks, and must
/// not be called on a thread of an asynchronous runtime.
///
/// Returns whether the server has started and stopped without an error. The reason of a failed start is written to standard
/// output, for the front.
#[must_use]
pub fn serve(data_dir: &Path, socket: &Path) -> bool {
    let end = watch_standard_input();
    let (cluster, server) = match start(data_dir, socket) {
        Ok(started) => started,
        Err(error) => {
            let reason = format!("{:#}", anyhow::Error::from(error)).replace('\n', " ");
            say(&format!("{FAILED} {reason}"));
            return false;
        }
    };
    say(READY);
    // The sender goes away only after its message, or with the process.
    let _ = end.recv();
    let stopped = server.shutdown();
    drop(cluster);
    if let Err(error) = &stopped {
        tracing::warn!(error = format!("{error:#}"), "the embedded PostgreSQL ended with an error");
    }
    stopped.is_ok()
}

/// Returns a receiver of the request to stop. If the standard input ends without the request, the process ends at once, whatever
/// it does: the front is gone, so the start or the statement that runs now has lost its owner.
fn watch_standard_input() -> Receiver<()> {
    let (asked, end) = mpsc::channel();
    thread::spawn(move || {
        if !std::io::stdin().lock().lines().map_while(Result::ok).any(|line| line == END) {
            std::process::exit(1);
        }
        // The receiver is gone if the start has failed.
        let _ = asked.send(());
    });
    end
}

fn start(data_dir: &Path, socket: &Path) -> Result<(Cluster, PgliteServer), ServerError> {
    let cluster = Cluster::open(data_dir)?;
    let server = PgliteServer::builder()
        .path(cluster.root())
        .username("postgres")
        .database("postgres")
        .postgres_configs(SETTINGS)
        .unix(socket)
        .start()
        .map_err(ServerError::Start)?;
    Ok((cluster, server))
}

fn say(line: &str) {
    // If the front has ended, the line is lost, and the standard input has ended too. The line break at the beginning ends any
    // text that something else has written without one.
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "\n{line}").and_then(|()| stdout.flush());
}
