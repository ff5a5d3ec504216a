//! `env`: prints the addresses and keys of the stack as environment variables, for `eval`.

use std::path::Path;

use clap::Args;
use url::Url;

use super::{Exit, output, running_stack};
use crate::local::stack::Endpoints;

const AFTER_HELP: &str = "\
Examples:
  eval \"$(downspout env)\"
  aws s3 ls s3://downspout-drop/
  aws datapipeline list-pipelines
  curl -H \"x-api-key: $DOWNSPOUT_API_KEY\" \"$DOWNSPOUT_STREAMS_URL/streams\"
  psql \"$DATABASE_URL\" -c 'TABLE analytics.agg_shipments'

The S3 endpoint takes the bucket in the path or in the host name: BUCKET.localhost or BUCKET.s3.localhost.";

/// Arguments of `env`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct EnvArgs {
    /// Print one JSON object instead of `export` lines
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(data_dir: &Path, args: &EnvArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let variables = variables(&endpoints);
    if args.json {
        output::json(&variables.into_iter().collect::<std::collections::BTreeMap<_, _>>())?;
    } else {
        let export = |(name, value): &(&str, String)| format!("export {name}={}\n", shell_quoted(value));
        let exports: String = variables.iter().map(export).collect();
        // A session token of the user's own keys would make the keys of the stack invalid.
        output::print(&format!("{exports}unset AWS_SESSION_TOKEN\n"))?;
    }
    Ok(Exit::Done)
}

fn variables(endpoints: &Endpoints) -> Vec<(&'static str, String)> {
    let mut variables = endpoints.environment();
    variables.push(("DOWNSPOUT_STREAMS_URL", endpoints.streams.clone()));
    variables.push(("DOWNSPOUT_API_KEY", endpoints.api_key.clone()));
    variables.push(("DATABASE_URL", endpoints.postgres.clone()));
    if let Ok(url) = Url::parse(&endpoints.postgres) {
        variables.push(("PGHOST", url.host_str().unwrap_or("127.0.0.1").to_owned()));
        variables.push(("PGPORT", url.port().unwrap_or(5432).to_string()));
        variables.push(("PGUSER", url.username().to_owned()));
        variables.push(("PGDATABASE", url.path().trim_start_matches('/').to_owned()));
        variables.extend(url.password().map(|password| ("PGPASSWORD", password.to_owned())));
    }
    variables
}

/// Returns the value quoted as one word of any POSIX shell.
fn shell_quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word_of_the_shell() {
        assert_eq!(shell_quoted("us-east-1"), "us-east-1");
        assert_eq!(shell_quoted("a b'c$d"), r"'a b'\''c$d'");
        assert_eq!(shell_quoted(""), "''");
    }
}
