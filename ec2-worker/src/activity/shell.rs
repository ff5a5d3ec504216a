//! `ShellCommandActivity`: runs a command in a process group of its own, with staged inputs and outputs.
//!
//! The group must not outlive the worker, even if the worker is killed. So a small watcher in the group reads from a
//! pipe, and only the worker has the other end. When the pipe closes for any reason, the watcher ends the group. The
//! worker closes the pipe to cancel a command, and to end the processes that a command left behind.

mod arguments;
mod line_ends;
mod output_folder;
mod staging;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use definition::kind::Kind;
use definition::kind::field;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
use tokio::process::Command;

use super::{Activity, TaskContext, TaskOutcome};
use crate::failure::Failure;
use crate::node::S3Node;
use crate::reader::{Reader, Script, refused};
use crate::storage::S3Uri;

/// The file for standard output in the folder of an attempt.
pub(crate) const STDOUT: &str = "StdOutput";
/// The file for standard error in the folder of an attempt.
pub(crate) const STDERR: &str = "StdError";

/// The error id of a command whose exit code is not 0.
const NON_ZERO_EXIT: &str = "ActivityFailed:NonZeroExit";

/// The largest number of bytes of standard error in an error message.
const TAIL: u64 = 1024;

/// Runs `bash "$@"` beside the watcher. The watcher sends TERM, so that processes can clean up, and KILL two seconds
/// later.
const WRAPPER: &str = r#"
exec 3<&0 </dev/null
( trap '' TERM
  exec >/dev/null 2>&1
  read -r -u 3 _
  kill -TERM -- -$$
  sleep 2
  kill -KILL -- -$$
) &
exec 3<&-
/bin/bash "$@"
exit $?
"#;

/// A `ShellCommandActivity`, or the command of a `ShellCommandPrecondition`.
#[derive(Clone, Debug)]
pub(super) struct ShellCommandActivity {
    /// `command` or `scriptUri`.
    script: Script,
    /// `scriptArgument`, in order.
    arguments: Vec<String>,
    /// `stage`.
    is_staged: bool,
    /// The inputs to stage, in order.
    inputs: Vec<S3Node>,
    /// The outputs to stage, in order.
    outputs: Vec<S3Node>,
    /// A copy of standard output, besides the one in the log folder.
    stdout: Option<S3Uri>,
    /// A copy of standard error, besides the one in the log folder.
    stderr: Option<S3Uri>,
}

impl Activity for ShellCommandActivity {
    const TYPE: &'static str = "ShellCommandActivity";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        let attempt = reader.attempt();
        let staged = field::STAGE.of(attempt).map_err(|error| refused(attempt, error))?;
        let nodes = |key: &str| -> Result<Vec<S3Node>, Failure> {
            let mut nodes = Vec::new();
            for object in reader.referred(key)? {
                // Other nodes are dependencies only.
                if staged && Kind::of(object) == Some(Kind::S3DataNode) {
                    nodes.push(S3Node::read(reader, object)?);
                }
            }
            Ok(nodes)
        };
        Ok(Self {
            script: reader.script("command")?,
            arguments: attempt.strings("scriptArgument").map(str::to_owned).collect(),
            is_staged: staged,
            inputs: nodes("input")?,
            outputs: nodes("output")?,
            stdout: reader.s3("stdout", attempt)?,
            stderr: reader.s3("stderr", attempt)?,
        })
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        staged_command(context, self).await.map(|()| TaskOutcome::Finished)
    }
}

impl ShellCommandActivity {
    /// Runs the command; returns whether it ended with exit code 0.
    pub(super) async fn succeeds(&self, context: &TaskContext<'_>) -> Result<bool, Failure> {
        match staged_command(context, self).await {
            Ok(()) => Ok(true),
            Err(failure) if failure.id == NON_ZERO_EXIT => {
                context.progress.log(&failure.message);
                Ok(false)
            }
            Err(failure) => Err(failure),
        }
    }
}

async fn staged_command(context: &TaskContext<'_>, shell: &ShellCommandActivity) -> Result<(), Failure> {
    let script = context.folder.join("command.sh");
    let folder = context.folder.join("work");
    let (name, text) = context.script(&shell.script).await?;
    let text = line_ends::mended(&name, &text, context.progress)?;
    let scratch = |error: std::io::Error| Failure::scratch("preparing the command", &error);
    tokio::fs::write(&script, text.as_ref()).await.map_err(scratch)?;
    tokio::fs::create_dir_all(&folder).await.map_err(scratch)?;

    let inputs = staged_folders(context, "input", shell.inputs.len()).await?;
    let outputs = staged_folders(context, "output", shell.outputs.len()).await?;
    let arguments = arguments::filled(context, shell, &inputs, &outputs)?;
    for (node, folder) in shell.inputs.iter().zip(&inputs) {
        staging::fetch(context, node, folder).await?;
    }
    for node in shell.outputs.iter().filter(|node| !node.directory) {
        context.progress.note(format!("output `{}` has a filePath; only a directoryPath is staged", node.id));
    }

    let mut command = command(context, &script, &arguments, &folder)?;
    for (index, folder) in inputs.iter().enumerate() {
        command.env(format!("INPUT{}_STAGING_DIR", index + 1), folder);
    }
    for (index, folder) in outputs.iter().enumerate() {
        command.env(format!("OUTPUT{}_STAGING_DIR", index + 1), folder);
    }
    let result = finish(context, command).await;
    for (path, file) in [(&shell.stdout, STDOUT), (&shell.stderr, STDERR)] {
        if let Some(at) = path {
            output_folder::send_log(context, &context.folder.join(file), at).await?;
        }
    }
    result?;
    for (index, (node, folder)) in shell.outputs.iter().zip(&outputs).enumerate() {
        output_folder::send(context, node, index + 1, folder).await?;
    }
    Ok(())
}

fn command(
    context: &TaskContext<'_>,
    script: &Path,
    arguments: &[OsString],
    folder: &Path,
) -> Result<Command, Failure> {
    let file = |name: &str| {
        let made = std::fs::File::create(context.folder.join(name));
        made.map_err(|error| Failure::scratch("creating a log file", &error))
    };
    let umask = context.tools.command_umask.map(|umask| format!("umask {umask:04o}\n")).unwrap_or_default();
    let mut command = Command::new("/bin/bash");
    command
        .arg("-c")
        .arg(umask + WRAPPER)
        .arg("ec2-worker")
        .arg(script)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(file(STDOUT)?)
        .stderr(file(STDERR)?)
        .process_group(0);
    // The output of a command goes to the logs, so the command must not see the settings of the worker: they may be secret.
    let environment = context.tools.command_environment.as_ref();
    for (name, _) in std::env::vars_os() {
        let begins = |prefix: &[u8]| name.as_encoded_bytes().starts_with(prefix);
        if begins(b"DOWNSPOUT_") || (environment.is_some() && begins(b"AWS_")) {
            command.env_remove(name);
        }
    }
    command.envs(environment.into_iter().flatten().map(|(name, value)| (name, value)));
    Ok(command)
}

async fn finish(context: &TaskContext<'_>, mut command: Command) -> Result<(), Failure> {
    let problem =
        |error: std::io::Error| Failure::new("ActivityFailed:CannotStart", format!("/bin/bash: {error}"));
    let mut child = command.spawn().map_err(problem)?;
    // Dropping this end of the pipe ends the process group. If this future is dropped, the pipe is dropped with it.
    let lifeline = child.stdin.take();
    let status = child.wait().await.map_err(problem)?;
    drop(lifeline);
    if status.success() {
        context.progress.log("the command ended with exit code 0");
        return Ok(());
    }
    let how = match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    };
    let tail = tail(&context.folder.join(STDERR)).await;
    let tail = if tail.is_empty() { "nothing on standard error".to_owned() } else { tail };
    Err(Failure::new(NON_ZERO_EXIT, format!("the command ended with {how}: {tail}")))
}

/// Returns the last [`TAIL`] bytes of a file as text, without white space at both ends.
async fn tail(path: &Path) -> String {
    let read = async {
        let mut file = tokio::fs::File::open(path).await?;
        let length = file.metadata().await?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).await?;
        let mut text = Vec::new();
        file.take(TAIL).read_to_end(&mut text).await?;
        std::io::Result::Ok(text)
    };
    // An unreadable file counts as empty, so that the caller can still report the exit code.
    let text = read.await.unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

async fn staged_folders(
    context: &TaskContext<'_>,
    name: &str,
    count: usize,
) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = Vec::with_capacity(count);
    for number in 1..=count {
        let folder = context.folder.join(format!("{name}{number}"));
        let made = tokio::fs::create_dir_all(&folder).await;
        made.map_err(|error| Failure::scratch("creating a staging folder", &error))?;
        folders.push(folder);
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::activity::{Tools, tests::hindered};
    use crate::ledger::WorkKey;
    use crate::progress::Progress;
    use crate::{Clients, Config};

    fn shell(command: &str, arguments: &[&str]) -> ShellCommandActivity {
        ShellCommandActivity {
            script: Script::Inline(command.to_owned()),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            is_staged: false,
            inputs: Vec::new(),
            outputs: Vec::new(),
            stdout: None,
            stderr: None,
        }
    }

    async fn perform(folder: &Path, shell: &ShellCommandActivity) -> Result<(), Failure> {
        // The clients are never used, because nothing here is staged.
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::new("us-east-1"))
            .build();
        let tools = Tools::new(&Clients::new(&config, true), Config::new("group", folder).database_patience);
        let key = WorkKey { pipeline: "df-1".into(), instance: "@Say".into(), generation: 0 };
        let (folder, progress) = (folder.to_owned(), Progress::default());
        let context = TaskContext { tools: &tools, key: &key, component: "Say", folder, progress: &progress };
        shell.run(&context).await.map(drop)
    }

    #[tokio::test]
    async fn arguments_arrive_whole_and_output_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let task = shell("echo \"$# $1\"; echo $OUTPUT1_STAGING_DIR >&2", &["a b", "$HOME"]);
        perform(folder.path(), &task).await.expect("exit code 0");
        assert_eq!(std::fs::read_to_string(folder.path().join(STDOUT)).expect("kept"), "2 a b\n");
    }

    #[tokio::test]
    async fn a_failed_command_reports_its_code_and_the_end_of_its_standard_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let failure =
            perform(folder.path(), &shell("echo no such luck >&2; exit 3", &[])).await.expect_err("failed");
        assert_eq!(failure.id, "ActivityFailed:NonZeroExit");
        assert_eq!(failure.message, "the command ended with exit code 3: no such luck");
    }

    #[tokio::test]
    async fn dropping_the_work_ends_the_command_and_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let (started, ended) = (folder.path().join("started"), folder.path().join("ended"));
        let command = format!(
            "( trap 'touch {}; exit' TERM; touch {}; while true; do sleep 0.05; done ) & wait",
            ended.display(),
            started.display()
        );
        let task = shell(&command, &[]);
        tokio::select! {
            _ = perform(folder.path(), &task) => panic!("the command does not end by itself"),
            () = appears(&started) => {}
        }
        appears(&ended).await;
    }

    async fn appears(path: &Path) {
        let limit = tokio::time::timeout(Duration::from_secs(20), async {
            while !path.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        limit.await.unwrap_or_else(|_| panic!("{} did not appear", path.display()));
    }

    #[test]
    fn a_shell_command_takes_any_node_as_a_dependency() {
        let shell = r#"{"id": "Work", "type": "ShellCommandActivity", "input": {"ref": "Table"}}"#;
        let table = r#"{"id": "Table", "type": "DynamoDBDataNode"}"#;
        assert_eq!(hindered(&format!("{shell}, {table}")), Vec::<String>::new());
    }
}
