//! `downspout up` as a process, which a story may kill.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use downspout::local::stack::{Endpoints, FILE_NAME};
use tempfile::TempDir;

use crate::{
    mail::{self, Mail},
    samples::Samples,
    until::until,
};

/// A running `downspout up`. Dropping the value kills the process.
pub struct Up {
    stack: StackProcess,
    /// The addresses and keys of the stack.
    pub endpoints: Endpoints,
}

/// The process of a stack, which may not be ready yet.
struct StackProcess {
    program: PathBuf,
    folder: TempDir,
    options: Vec<String>,
    child: Child,
}

impl Up {
    /// Starts `program up` in a fresh data directory and waits until it is ready.
    ///
    /// `program` is `env!("CARGO_BIN_EXE_downspout-under-test")` in tests.
    ///
    /// # Panics
    /// If the stack does not become ready.
    pub async fn start(program: &str, options: &[&str]) -> Self {
        let folder = TempDir::with_prefix("downspout-e2e-").expect("a temporary folder");
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let program = PathBuf::from(program);
        let child = spawn(&program, folder.path(), &options);
        let mut stack = StackProcess { program, folder, options, child };
        let endpoints = stack.ready().await;
        Self { stack, endpoints }
    }

    /// Kills the process as `kill -9` does.
    ///
    /// # Panics
    /// If there is no process to kill.
    pub fn kill(&mut self) {
        self.stack.child.kill().expect("killing the stack");
        self.stack.child.wait().expect("its end");
    }

    /// Starts the stack again on the same data directory and waits until it is ready.
    pub async fn start_again(&mut self) {
        self.respawn();
        self.ready().await;
    }

    /// Starts the stack again on the same data directory without waiting.
    pub fn respawn(&mut self) {
        let _ = fs::remove_file(self.data_dir().join(FILE_NAME));
        let StackProcess { program, folder, options, child } = &mut self.stack;
        *child = spawn(program, folder.path(), options);
    }

    /// Waits until the stack is ready.
    ///
    /// # Panics
    /// If the process ends, or the time limit passes. The message shows the output of the process.
    pub async fn ready(&mut self) {
        self.endpoints = self.stack.ready().await;
    }

    /// Asks the stack to stop (SIGTERM) and returns its exit status.
    ///
    /// # Panics
    /// If the process does not end.
    pub async fn stop(&mut self) -> ExitStatus {
        let asked = Command::new("kill").args(["-TERM", &self.stack.child.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill -TERM");
        let child = &mut self.stack.child;
        until("downspout up stops", async || {
            child.try_wait().map_err(|error| error.to_string())?.ok_or_else(|| "still running".to_owned())
        })
        .await
    }

    /// Returns the process of `up`, whose memory can be read.
    #[must_use]
    pub fn process(&self) -> &Child {
        &self.stack.child
    }

    /// Returns the data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.stack.data_dir()
    }

    /// Returns the output of `up` so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.stack.log()
    }

    /// Runs a command of the program against this stack, such as `["drop", "--wait", ...]`.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn downspout(&self, arguments: &[&str]) -> Output {
        Command::new(&self.stack.program)
            .arg("--data-dir")
            .arg(self.data_dir())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("starting downspout")
    }

    /// Returns the mails so far, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        mail::outbox(&self.endpoints.outbox)
    }

    /// Returns an S3 client of this stack.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        self.endpoints.s3()
    }

    /// Returns a Data Pipeline client of this stack.
    #[must_use]
    pub fn datapipeline(&self) -> aws_sdk_datapipeline::Client {
        self.endpoints.datapipeline()
    }

    /// Returns an SNS client of this stack.
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        self.endpoints.sns()
    }

    /// Connects to the stack's database.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn database(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.endpoints.postgres, tokio_postgres::NoTls)
            .await
            .expect("connecting to the stack's database");
        tokio::spawn(connection);
        client
    }

    /// Drops the three files of `samples` for `day`.
    pub async fn drop_set(&self, day: &str, samples: &Samples) {
        for (name, bytes) in samples.files() {
            self.put(&format!("incoming/{day}/{name}"), bytes).await;
        }
    }

    /// Waits for the one mail whose subject names `day`.
    ///
    /// # Panics
    /// If no mail comes within the time limit, or if there are two.
    pub async fn mail_of(&self, day: &str) -> Mail {
        let mut of_day = until(&format!("the mail of {day}"), async || {
            let mails = self.mails();
            let of_day: Vec<Mail> = mails.iter().filter(|mail| mail.subject.contains(day)).cloned().collect();
            if of_day.is_empty() { Err(format!("{mails:#?}\n{}", self.log())) } else { Ok(of_day) }
        })
        .await;
        assert_eq!(of_day.len(), 1, "one mail for one run: {of_day:#?}");
        of_day.remove(0)
    }

    /// Counts the rows of the three staging tables.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn staging_rows(&self) -> [i64; 3] {
        let row = self
            .database()
            .await
            .query_one(
                "SELECT (SELECT count(*) FROM staging.orders), (SELECT count(*) FROM staging.reviews), \
                 (SELECT count(*) FROM staging.shipments)",
                &[],
            )
            .await
            .expect("counting staging rows");
        [row.get(0), row.get(1), row.get(2)]
    }

    /// Puts `bytes` under `key` of the drop bucket.
    ///
    /// # Panics
    /// If S3 refuses.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) {
        self.s3()
            .put_object()
            .bucket(&self.endpoints.buckets.drop)
            .key(key)
            .body(bytes.into())
            .send()
            .await
            .unwrap_or_else(|error| panic!("putting {key}: {error:?}"));
    }
}

impl StackProcess {
    async fn ready(&mut self) -> Endpoints {
        let (data_dir, log) = (self.data_dir(), self.folder.path().join("up.log"));
        let child = &mut self.child;
        until("downspout up is ready", async || {
            let said = || fs::read_to_string(&log).unwrap_or_default();
            if let Ok(Some(status)) = child.try_wait() {
                panic!("downspout up ended with {status}:\n{}", said());
            }
            let endpoints = Endpoints::read(&data_dir).map_err(|error| format!("{error}\n{}", said()))?;
            endpoints.ok_or_else(|| format!("no {FILE_NAME} yet\n{}", said()))
        })
        .await
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default()
    }
}

impl Drop for StackProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("downspout up said:\n{}", self.log());
        }
    }
}

fn spawn(program: &Path, folder: &Path, options: &[String]) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("up.log"))
        .expect("a log file in the temporary folder");
    Command::new(program)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("up")
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle of the log"))
        .stderr(log)
        .spawn()
        .expect("starting downspout up")
}
