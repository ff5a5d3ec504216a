//! A native PostgreSQL for tests: a server for one test, which the test may stop and start, or one server that all
//! tests of a process share. Native means that the PostgreSQL installed on this machine runs, and not the embedded one
//! of the local stack.
//!
//! This crate is for tests only. Its functions panic if something goes wrong.
#![warn(missing_docs)]

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use tempfile::TempDir;

/// How often a server is started that does not start.
const TRIES: u32 = 5;
/// The pause before the second try. It grows with each try.
const PAUSE: Duration = Duration::from_millis(500);

/// A native PostgreSQL in a folder of its own. Dropping it stops the server.
pub struct NativePostgres {
    bin: PathBuf,
    folder: TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    settings: &'static str,
}

impl NativePostgres {
    /// Creates a cluster and starts its server.
    ///
    /// # Panics
    /// If PostgreSQL is missing, or does not start. If it is missing, the message says how to install it.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Returns the server that all tests of this process share; the first call starts it.
    ///
    /// Tests must not stop the server, and must use schemas of their own. The server allows 400 sessions, and does not
    /// flush to the disk.
    ///
    /// # Panics
    /// If this call has to start the server, and PostgreSQL is missing or does not start.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<(NativePostgres, Child)> = OnceLock::new();
        let (postgres, _) = SHARED.get_or_init(|| {
            let postgres = Self::start_with(" -c fsync=off -c max_connections=400");
            let janitor = postgres.janitor();
            (postgres, janitor)
        });
        postgres
    }

    fn start_with(settings: &'static str) -> Self {
        let bin = programs().expect(
            "this test needs a native PostgreSQL: run `tests/setup`, or `apt-get install -y postgresql`",
        );
        let folder = TempDir::with_prefix("downspout-pg-").expect("a temporary folder");
        // PostgreSQL refuses to run as root. If root runs the tests, PostgreSQL runs as `postgres`, the user that its
        // package creates.
        let user = is_root().then(|| {
            let ids = (id_of_postgres("-u"), id_of_postgres("-g"));
            chown(folder.path(), Some(ids.0), Some(ids.1)).expect("handing the folder to postgres");
            ids
        });
        let mut postgres = Self { bin, folder, port: 0, user, settings };
        postgres.must(
            postgres
                .program("initdb")
                .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-D"])
                .arg(postgres.data()),
        );
        // Another program may take the port before the server does.
        let is_up = (0..TRIES).any(|_| {
            postgres.port = free_port();
            has_succeeded(&mut postgres.starting())
        });
        assert!(is_up, "PostgreSQL does not start\n{}", postgres.log());
        postgres
    }

    /// Returns the URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns the port on 127.0.0.1 at which the server listens while it is up.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server. [`Self::start`] has done so already; a test calls this function after [`Self::down`].
    pub fn up(&self) {
        // A connection of another program may have the port for a moment.
        let is_up = (0..TRIES).any(|tries| {
            std::thread::sleep(PAUSE * tries);
            has_succeeded(&mut self.starting())
        });
        assert!(is_up, "PostgreSQL does not start\n{}", self.log());
    }

    /// Returns the command that starts the server and waits for it.
    fn starting(&self) -> Command {
        let (port, folder, settings) = (self.port, self.folder.path().display(), self.settings);
        let options = format!("-p {port} -c listen_addresses=127.0.0.1 -k {folder}{settings}");
        let mut command = self.program("pg_ctl");
        command
            .args(["-w", "-t", "60", "-o", &options, "-l"])
            .arg(self.folder.path().join("log"))
            .arg("-D")
            .arg(self.data())
            .arg("start");
        command
    }

    /// Stops the server at once, as a crash would: clients lose their connections.
    pub fn down(&self) {
        self.must(self.program("pg_ctl").args(["-w", "-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
    }

    /// Returns the command of a program of this PostgreSQL, such as `psql`, without arguments.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts a shell that stops the server and removes its folder after this process has ended, in whatever way. The
    /// shared server needs the shell, because Rust never drops a `static`. The shell waits for the end of its input,
    /// which only this process holds open. It ignores a Ctrl-C in the terminal, which would otherwise end it before it
    /// has stopped the server.
    fn janitor(&self) -> Child {
        let mut janitor = Command::new("sh");
        janitor
            .args([
                "-c",
                r#"trap "" INT; cat >/dev/null; "$1" -m immediate -D "$2/data" stop; rm -rf "$2""#,
                "sh",
            ])
            .arg(self.bin.join("pg_ctl"))
            .arg(self.folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            janitor.uid(uid).gid(gid);
        }
        janitor.spawn().expect("`sh` is everywhere")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn must(&self, command: &mut Command) {
        assert!(has_succeeded(command), "{command:?} failed\n{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Runs a command to its end.
fn has_succeeded(command: &mut Command) -> bool {
    // No pipes: the server that pg_ctl starts would inherit them and keep them open.
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Drop for NativePostgres {
    fn drop(&mut self) {
        let _ = self
            .program("pg_ctl")
            .args(["-m", "immediate", "-D"])
            .arg(self.data())
            .arg("stop")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// Returns the folder with the programs of PostgreSQL, or `None` if PostgreSQL is missing.
///
/// Looks first for the newest version in the folder of Debian, which is not on the PATH, and then on the PATH.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin).or_else(on_path)
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).find(|folder: &PathBuf| folder.join("initdb").exists())
}

/// Returns a port that was free a moment ago.
///
/// # Panics
/// If no port is free.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
    listener.local_addr().expect("the port just bound").port()
}

fn is_root() -> bool {
    id_of_self() == 0
}

fn id_of_self() -> u32 {
    number(Command::new("id").arg("-u"))
}

/// Returns the id of the user `postgres` (`-u`), or of its group (`-g`).
fn id_of_postgres(flag: &str) -> u32 {
    number(Command::new("id").args([flag, "postgres"]))
}

fn number(command: &mut Command) -> u32 {
    let output = command.output().expect("`id` is everywhere");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("`id` prints a number")
}
