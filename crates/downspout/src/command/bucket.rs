//! `ls` and `get`: list the stack's buckets, and fetch objects from them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tokio::io::AsyncWriteExt;

use super::{Exit, output, running_stack};
use crate::bucket_listing;
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

const LS_HELP: &str = "\
Examples:
  downspout ls                          the buckets
  downspout ls drop                     keys of s3://downspout-drop
  downspout ls s3://downspout-results/orders/";
const GET_HELP: &str = "\
Examples:
  downspout get results/orders/2026-03-01/agg_shipments.csv          to the terminal
  downspout get s3://downspout-results/orders/x.csv x.csv            to a file";

/// Arguments of `ls`.
#[derive(Debug, Args)]
#[command(after_help = LS_HELP)]
pub struct LsArgs {
    /// Bucket and prefix, as `s3://bucket/prefix` or `bucket/prefix`; `drop`, `definitions`, `results` and `logs` stand for
    /// the stack's own buckets
    location: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
#[command(after_help = GET_HELP)]
pub struct GetArgs {
    /// Bucket and key, as `s3://bucket/key` or `bucket/key`
    location: String,
    /// File to write; `-` is standard output [default: standard output]
    file: Option<PathBuf>,
}

/// One S3 object, as `ls` shows it.
#[derive(Debug, Serialize)]
struct ShownObject {
    bucket: String,
    key: String,
    size: i64,
    last_modified: String,
    etag: String,
}

pub(super) async fn ls(data_dir: &Path, args: &LsArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let s3 = endpoints.s3();
    let Some(location) = &args.location else {
        let answer = s3.list_buckets().send().await.map_err(readable)?;
        let names: Vec<&str> = answer.buckets().iter().filter_map(|bucket| bucket.name()).collect();
        match args.json {
            true => output::json(&names)?,
            false => output::print(&names.iter().map(|name| format!("s3://{name}\n")).collect::<String>())?,
        }
        return Ok(Exit::Done);
    };
    let (bucket, prefix) = split(&endpoints, location);
    let listed: Vec<_> = bucket_listing::objects(&s3, &bucket, &prefix)
        .await?
        .into_iter()
        .map(|object| ShownObject {
            bucket: bucket.clone(),
            key: object.key,
            size: object.size,
            last_modified: object.last_modified,
            etag: object.etag,
        })
        .collect();
    if args.json {
        output::json(&listed)?;
    } else {
        let row =
            |item: &ShownObject| vec![item.last_modified.clone(), item.size.to_string(), item.key.clone()];
        output::print(&output::table(&[], listed.iter().map(row).collect()))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn get(data_dir: &Path, args: &GetArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let (bucket, key) = split(&endpoints, &args.location);
    let what =
        format!("{} is not the key of an object: `downspout ls s3://{bucket}` lists the keys", args.location);
    anyhow::ensure!(!key.is_empty() && !key.ends_with('/'), what);
    let answer = endpoints.s3().get_object().bucket(&bucket).key(&key).send().await;
    let answer = answer.map_err(readable);
    let mut body = answer.with_context(|| format!("fetching s3://{bucket}/{key}"))?.body.into_async_read();
    match args.file.as_deref().filter(|file| *file != Path::new("-")) {
        Some(path) => {
            let mut file = tokio::fs::File::create(path)
                .await
                .with_context(|| format!("creating {}", path.display()))?;
            tokio::io::copy(&mut body, &mut file)
                .await
                .with_context(|| format!("writing {}", path.display()))?;
            file.flush().await?;
        }
        None => {
            let mut stdout = tokio::io::stdout();
            tokio::io::copy(&mut body, &mut stdout).await?;
            stdout.flush().await?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the bucket and the key of `s3://bucket/key` or `bucket/key`. The key is empty without a slash. A short name
/// such as `drop` becomes the name of the stack's bucket.
fn split(endpoints: &Endpoints, location: &str) -> (String, String) {
    let location = location.strip_prefix("s3://").unwrap_or(location);
    let (bucket, key) = location.split_once('/').unwrap_or((location, ""));
    let buckets = &endpoints.buckets;
    let bucket = match bucket {
        "drop" => &buckets.drop,
        "definitions" => &buckets.definitions,
        "results" => &buckets.results,
        "logs" => &buckets.logs,
        other => other,
    };
    (bucket.to_owned(), key.to_owned())
}
