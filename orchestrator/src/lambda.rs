//! The program `bootstrap`, which the `provided` runtimes of Lambda run as the function.

mod emf;
mod environment;
mod tls;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_datapipeline::config::Credentials;
use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::aws::Clients;
use crate::{Handled, Orchestrator};
use environment::{Environment, Problem, VARIABLES};

/// The exit code of a command line that cannot be understood.
const WRONG_USAGE: u8 = 2;

/// Runs the program with the arguments and the environment of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let environment = || Environment::read(|name| std::env::var(name).ok());
    match arguments.as_slice() {
        [] => run(environment()),
        ["--check"] => check(environment()),
        ["--help" | "-h"] => {
            print(&help());
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: bootstrap [--check | --help]");
            ExitCode::from(WRONG_USAGE)
        }
    }
}

fn help() -> String {
    let mut help = "\
bootstrap: starts pipelines for dropped files, as a function of AWS Lambda

Lambda starts the program without arguments. By hand:
  bootstrap --check   print the configuration as it is understood, or everything that is wrong with it
  bootstrap --help    print this text

Environment variables:
"
    .to_owned();
    for (name, meaning) in VARIABLES {
        help.push_str(&format!("  {name}\n      {meaning}.\n"));
    }
    help.push_str(
        "\nThe AWS SDK finds the credentials. SSL_CERT_FILE and SSL_CERT_DIR name root certificates in \
         addition to those in the program.\n",
    );
    help
}

fn check(environment: Result<Environment, Vec<Problem>>) -> ExitCode {
    match environment {
        Ok(environment) => {
            print(&environment.described());
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{}", wrong(&problems));
            ExitCode::FAILURE
        }
    }
}

fn wrong(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
    format!("the configuration cannot be used:{}", lines.concat())
}

/// Prints a text. Ignores errors: the reader of the output may have ended, and the program goes on without it.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn run(environment: Result<Environment, Vec<Problem>>) -> ExitCode {
    let filter = environment.as_ref().map_or("info", Environment::log);
    let log = tracing_subscriber::fmt().json().with_span_list(false);
    log.with_env_filter(EnvFilter::new(filter)).init();
    let environment = match environment {
        Ok(environment) => environment,
        Err(problems) => {
            tracing::error!("{}", wrong(&problems));
            return ExitCode::FAILURE;
        }
    };
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!(
            "AWS_LAMBDA_RUNTIME_API is not set, so Lambda has not started this program: see `bootstrap --help` \
             for its use by hand"
        );
        return ExitCode::from(WRONG_USAGE);
    }
    // One thread is enough, because the function waits for services most of the time. A runtime with one thread also
    // starts faster.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended =
        runtime.context("starting the runtime").and_then(|runtime| runtime.block_on(serve(&environment)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the function ended");
            ExitCode::FAILURE
        }
    }
}

/// Handles invocations until the process ends.
async fn serve(environment: &Environment) -> anyhow::Result<()> {
    let clients = clients(environment).await?;
    let orchestrator = Arc::new(Orchestrator::new(environment.config(), clients)?);
    let handle = service_fn(move |event: LambdaEvent<Value>| {
        let orchestrator = Arc::clone(&orchestrator);
        async move { invoke(&orchestrator, event).await }
    });
    lambda_runtime::run(handle).await.map_err(|error| anyhow::anyhow!(error))
}

async fn invoke(
    orchestrator: &Orchestrator,
    event: LambdaEvent<Value>,
) -> Result<Value, lambda_runtime::Error> {
    let LambdaEvent { payload, context } = event;
    let deadline = i64::try_from(context.deadline).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let Handled { answer, metrics } = orchestrator.handle_until(payload, deadline).await;
    let function = &context.env_config.function_name;
    for line in emf::lines(&metrics, function, &context.request_id, Timestamp::now()) {
        print(&format!("{line}\n"));
    }
    // The log and the dead-letter queue get the whole chain of causes.
    answer.map_err(|error| lambda_runtime::Error::from(format!("{error:#}")))
}

/// Returns the clients, which keep their connections from invocation to invocation.
async fn clients(environment: &Environment) -> anyhow::Result<Clients> {
    let http = tls::client(environment.authority()).context("reading the root certificates")?;
    let config: SdkConfig = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    // A configured endpoint may be an IP address, and a host name cannot be a bucket's name in front of an IP address.
    let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(environment.has_own_s3()).build();
    let mut datapipeline = aws_sdk_datapipeline::config::Builder::from(&config);
    if let Some((id, secret)) = environment.pipeline_key() {
        let key = Credentials::new(id, secret, None, None, "the environment of the function");
        datapipeline = datapipeline.credentials_provider(key);
    }
    Ok(Clients {
        s3: aws_sdk_s3::Client::from_conf(s3),
        datapipeline: aws_sdk_datapipeline::Client::from_conf(datapipeline.build()),
        sns: aws_sdk_sns::Client::new(&config),
    })
}
