//! `ShellCommandActivity`: runs a command in a process group of its own, with staged inputs and outputs.
//!
//! The group must not outlive the worker, even if the worker is killed. So a small watcher in the group reads from a
//! pipe, and only the worker has the other end. When the pipe closes for any reason, the watcher ends the group. The
//! worker closes the pipe to cancel a command, and to end the processes that a command left behind.

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
use crate::storage::{S3Uri, Upload};

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
    let (_, text) = context.script(&shell.script).await?;
    let scratch = |error: std::io::Error| Failure::scratch("preparing the command", &error);
    tokio::fs::write(&script, text).await.map_err(scratch)?;
    tokio::fs::create_dir_all(&folder).await.map_err(scratch)?;

    let inputs = staged_folders(context, "input", shell.inputs.len()).await?;
    let outputs = staged_folders(context, "output", shell.outputs.len()).await?;
    for (node, folder) in shell.inputs.iter().zip(&inputs) {
        fetch(context, node, folder).await?;
    }
    for node in shell.outputs.iter().filter(|node| !node.directory) {
        context.progress.note(format!("output `{}` has a filePath; only a directoryPath is staged", node.id));
    }

    let mut command = command(context, shell, &script, &folder)?;
    for (index, folder) in inputs.iter().enumerate() {
        command.env(format!("INPUT{}_STAGING_DIR", index + 1), folder);
    }
    for (index, folder) in outputs.iter().enumerate() {
        command.env(format!("OUTPUT{}_STAGING_DIR", index + 1), folder);
    }
    let result = finish(context, command).await;
    for (path, file) in [(&shell.stdout, STDOUT), (&shell.stderr, STDERR)] {
        if let Some(at) = path {
            send_file(context, &context.folder.join(file), at).await?;
        }
    }
    result?;
    for (node, folder) in shell.outputs.iter().zip(&outputs).filter(|(node, _)| node.directory) {
        send_folder(context, folder, &node.at).await?;
    }
    Ok(())
}

fn command(
    context: &TaskContext<'_>,
    shell: &ShellCommandActivity,
    script: &Path,
    folder: &Path,
) -> Result<Command, Failure> {
    let file = |name: &str| {
        let made = std::fs::File::create(context.folder.join(name));
        made.map_err(|error| Failure::scratch("creating a log file", &error))
    };
    let mut command = Command::new("/bin/bash");
    command
        .arg("-c")
        .arg(WRAPPER)
        .arg("ec2-worker")
        .arg(script)
        .args(&shell.arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(file(STDOUT)?)
        .stderr(file(STDERR)?)
        .process_group(0);
    // The output of a command goes to the logs, so the command must not see the settings of the worker: they may be secret.
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DOWNSPOUT_"))
    {
        command.env_remove(name);
    }
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

async fn fetch(context: &TaskContext<'_>, node: &S3Node, folder: &Path) -> Result<(), Failure> {
    let prefix = format!("{}/", node.at.key.trim_end_matches('/'));
    for object in context.objects_of(node).await? {
        let inside = object.at.key.strip_prefix(&prefix).filter(|_| node.directory);
        let relative = inside.unwrap_or_else(|| object.at.file_name());
        if Path::new(relative).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            context.progress.note(format!("{} is not staged: its key would leave the folder", object.uri()));
            continue;
        }
        let path = folder.join(relative);
        let scratch = |error: std::io::Error| Failure::scratch("staging", &error);
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await.map_err(scratch)?;
        }
        let mut file = tokio::fs::File::create(&path).await.map_err(scratch)?;
        let mut body = context.tools.storage.read(&object, 0, None).await?;
        while let Some(piece) = body.next().await {
            tokio::io::AsyncWriteExt::write_all(&mut file, &piece?).await.map_err(scratch)?;
        }
        tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(scratch)?;
        context.progress.log(&format!("staged {}", object.uri()));
    }
    Ok(())
}

async fn send_folder(context: &TaskContext<'_>, root: &Path, at: &S3Uri) -> Result<(), Failure> {
    let scratch = |error: std::io::Error| Failure::scratch("reading the output folder", &error);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = tokio::fs::read_dir(&folder).await.map_err(scratch)?;
        while let Some(entry) = entries.next_entry().await.map_err(scratch)? {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            send_file(context, &path, &at.child(&relative)).await?;
        }
    }
    context.progress.set("writtenTo", at);
    Ok(())
}

async fn send_file(context: &TaskContext<'_>, path: &Path, at: &S3Uri) -> Result<(), Failure> {
    let scratch = |error: std::io::Error| Failure::scratch("reading an output file", &error);
    let mut file = tokio::fs::File::open(path).await.map_err(scratch)?;
    let mut upload = Upload::new(context.tools.storage.clone(), at.clone());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).await.map_err(scratch)? {
            0 => break,
            count => upload.write(&buffer[..count]).await?,
        }
    }
    upload.finish().await?;
    context.progress.log(&format!("wrote {at}"));
    Ok(())
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
