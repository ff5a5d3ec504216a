//! The sweep: brings on whatever events did not.
//!
//! Whole sets that nobody started, `next` and deferred ones whose time has come, claims whose holder is gone, and
//! the outcomes of runs that ended. It goes the same way as an event, set by set, the oldest first.

use std::collections::BTreeMap;

use anyhow::Context as _;
use definition::trigger::Captures;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::book::Entry;
use crate::definitions::Definitions;
use crate::handler::Handler;
use crate::ledger::{Content, DroppedFile, Ledger, State};
use crate::ports::{Depth, Edges};
use crate::report::{Decision, SweepReport, Verdict};
use crate::sets::Set;
use crate::status::incomplete;

/// Ledgers read at the same time.
const READ_AT_ONCE: usize = 16;

/// A set as the sweep came upon it.
struct Candidate<'a> {
    set: Set<'a>,
    /// Those of its files that are in the bucket.
    files: Vec<DroppedFile>,
    entry: Entry,
}

impl Candidate<'_> {
    fn landed_at(&self) -> Option<Timestamp> {
        self.files.iter().map(|file| file.modified).max()
    }

    fn missing(&self) -> Vec<String> {
        let keys = self.set.trigger.keys(&self.set.captures);
        let is_missing =
            |key: &&definition::trigger::S3Key| self.files.iter().all(|file| file.key != key.as_str());
        keys.iter().filter(is_missing).map(ToString::to_string).collect()
    }
}

impl<E: Edges> Handler<E> {
    /// Looks at every set once.
    pub(crate) async fn sweep(&self) -> anyhow::Result<SweepReport> {
        let definitions = self.load_definitions().await?;
        let mut report = SweepReport::default();
        for index in 0..definitions.files.len() {
            let name = &definitions.files[index].name;
            if let Err(error) = self.sweep_definition(&definitions, name, &mut report).await {
                report_failure(&mut report, name, &error);
            }
        }
        Ok(report)
    }

    async fn sweep_definition(
        &self,
        definitions: &Definitions,
        name: &str,
        report: &mut SweepReport,
    ) -> anyhow::Result<()> {
        let first_seen = match definitions.triggered().find(|(file, ..)| file.name == name) {
            Some((_, _, trigger)) if trigger.backfill => Timestamp::MIN,
            Some(_) => self.first_seen(name).await?,
            None => return Ok(()),
        };
        let mut candidates = self.candidates(definitions, name).await?;
        candidates.retain(|candidate| {
            // What landed before the definition did is nobody's drop.
            candidate.entry.exists() || candidate.landed_at().is_some_and(|landed| landed >= first_seen)
        });
        candidates.sort_by_key(Candidate::landed_at);
        let mut is_taken = false;
        for candidate in candidates {
            let set = format!("{name}/{}", candidate.set.id);
            match self.sweep_set(candidate, is_taken, report).await {
                Ok(Some(decision)) if decision.verdict != Verdict::Duplicate => {
                    // What stands behind another set's run goes before everything younger.
                    is_taken |= decision.verdict == Verdict::Behind;
                    report.decisions.push(decision)
                }
                Ok(Some(_) | None) => {}
                Err(error) => report_failure(report, &set, &error),
            }
        }
        Ok(())
    }

    /// Lists the definition's drops and ledgers, and puts them together by set.
    async fn candidates<'a>(
        &self,
        definitions: &'a Definitions,
        name: &str,
    ) -> anyhow::Result<Vec<Candidate<'a>>> {
        let Some((file, watched, trigger)) = definitions.triggered().find(|(file, ..)| file.name == name)
        else {
            return Ok(Vec::new());
        };
        let values = match definitions.values() {
            Ok(values) => values,
            Err(why) => anyhow::bail!("values.json cannot be used: {why}"),
        };
        let set = |bucket: &str, captures: Captures| {
            let id = captures.encoded();
            Set { file, watched, trigger, values, bucket: bucket.to_owned(), captures, id }
        };
        let mut candidates: BTreeMap<String, Candidate<'a>> = BTreeMap::new();
        if let Some(bucket) = &self.config.drop_bucket {
            for (captures, files) in self.dropped(bucket, trigger).await? {
                let set = set(bucket, captures);
                let entry = self.book.absent(name, &set.id);
                candidates.insert(set.id.clone(), Candidate { set, files, entry });
            }
        }
        let folder = self.book.folder(name);
        let listing = self.edges.list(&self.book.home.bucket, &folder, Depth::Level).await;
        let listing = listing.with_context(|| format!("listing {folder}"))?;
        let sets =
            listing.into_iter().filter_map(|listed| Some((self.book.set_of(name, &listed.key)?, listed)));
        let entries = sets.map(|(id, listed)| async move {
            let entry = self.book.listed(&self.edges, &listed).await?;
            anyhow::Ok((id, entry))
        });
        let entries: Vec<_> = stream::iter(entries).buffer_unordered(READ_AT_ONCE).try_collect().await?;
        for (id, entry) in entries {
            if let Some(candidate) = candidates.get_mut(&id) {
                candidate.entry = entry;
                continue;
            }
            // The files are gone, or no bucket is known to list; the ledger remembers their keys.
            let Some(captures) = captures_of(&entry, trigger) else { continue };
            let bucket = entry.ledger.bucket.clone();
            let set = set(&bucket, captures);
            candidates.insert(id, Candidate { set, files: Vec::new(), entry });
        }
        Ok(candidates.into_values().collect())
    }

    /// Lists the files under the patterns' literal beginnings, by what their keys capture.
    async fn dropped(
        &self,
        bucket: &str,
        trigger: &definition::trigger::Trigger,
    ) -> anyhow::Result<BTreeMap<Captures, Vec<DroppedFile>>> {
        let mut sets: BTreeMap<Captures, Vec<DroppedFile>> = BTreeMap::new();
        for prefix in trigger.literal_prefixes() {
            let listing = self.edges.list(bucket, &prefix, Depth::All).await;
            for listed in listing.with_context(|| format!("listing s3://{bucket}/{prefix}"))? {
                let Some(captures) = trigger.captures(&listed.key) else { continue };
                let file = DroppedFile { key: listed.key, etag: listed.etag, modified: listed.modified };
                sets.entry(captures).or_default().push(file);
            }
        }
        Ok(sets)
    }

    async fn sweep_set(
        &self,
        mut candidate: Candidate<'_>,
        is_taken: bool,
        report: &mut SweepReport,
    ) -> anyhow::Result<Option<Decision>> {
        report.ended += usize::from(self.write_outcome(&mut candidate.entry).await?);
        let missing = candidate.missing();
        let Candidate { set, files, entry } = candidate;
        if missing.is_empty() {
            if is_taken {
                return Ok(None);
            }
            let content = Content::new(set.definition(), &set.id, files);
            let decision = match self.bring_on(&set, &content, entry).await? {
                Some(decision) => decision,
                None => self.consider(&set).await?,
            };
            return Ok(Some(decision));
        }
        if self.config.drop_bucket.is_none() && files.is_empty() {
            return self.consider(&set).await.map(Some);
        }
        let entry = self.give_up_gone(entry).await?;
        match files.iter().map(|file| file.modified).min() {
            Some(first) => self.tell_missing(&set, entry, first, missing).await.map(Some),
            None => Ok(None),
        }
    }

    /// Writes the end of the head's run, if it has ended; returns whether it had.
    async fn write_outcome(&self, entry: &mut Entry) -> anyhow::Result<bool> {
        let head = entry.ledger.head.as_ref().filter(|head| head.state == State::Activated);
        let Some(id) = head.and_then(|head| head.pipeline_id.clone()) else { return Ok(false) };
        let ending = self.ending(&id).await.with_context(|| format!("looking at {id}"))?;
        let mut ledger = entry.ledger.clone();
        ledger.settle_head(ending, self.now());
        if ledger == entry.ledger {
            return Ok(false);
        }
        match self.book.put(&self.edges, entry, ledger).await? {
            Some(written) => {
                *entry = written;
                Ok(true)
            }
            // Somebody is at it; what stands there now is what the set is looked at with.
            None => {
                *entry = self.book.again(&self.edges, entry).await?;
                Ok(false)
            }
        }
    }

    /// A claim, a deferral or a `next` whose files are gone has nothing to wait for.
    async fn give_up_gone(&self, entry: Entry) -> anyhow::Result<Entry> {
        let mut ledger = entry.ledger.clone();
        ledger.next = None;
        if let Some(head) = &mut ledger.head {
            let is_given_up =
                matches!(head.state, State::Claimed | State::Created) && !head.is_leased(self.now());
            if head.state == State::Deferred || (is_given_up && head.pipeline_id.is_none()) {
                head.state = State::Superseded;
            }
        }
        if ledger == entry.ledger {
            return Ok(entry);
        }
        match self.book.put(&self.edges, &entry, ledger).await? {
            Some(written) => Ok(written),
            None => self.book.again(&self.edges, &entry).await,
        }
    }

    /// Tells once which files are missing, after `myWaitFor`.
    async fn tell_missing(
        &self,
        set: &Set<'_>,
        entry: Entry,
        first: Timestamp,
        missing: Vec<String>,
    ) -> anyhow::Result<Decision> {
        let is_late = set.trigger.wait_for.is_some_and(|wait_for| self.now() >= wait_for.after(first));
        let notice = self.incomplete_notice(set, first, &missing);
        if is_late && entry.ledger.head.is_none() && !entry.ledger.notices.contains(&notice.id) {
            self.edges.publish(&notice).await.context("publishing a notice")?;
            let mut ledger = entry.ledger.clone();
            ledger.bucket.clone_from(&set.bucket);
            ledger.remember_notice(&notice.id);
            self.book.put(&self.edges, &entry, ledger).await?;
        }
        Ok(incomplete(set, missing, "these files have not arrived yet"))
    }
}

fn captures_of(entry: &Entry, trigger: &definition::trigger::Trigger) -> Option<Captures> {
    let Ledger { head, next, .. } = &entry.ledger;
    let files = head.as_ref().map(|head| &head.files).or(next.as_ref().map(|next| &next.files))?;
    trigger.captures(&files.first()?.key)
}

fn report_failure(report: &mut SweepReport, what: &str, error: &anyhow::Error) {
    tracing::error!(set = what, error = format!("{error:#}"), "the sweep could not deal with this");
    report.failures.push(format!("{what}: {error:#}"));
}
