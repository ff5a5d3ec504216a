//! The whole program, from its command line to its exit code.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use tokio::runtime::Runtime;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::command::{self, Cli, Command, LogArgs, LogFormat, exit};
use crate::traces::Traces;

/// The stack of each thread. A program that is not optimised needs more than the usual 2 MiB for the calls of AWS's SDK.
const STACK_BYTES: usize = 8 << 20;
/// How many files of the log stay.
const LOG_FILES: usize = 14;

/// Reads the command line, runs the command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match runtime(&cli.command) {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::from(error).context("starting")).into(),
    };
    let traces = match start_log(&cli, &runtime) {
        Ok(traces) => traces,
        Err(error) => return exit::report(&error).into(),
    };
    let outcome = runtime.block_on(command::run(cli));
    if let Some(traces) = traces {
        traces.flush();
    }
    // The limit lets the program end even if a thread still waits for standard input or for a slow disk.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    outcome.unwrap_or_else(|error| exit::report(&error)).into()
}

/// Returns the runtime of a command.
fn runtime(command: &Command) -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    // The embedded PostgreSQL measures the stack of its thread, and starts only with the usual size.
    if !matches!(command, Command::DatabaseServer(_)) {
        builder.thread_stack_size(STACK_BYTES);
    }
    builder.build()
}

/// Starts the log, and the exporter of traces if the command has a collector. The error says that the file of the log cannot be
/// written, or that the exporter cannot start.
fn start_log(cli: &Cli, runtime: &Runtime) -> anyhow::Result<Option<Traces>> {
    let ours = |level: &str| {
        format!("warn,downspout={level},orchestrator={level},server={level},ec2_worker={level}")
    };
    let default = match (cli.verbose, cli.command.runs_a_stack()) {
        (0, false) => "warn".to_owned(),
        (0, true) | (1, _) => ours("info"),
        (_, _) => ours("debug"),
    };
    let filter =
        std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|filter| !filter.is_empty()).unwrap_or(default);
    // s3s logs each refused request as an error. The front of S3 logs the same requests as debug messages.
    let filter = if filter.contains("s3s") { filter } else { format!("{filter},s3s=off") };
    let spans = format!("{}=off", server::SPAN_TARGET);
    let filter = EnvFilter::try_new(format!("{filter},{spans}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,s3s=off,{spans}")));
    let LogArgs { log_file, log_format } = cli.command.log();
    let has_colour = log_file.is_none()
        && std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let writer = match log_file {
        Some(file) => BoxMakeWriter::new(daily(&file)?),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let log = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false);
    let log = match log_format {
        LogFormat::Text => log.with_ansi(has_colour).with_filter(filter).boxed(),
        LogFormat::Json => log.json().with_filter(filter).boxed(),
    };
    let endpoint = cli.command.otlp_endpoint();
    let traces = endpoint.map(|endpoint| Traces::start(&endpoint, runtime.handle().clone())).transpose()?;
    let layers: Vec<_> = [log].into_iter().chain(traces.as_ref().map(Traces::layer)).collect();
    tracing_subscriber::registry().with(layers).init();
    Ok(traces)
}

/// Returns a writer that begins a new file each day: the given name with the date at its end.
fn daily(file: &Path) -> anyhow::Result<RollingFileAppender> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name =
        name.with_context(|| format!("--log-file {}: this is not the name of a file", file.display()))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let builder = RollingFileAppender::builder().rotation(Rotation::DAILY).filename_prefix(name);
    let made = builder.max_log_files(LOG_FILES).build(folder);
    made.with_context(|| format!("--log-file {}: writing into {}", file.display(), folder.display()))
}
