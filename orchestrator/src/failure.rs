//! What people are told, and what is written down about a failure.

use std::sync::PoisonError;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::book::Entry;
use crate::definitions::Loaded;
use crate::handler::Handler;
use crate::ledger::State;
use crate::ports::{Condition, Edges};
use crate::report::Notice;
use crate::sets::Set;
use crate::start::{Failure, FailureKind};

impl<E: Edges> Handler<E> {
    /// Tells once, for each state of the file and each cause, that a definition cannot be used.
    pub(crate) async fn tell_broken(&self, file: &Loaded, why: &str) -> anyhow::Result<()> {
        let name = &file.name;
        let message = format!(
            "{name}.json cannot be used.\n\n{why}\n\nWhere: s3://{}/{}\nWhat to do: mend the file and upload it again. \
             Drops that it waits for are picked up then; nothing is lost.\n",
            self.book.home.bucket,
            self.book.home.key(&format!("{name}.json")),
        );
        let subject = format!("{name}.json cannot be used: {}", why.lines().next().unwrap_or_default());
        let notice = Notice::new(&["broken definition", name, &file.etag, why], &subject, message);
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(&notice.id) {
            return Ok(());
        }
        let bucket = &self.book.home.bucket;
        let mark = format!("{}_notices/{}.json", self.book.folder(name), notice.id);
        let known = self.edges.get(bucket, &mark).await.with_context(|| format!("reading {mark}"))?;
        if known.is_none() {
            tracing::warn!(definition = name, etag = file.etag, reason = why, "a definition cannot be used");
            self.edges.publish(&notice).await.context("publishing a notice")?;
            let body = serde_json::json!({"at": self.now(), "subject": notice.subject}).to_string();
            let put = self.edges.put(bucket, &mark, body, Condition::Absent).await;
            put.with_context(|| format!("writing {mark}"))?;
        }
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(notice.id);
        Ok(())
    }

    /// Says that a set waits for another day.
    pub(crate) fn deferral_notice(&self, set: &Set<'_>, until: Timestamp, cap: u32) -> Notice {
        let (definition, id) = (set.definition(), &set.id);
        let day = until.to_string();
        let message = format!(
            "The files of {definition} ({id}) are complete, but {definition} has started {cap} run(s) today, and \
             `myMaxRunsPerDay` allows no more.\n\nThe set starts by itself from {until} on. What to do if that is too \
             late: raise `myMaxRunsPerDay` in {definition}.json.\n",
        );
        let subject = format!("{definition} {id}: put off until {until}, the day's cap is reached");
        Notice::new(&["deferred", definition, id, &day], &subject, message)
    }

    /// Says which files a set still waits for.
    pub(crate) fn incomplete_notice(&self, set: &Set<'_>, first: Timestamp, missing: &[String]) -> Notice {
        let (definition, id) = (set.definition(), &set.id);
        let list: String = missing.iter().map(|key| format!("  s3://{}/{key}\n", set.bucket)).collect();
        let message = format!(
            "{definition} ({id}) has waited for these files since {first}:\n\n{list}\nWhat to do: drop them. The run \
             starts as soon as the set is complete.\n",
        );
        let subject = format!("{definition} {id}: {} file(s) still missing", missing.len());
        Notice::new(&["incomplete", definition, id, &first.to_string()], &subject, message)
    }

    /// Tells about a run that did not start, writes it into the ledger and gives the error for the caller.
    pub(crate) async fn failed(&self, set: &Set<'_>, entry: &Entry, failure: Failure) -> anyhow::Error {
        let notice = self.failure_notice(set, entry, &failure);
        let is_told = entry.ledger.notices.contains(&notice.id);
        let mut sent = false;
        if failure.kind != FailureKind::Ledger && !is_told {
            match self.edges.publish(&notice).await {
                Ok(()) => sent = true,
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "a notice could not be published")
                }
            }
        }
        let now = self.now();
        let text = format!("{}: {:#}", failure.step, failure.error);
        let written = self.update_ledger(entry, |ledger| {
            if sent {
                ledger.remember_notice(&notice.id);
            }
            let Some(head) = &mut ledger.head else { return };
            head.error = Some(text.clone());
            // The next try need not wait for the lease.
            head.lease_until = head.lease_until.min(now);
            match failure.kind {
                FailureKind::Final => head.state = State::Failed,
                FailureKind::PipelineGone => head.pipeline_id = None,
                FailureKind::Passing | FailureKind::Ledger => {}
            }
        });
        if let Err(error) = written.await {
            tracing::warn!(error = format!("{error:#}"), "a failure could not be written into the ledger");
        }
        if let Some(head) = entry.ledger.head.as_ref().filter(|_| failure.kind != FailureKind::Ledger)
            && let Err(error) = self.give_turn_back(set, &head.holder).await
        {
            tracing::warn!(
                error = format!("{error:#}"),
                "the turn stays with a start that failed, for its lease"
            );
        }
        let place = format!("{} of {}/{}", failure.step, set.definition(), set.id);
        failure.error.context(place)
    }

    fn failure_notice(&self, set: &Set<'_>, entry: &Entry, failure: &Failure) -> Notice {
        let (definition, id) = (set.definition(), &set.id);
        let head = entry.ledger.head.as_ref();
        let run_key = head.map(|head| head.unique_id()).unwrap_or_default();
        let keys = head.map(|head| head.files.iter().map(|file| file.key.as_str()).collect::<Vec<_>>());
        let files: String =
            keys.unwrap_or_default().iter().map(|key| format!("  s3://{}/{key}\n", set.bucket)).collect();
        let what_to_do = match failure.kind {
            FailureKind::Final => format!("mend {definition}.json, then drop the files again"),
            FailureKind::Passing | FailureKind::PipelineGone | FailureKind::Ledger => {
                "nothing yet: it is tried again. If it goes on, see that the pipeline service is up and that the \
                 orchestrator may use it"
                    .to_owned()
            }
        };
        let message = format!(
            "The run of {definition} ({id}) could not start.\n\nWhat went wrong while {}:\n{:#}\n\nDefinition: \
             s3://{}/{}\nFiles:\n{files}\nWhat to do: {what_to_do}.\n",
            failure.step,
            failure.error,
            self.book.home.bucket,
            self.book.home.key(&format!("{definition}.json")),
        );
        // Texts of passing failures differ from try to try; the step is their cause.
        let detail = match failure.kind {
            FailureKind::Final => format!("{:#}", failure.error),
            FailureKind::Passing | FailureKind::PipelineGone | FailureKind::Ledger => String::new(),
        };
        let cause = ["not started", definition, id, &run_key, failure.step, &detail];
        Notice::new(&cause, &format!("{definition} {id}: could not start ({})", failure.step), message)
    }
}
