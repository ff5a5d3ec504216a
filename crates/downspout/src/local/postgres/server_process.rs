//! The process of the embedded server, as the front sees it: its start, its end, and its death.
//!
//! The embedded server cannot interrupt a statement, and neither can the thread that runs it. A process can be killed. So the
//! server runs in a process of its own, which is this program with a hidden command. After a kill, the next
//! process finds everything that was committed. The process reads its standard input, which ends when the front's process ends
//! in any way, so that the server never outlives the front.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::cluster_server::{END, FAILED, READY};

/// The hidden command that makes this program a database server.
const COMMAND: &str = "database-server";

/// How long the start of the server may take. The first start on a machine unpacks the server and creates the database. The
/// start after a kill replays the log of the database, which can be large after an interrupted load; ended before its end, it
/// would begin again from the same point.
const START_LIMIT: Duration = Duration::from_secs(3_600);

/// The reason why the embedded server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server ended with this message.
    #[error("{0}")]
    Server(String),
    /// The server's process ended without a message.
    #[error("the process of the embedded PostgreSQL ended while it started ({0})")]
    Ended(String),
    /// The server's process has not become ready.
    #[error("the embedded PostgreSQL was not ready within {} s", START_LIMIT.as_secs())]
    Late,
    /// The server runs, but refuses the session.
    #[error("the embedded PostgreSQL refuses the session: {0}")]
    Refused(String),
    /// The server's process cannot be started, or the connection to it failed.
    #[error("cannot {doing} the embedded PostgreSQL")]
    Io {
        /// The operation.
        doing: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Returns a function that makes an error of an error of the operating system.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// The program that runs the server: normally this program with its hidden command.
#[derive(Debug, Clone)]
pub struct ServerProgram {
    /// The executable file.
    pub program: PathBuf,
    /// The arguments before the folder of the database and the socket.
    pub arguments: Vec<OsString>,
}

impl ServerProgram {
    /// Returns this program with its hidden command.
    ///
    /// # Errors
    ///
    /// If the system does not know the path of this program.
    pub fn this_program() -> io::Result<Self> {
        // On Linux, this link leads to the running program even after an upgrade has replaced its file.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { link.to_owned() } else { std::env::current_exe()? };
        Ok(Self { program, arguments: vec![COMMAND.into()] })
    }
}

/// The running process of the server. Dropping the value kills the process.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    stdin: ChildStdin,
    /// Stays open, because the process would fail if it wrote to a closed pipe.
    _stdout: BufReader<ChildStdout>,
    /// The folder of the socket, which only this user can open.
    socket_folder: TempDir,
}

impl ServerProcess {
    /// Starts the server on the database in `data_dir`, and waits until the server listens on its socket.
    pub(super) async fn start(program: &ServerProgram, data_dir: &Path) -> Result<Self, StartError> {
        let socket_folder =
            tempfile::tempdir().map_err(StartError::io("create the folder of the socket of"))?;
        let mut child = Command::new(&program.program)
            .args(&program.arguments)
            .arg(data_dir)
            .arg(socket_of(socket_folder.path()))
            // The start needs much memory for a moment; the allocator gives it back at once.
            .env("MIMALLOC_PURGE_DELAY", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C in the terminal goes to the front only, which then stops the server.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(StartError::io("start the process of"))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(StartError::Ended("without its pipes".to_owned()));
        };
        let mut stdout = BufReader::new(stdout);
        match timeout(START_LIMIT, outcome(&mut stdout)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => {
                let status = child.wait().await.map_err(StartError::io("wait for the process of"))?;
                return Err(StartError::Ended(status.to_string()));
            }
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Err(StartError::Late),
        }
        Ok(Self { child, stdin, _stdout: stdout, socket_folder })
    }

    /// Returns the path of the socket on which the server listens.
    pub(super) fn socket(&self) -> PathBuf {
        socket_of(self.socket_folder.path())
    }

    /// Kills the process, and waits until it has ended, so that the next process can use the folder.
    pub(super) async fn kill(mut self) {
        // Killing fails only if the process has ended.
        let _ = self.child.start_kill();
        if let Err(error) = self.child.wait().await {
            tracing::warn!(error = %error, "the process of the embedded PostgreSQL cannot be waited for");
        }
    }

    /// Asks the server to stop, and waits until its process has ended. The connection to the server must be closed before.
    pub(super) async fn stop(mut self) {
        // The process is gone if it does not read this.
        let _ = self.stdin.write_all(format!("{END}\n").as_bytes()).await;
        match self.child.wait().await {
            Ok(status) if status.success() => tracing::debug!("the embedded PostgreSQL has stopped"),
            Ok(status) => tracing::warn!("the process of the embedded PostgreSQL ended with {status}"),
            Err(error) => {
                tracing::warn!(error = %error, "the process of the embedded PostgreSQL cannot be waited for")
            }
        }
    }
}

fn socket_of(folder: &Path) -> PathBuf {
    folder.join("server")
}

/// Reads the server's output up to the line that says how the start ended. Returns false if the output ends before.
async fn outcome(stdout: &mut BufReader<ChildStdout>) -> Result<bool, StartError> {
    let mut line = String::new();
    loop {
        line.clear();
        if stdout.read_line(&mut line).await.map_err(StartError::io("read the output of"))? == 0 {
            return Ok(false);
        }
        match line.trim_end() {
            READY => return Ok(true),
            said => {
                if let Some(message) = said.strip_prefix(FAILED) {
                    return Err(StartError::Server(message.trim_start().to_owned()));
                }
            }
        }
    }
}
