//! Gives the stream files to the server of streams, and tells people of a file that does not take effect. [`alarms`] tells
//! them of a stream that cannot deliver.

pub(super) mod alarms;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use definition::file::decode;
use sha2::{Digest, Sha256};
use stream::file::{Finding, stream_name};
use stream_server::{FileReport, StreamServer};

use super::data_dir::{read_json, write_json};
use crate::sdk_error::readable;

/// The folder of the stream files among the definitions.
const FOLDER: &str = "streams/";

/// The reason why a schema file cannot be read that a stream file names.
pub(crate) const NO_SCHEMA: &str = "there is no such file beside the stream file";

/// The topic for notices.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) arn: String,
}

impl Topic {
    /// Publishes a notice about a stream.
    async fn publish(&self, subject: &str, message: String) -> anyhow::Result<()> {
        // The name of a stream alone may be longer than SNS allows a subject to be.
        let subject = definition::subject::of(subject);
        let call = self.sns.publish().topic_arn(&self.arn).set_subject(subject).message(message);
        call.send().await.map_err(readable).context("publishing a notice about a stream")?;
        Ok(())
    }
}

/// The stream files of a stack.
pub(super) struct StreamFiles {
    pub(super) server: StreamServer,
    pub(super) topic: Topic,
    /// The path of the file with a digest of each text that was reported to people, by the name of the stream.
    pub(super) reported: PathBuf,
}

impl StreamFiles {
    /// Lets the stream files among `files` take effect. The streams whose files are gone deliver their remaining records.
    ///
    /// A file with an error changes nothing. Each text with an error causes one notice.
    ///
    /// # Errors
    ///
    /// If a notice cannot be published; then the next call publishes it. Every usable file has taken effect all the same.
    pub(super) async fn take(&self, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
        let mut texts = BTreeMap::new();
        for (key, bytes) in files {
            match key.strip_prefix(FOLDER).and_then(stream_name) {
                Some(Ok(name)) => drop(texts.insert(name.to_string(), text(key, bytes))),
                Some(Err(error)) => {
                    tracing::error!(s3.key = %key, %error, "this is not the file of a stream")
                }
                None => {}
            }
        }
        let beside = |name: &str| {
            let key = format!("{FOLDER}{name}");
            let bytes = files.get(&key).ok_or_else(|| NO_SCHEMA.to_owned())?;
            decode(bytes).map(str::to_owned).map_err(|error| error.to_string())
        };
        let reports = self.server.set_files(&texts, &beside).await;
        let before: BTreeMap<String, String> = read_json(&self.reported)?.unwrap_or_default();
        let mut reported = BTreeMap::new();
        for report in &reports {
            let problems = problems(report);
            if problems.is_empty() {
                continue;
            }
            let bytes = files.get(&format!("{FOLDER}{}.json", report.name));
            let digest = hex::encode(Sha256::digest(bytes.map_or(&[][..], Vec::as_slice)));
            if before.get(&report.name) != Some(&digest) {
                self.publish_problems(&report.name, &problems).await?;
            }
            reported.insert(report.name.clone(), digest);
        }
        if reported != before {
            write_json(&self.reported, &reported)?;
        }
        Ok(())
    }

    /// Publishes the notice about a file that does not take effect.
    async fn publish_problems(&self, name: &str, problems: &[String]) -> anyhow::Result<()> {
        tracing::error!(stream.name = %name, problem = %problems[0], "a stream file does not take effect");
        let message = format!(
            "The file streams/{name}.json does not take effect. If the stream was there before, it goes on as it was.\n\n\
             What is wrong\n{}\n\nWhat to do: correct the file. It takes effect when it is saved, and downspout validate \
             shows what is still wrong.",
            problems.join("\n")
        );
        self.topic.publish(&format!("stream {name}: the file has errors"), message).await
    }
}

/// Returns the text of a file, or its problem.
fn text(key: &str, bytes: &[u8]) -> Result<String, String> {
    decode(bytes)
        .map(str::to_owned)
        .map_err(|error| format!("{key}:{}:{}: {}", error.span.at.line, error.span.at.column, error.message))
}

/// Returns why a file does not take effect, a line for each reason; nothing if it does.
fn problems(report: &FileReport) -> Vec<String> {
    let errors = report.findings.iter().filter(|finding| finding.is_error);
    errors.map(|finding| line(&report.name, finding)).chain(report.failure.clone()).collect()
}

fn line(name: &str, finding: &Finding) -> String {
    match finding.span {
        Some(span) => {
            format!("{FOLDER}{name}.json:{}:{}: {}", span.at.line, span.at.column, finding.message)
        }
        None => format!("{FOLDER}{name}.json: {}", finding.message),
    }
}
