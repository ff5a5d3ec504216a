//! `demo`: starts a stack, drops the sample files, and shows the run, the tables and the mail.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio_postgres::SimpleQueryMessage;

use super::output::{self, Style};
use super::run_view;
use super::{Exit, drop, follow, private_files, up};
use crate::local::stack::{Endpoints, SAMPLE_DAY, SAMPLES, Stack, StackConfig};
use crate::sdk_error::readable;

const AFTER_HELP: &str = "\
The stack of the demo uses a temporary directory, which is deleted at the end. With --data-dir DIR the directory stays, and \
`downspout --data-dir DIR up` continues with it.";

/// The tables that the shipped pipeline builds.
const TABLES: [&str; 3] =
    ["analytics.agg_public_holiday", "analytics.agg_shipments", "analytics.best_performing_product"];
/// How long the demo waits for the mail. The service publishes the mail when the run ends, which may be shortly after
/// the demo has noticed the end.
const MAIL_LIMIT: Duration = Duration::from_secs(20);

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DemoArgs {}

pub(super) async fn run(data_dir: Option<&Path>, _args: DemoArgs) -> anyhow::Result<Exit> {
    let temporary =
        tempfile::Builder::new().prefix("downspout-demo-").tempdir().context("making a data directory")?;
    let data_dir = data_dir.unwrap_or(temporary.path());
    title("The stack")?;
    let config = StackConfig { command_umask: Some(private_files::ensure()?), ..StackConfig::new(data_dir) };
    let stack = Stack::start(config).await?;
    output::print(&up::address_table(
        stack.endpoints(),
        "the shipped definitions",
        None,
        &stack.stream_names().await,
    ))?;
    let shown = tokio::select! {
        shown = show(stack.endpoints()) => shown,
        _ = tokio::signal::ctrl_c() => Ok(Exit::Failed),
    };
    stack.stop().await;
    shown
}

async fn show(endpoints: &Endpoints) -> anyhow::Result<Exit> {
    title("The drop")?;
    let known = run_view::list(&endpoints.datapipeline()).await?.into_iter().map(|(id, _)| id).collect();
    let keys = drop_samples(endpoints).await?;
    title("The run")?;
    let exit = drop::follow_keys(endpoints, &keys, &known).await?;
    for table in TABLES {
        title(table)?;
        output::print(&contents(endpoints, table).await?)?;
    }
    title("The mail")?;
    output::print(&mail(&endpoints.outbox).await?)?;
    Ok(exit)
}

async fn drop_samples(endpoints: &Endpoints) -> anyhow::Result<Vec<String>> {
    let mut keys = BTreeSet::new();
    for (name, bytes) in SAMPLES {
        let key = format!("incoming/{SAMPLE_DAY}/{name}");
        let call =
            endpoints.s3().put_object().bucket(&endpoints.buckets.drop).key(&key).body(bytes.to_vec().into());
        call.send().await.map_err(readable).with_context(|| format!("uploading {name}"))?;
        output::line(&format!(
            "s3://{}/{key}  {} bytes",
            endpoints.buckets.drop,
            output::count(bytes.len() as u64)
        ))?;
        keys.insert(key);
    }
    Ok(keys.into_iter().collect())
}

async fn contents(endpoints: &Endpoints, table: &str) -> anyhow::Result<String> {
    let (client, connection) = tokio_postgres::connect(&endpoints.postgres, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(&format!("TABLE {table}")).await;
    std::mem::drop(client);
    let _ = connection.await;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for message in messages.with_context(|| format!("reading {table}"))? {
        let SimpleQueryMessage::Row(row) = message else { continue };
        // Each column gets a line, so that a row fits on a narrow terminal.
        rows.extend(row.columns().iter().enumerate().map(|(index, column)| {
            vec![output::paint(column.name(), Style::Dim), row.get(index).unwrap_or("NULL").to_owned()]
        }));
    }
    Ok(output::table(&[], rows))
}

/// Returns the text of the newest mail, with the headers that a mail program shows. Waits for the first mail if there
/// is none.
async fn mail(outbox: &Path) -> anyhow::Result<String> {
    let newest = async {
        loop {
            if let Some(path) = newest(outbox) {
                return path;
            }
            tokio::time::sleep(follow::POLL_INTERVAL).await;
        }
    };
    let path = tokio::time::timeout(MAIL_LIMIT, newest).await.context("no mail arrived in the outbox")?;
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let wanted =
        |line: &&str| ["From:", "To:", "Subject:", "Date:"].iter().any(|name| line.starts_with(name));
    let head: Vec<&str> = head.lines().filter(wanted).collect();
    Ok(format!("{}\n\n{body}", head.join("\n")))
}

fn newest(outbox: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(outbox).ok()?;
    let mails = entries.filter_map(Result::ok).map(|entry| entry.path());
    mails.filter(|path| path.extension().is_some_and(|ending| ending == "eml")).max()
}

fn title(text: &str) -> std::io::Result<()> {
    output::line(&format!("\n{}", output::paint(&format!("== {text}"), Style::Bold)))
}
