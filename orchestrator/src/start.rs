//! Starting the run of a claimed set: stale pipelines away, pipeline created, definition put, activated.

use anyhow::Context as _;
use definition::trigger::StaleRuns;
use definition::validate;
use futures::{StreamExt as _, TryStreamExt as _, future, stream};

use crate::book::Entry;
use crate::handler::Handler;
use crate::ledger::{Ending, Head, Ledger, State};
use crate::ports::{Description, Edges, NewPipeline, PipelineError, Refusal};
use crate::sets::Set;
use crate::stale;

/// DescribePipelines takes this many ids at most.
const DESCRIBED_AT_ONCE: usize = 25;
/// Stale pipelines dealt with at the same time; the service allows short bursts only.
const CLEANED_AT_ONCE: usize = 8;
/// Times that a claim's ledger is put again because somebody noted something else in it.
const MAX_PUTS: usize = 8;

/// Why a claimed run did not start.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What was being done, `creating the pipeline`.
    pub step: &'static str,
    pub error: anyhow::Error,
    pub kind: FailureKind,
}

/// What a failure means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The same again fails again: somebody has to mend something.
    Final,
    /// Worth another try.
    Passing,
    /// Worth another try, with another pipeline: this one is gone.
    PipelineGone,
    /// The ledger could not be put. Nothing is known to be wrong with the run; whoever comes next finds out.
    Ledger,
}

impl Failure {
    fn new(step: &'static str, error: PipelineError) -> Self {
        let kind = match error {
            PipelineError::Refused(_) => FailureKind::Final,
            PipelineError::Gone(_) => FailureKind::PipelineGone,
            PipelineError::Unanswered(_) => FailureKind::Passing,
        };
        Self { step, error: error.into(), kind }
    }

    fn is_refused_creation(&self) -> bool {
        self.step == CREATING && self.kind == FailureKind::Final
    }

    fn refused(step: &'static str, refusals: &[Refusal]) -> Self {
        let lines: Vec<_> = refusals
            .iter()
            .map(|refusal| format!("object `{}`: {}", refusal.object, refusal.message))
            .collect();
        Self { step, error: anyhow::anyhow!(lines.join("\n")), kind: FailureKind::Final }
    }

    fn ledger(error: anyhow::Error) -> Self {
        Self { step: "writing the ledger", error, kind: FailureKind::Ledger }
    }
}

const CREATING: &str = "creating the pipeline";
const PUTTING: &str = "putting the pipeline definition";
const ACTIVATING: &str = "activating the pipeline";

impl<E: Edges> Handler<E> {
    /// Runs the claimed head of `entry`; returns the ledger as it is then.
    pub(crate) async fn run(&self, set: &Set<'_>, entry: Entry) -> anyhow::Result<Entry> {
        let started = match set.trigger.stale_runs {
            StaleRuns::Keep => self.start(set, entry.clone()).await,
            // A run that is replaced must not write beside the new one.
            StaleRuns::Replace => {
                self.clean(set, true).await.context("removing earlier pipelines")?;
                self.start(set, entry.clone()).await
            }
            // Ended pipelines stand in nobody's way, so both go on at once.
            StaleRuns::Delete => {
                let (cleaned, started) =
                    future::join(self.clean(set, false), self.start(set, entry.clone())).await;
                if let Err(error) = cleaned {
                    tracing::warn!(error = format!("{error:#}"), "stale pipelines stay for now");
                }
                match started {
                    // The account may have been full until the stale ones went.
                    Err(failure) if failure.is_refused_creation() => self.start(set, entry.clone()).await,
                    started => started,
                }
            }
        };
        match started {
            Ok(entry) => Ok(entry),
            Err(failure) => Err(self.failed(set, &entry, failure).await),
        }
    }

    async fn start(&self, set: &Set<'_>, entry: Entry) -> Result<Entry, Failure> {
        let Some(head) = entry.ledger.head.clone() else {
            return Err(Failure::ledger(anyhow::anyhow!("the ledger has no head")));
        };
        let definition = set.prepared(&head.files, &self.config.topic_arn);
        let problems = validate::for_activation(&definition).errors;
        if !problems.is_empty() {
            let refusals: Vec<_> = problems
                .iter()
                .map(|problem| Refusal { object: problem.object.to_string(), message: problem.to_string() })
                .collect();
            return Err(Failure::refused("checking the definition", &refusals));
        }
        let id = match head.pipeline_id.clone() {
            Some(id) => id,
            None => self
                .edges
                .create(&new_pipeline(set, &head))
                .await
                .map_err(|error| Failure::new(CREATING, error))?,
        };
        // Both must be done before the activation, and neither needs the other.
        let noted = self.update(&entry, |head| {
            head.state = State::Created;
            head.pipeline_id = Some(id.clone());
        });
        let (noted, put) = future::join(noted, self.edges.put_definition(&id, &definition)).await;
        let entry = noted.map_err(Failure::ledger)?;
        let refusals = put.map_err(|error| Failure::new(PUTTING, error))?;
        if !refusals.is_empty() {
            return Err(Failure::refused(PUTTING, &refusals));
        }
        self.activate(entry, &id, &head).await
    }

    /// ActivatePipeline is not idempotent: only the holder of the lease calls it, once.
    ///
    /// That the pipeline is not active yet is known: it was created under this claim, or looked at when the claim
    /// was taken over.
    async fn activate(&self, entry: Entry, id: &str, head: &Head) -> Result<Entry, Failure> {
        if self.now() >= head.lease_until {
            let error = anyhow::anyhow!("the lease ran out before the pipeline could be activated");
            return Err(Failure { step: ACTIVATING, error, kind: FailureKind::Ledger });
        }
        self.edges.activate(id).await.map_err(|error| Failure::new(ACTIVATING, error))?;
        let now = self.now();
        let noted = self.update(&entry, |head| {
            // A sweep may have seen the end of the run already.
            if head.state == State::Created {
                head.state = State::Activated;
            }
            head.activated_at.get_or_insert(now);
        });
        noted.await.map_err(Failure::ledger)
    }

    /// Changes the head of our claim, over whatever others noted beside it.
    pub(crate) async fn update(&self, entry: &Entry, change: impl Fn(&mut Head)) -> anyhow::Result<Entry> {
        self.update_ledger(entry, |ledger| {
            if let Some(head) = &mut ledger.head {
                change(head);
            }
        })
        .await
    }

    pub(crate) async fn update_ledger(
        &self,
        claimed: &Entry,
        change: impl Fn(&mut Ledger),
    ) -> anyhow::Result<Entry> {
        let mut entry = claimed.clone();
        for _ in 0..MAX_PUTS {
            if !is_same_claim(&entry, claimed) {
                anyhow::bail!("the claim on {} was lost to another handler", entry.key);
            }
            let mut ledger = entry.ledger.clone();
            change(&mut ledger);
            if let Some(entry) = self.book.put(&self.edges, &entry, ledger).await? {
                return Ok(entry);
            }
            entry = self.book.again(&self.edges, &entry).await?;
        }
        anyhow::bail!("{} changed {MAX_PUTS} times while it was written", entry.key)
    }

    /// Removes the pipelines of the definition that are stale, each with its outcome written down first.
    pub(crate) async fn clean(&self, set: &Set<'_>, replaces: bool) -> anyhow::Result<()> {
        let names = self.edges.names().await.context("listing pipelines")?;
        let ids = stale::named(set.definition(), &names);
        let chunks: Vec<Vec<String>> = ids.chunks(DESCRIBED_AT_ONCE).map(<[String]>::to_vec).collect();
        let described = future::try_join_all(chunks.iter().map(|ids| self.edges.describe(ids))).await;
        let described = described.context("describing pipelines")?.into_iter().flatten();
        let ours = described.filter(|pipeline| stale::is_tagged(set.definition(), pipeline));
        let cleaning = stream::iter(ours.map(|pipeline| self.clean_one(set, pipeline, replaces)));
        cleaning.buffer_unordered(CLEANED_AT_ONCE).try_collect::<()>().await
    }

    async fn clean_one(&self, set: &Set<'_>, pipeline: Description, replaces: bool) -> anyhow::Result<()> {
        let Some(its_set) = stale::set_of(set.definition(), &pipeline.name) else { return Ok(()) };
        for _ in 0..MAX_PUTS {
            let entry = self.book.entry(&self.edges, set.definition(), its_set).await?;
            if self.clean_with(set, &pipeline, its_set, entry, replaces).await? {
                return Ok(());
            }
            // Somebody noted something in this ledger just now. An ended pipeline can wait for the next cleaning; one
            // at work that is replaced cannot.
            if !replaces {
                return Ok(());
            }
        }
        anyhow::bail!("the ledger of {} changed {MAX_PUTS} times while it was written", pipeline.name)
    }

    /// Removes the pipeline if it is stale; false when its ledger changed meanwhile.
    async fn clean_with(
        &self,
        set: &Set<'_>,
        pipeline: &Description,
        its_set: &str,
        entry: Entry,
        replaces: bool,
    ) -> anyhow::Result<bool> {
        let id = pipeline.id.as_str();
        let its_head = entry.ledger.heads().find(|head| head.pipeline_id.as_deref() == Some(id));
        let ending = match its_head.map(|head| head.state) {
            Some(State::Finished) => Ending::Finished,
            Some(State::Failed) if stale::ending_by_state(&pipeline.state).is_none() => Ending::Failed,
            _ => self.ending_of(id, &pipeline.state).await.context("looking at an earlier pipeline")?,
        };
        let claimed = entry.ledger.head.as_ref().filter(|_| its_set == set.id);
        let ours = claimed.and_then(|head| head.pipeline_id.as_deref());
        let now = self.now();
        if !stale::is_stale(id, ending, &entry.ledger, ours, replaces, now) {
            return Ok(true);
        }
        let mut ledger = entry.ledger.clone();
        ledger.settle_pipeline(id, ending, now);
        if ending == Ending::AtWork {
            ledger.supersede(id);
        }
        if ledger != entry.ledger && self.book.put(&self.edges, &entry, ledger).await?.is_none() {
            return Ok(false);
        }
        tracing::info!(pipeline.id = id, pipeline.name = pipeline.name, "deleting a stale pipeline");
        self.edges.delete(id).await.with_context(|| format!("deleting the stale pipeline {id}"))?;
        Ok(true)
    }
}

fn is_same_claim(entry: &Entry, claimed: &Entry) -> bool {
    let claim = |entry: &Entry| entry.ledger.head.as_ref().map(|head| (head.holder.clone(), head.generation));
    claim(entry) == claim(claimed)
}

fn new_pipeline(set: &Set<'_>, head: &Head) -> NewPipeline {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    NewPipeline {
        name: stale::pipeline_name(set.definition(), &set.id),
        unique_id: head.unique_id(),
        tags: vec![
            tag(stale::DEFINITION_TAG, set.definition()),
            tag("downspout:set", &set.id),
            tag("downspout:run-key", &head.run_key),
            tag("downspout:generation", &head.generation.to_string()),
        ],
    }
}
