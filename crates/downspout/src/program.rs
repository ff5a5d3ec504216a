//! The whole program, from its command line to its exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::command::{self, Cli, exit};

/// Reads the command line, runs the command, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(&cli);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&anyhow::Error::from(error).context("starting")).into(),
    };
    let outcome = runtime.block_on(command::run(cli));
    // The limit lets the program end even if a thread still waits for standard input or for a slow disk.
    runtime.shutdown_timeout(std::time::Duration::from_millis(500));
    outcome.unwrap_or_else(|error| exit::report(&error)).into()
}

fn log_to_stderr(cli: &Cli) {
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
    let filter = EnvFilter::try_new(&filter).unwrap_or_else(|_| EnvFilter::new("warn,s3s=off"));
    let has_colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_target(false).with_ansi(has_colour).init();
}
