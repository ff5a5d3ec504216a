//! From a claim to a started run: stale pipelines removed, pipeline created, definition put, pipeline activated.

use anyhow::{Context as _, anyhow};
use definition::trigger::StaleRuns;
use definition::validate;
use futures::future;

use crate::book::Entry;
use crate::failure::{self, Failure};
use crate::ledger::{Head, HeadState};
use crate::ports::{Condition, Edges, NewPipeline, Refusal};
use crate::prepare::{Manifest, Prepared};
use crate::report::log;
use crate::sets::Set;
use crate::setup::Setup;
use crate::{claim, cleaning, stale};

/// Starts the run of a claimed set and returns the entry with the activated head.
///
/// If the pipeline cannot be created and activated, publishes a notice, writes the failure into the ledger, and returns
/// the error. If stale pipelines cannot be removed, [`StaleRuns::Replace`] returns the error without a notice, and
/// [`StaleRuns::Delete`] only logs the error.
pub(crate) async fn start<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    claimed: Entry,
) -> anyhow::Result<Entry> {
    let started = match set.trigger.stale_runs {
        StaleRuns::Keep => Box::pin(create_and_activate(edges, setup, set, &claimed)).await,
        // The new run starts only after the removal, because two runs would write the same tables.
        StaleRuns::Replace => {
            let cleaned = Box::pin(cleaning::clean(edges, setup, set, true)).await;
            cleaned.context("removing earlier pipelines")?;
            Box::pin(create_and_activate(edges, setup, set, &claimed)).await
        }
        // Pipelines that have ended do not disturb a run, so the removal and the start go on at the same time.
        StaleRuns::Delete => {
            let cleaning = Box::pin(cleaning::clean(edges, setup, set, false));
            let starting = Box::pin(create_and_activate(edges, setup, set, &claimed));
            let (cleaned, started) = future::join(cleaning, starting).await;
            if let Err(error) = cleaned {
                log::stale_kept(&set.name, &error);
            }
            match started {
                // The account may have had no room for a pipeline until the stale ones were deleted.
                Err(failure) if failure.is_refused_creation() => {
                    Box::pin(create_and_activate(edges, setup, set, &claimed)).await
                }
                started => started,
            }
        }
    };
    match started {
        Ok(entry) => Ok(entry),
        Err(failure) => Err(failure::record(edges, setup, set, &claimed, failure).await),
    }
}

async fn create_and_activate<E: Edges>(
    edges: &E,
    setup: &Setup,
    set: &Set<'_>,
    claimed: &Entry,
) -> Result<Entry, Failure> {
    let Some(head) = &claimed.ledger.head else {
        return Err(Failure::of_ledger(anyhow!("the ledger has no head")));
    };
    let Prepared { definition, manifests } = set.prepared(&head.files, setup);
    check(&definition)?;
    put_manifests(edges, setup, manifests).await.map_err(Failure::of_ledger)?;
    let id = match head.pipeline_id.clone() {
        Some(id) => id,
        None => edges
            .create(&new_pipeline(set, head))
            .await
            .map_err(|error| Failure::of_service(failure::CREATING, error))?,
    };
    // The note in the ledger and the put of the definition must both be done before the activation. Neither depends on
    // the other, so they go on at the same time.
    let noted = claim::update_head(edges, setup, claimed, |head| {
        head.state = HeadState::Created;
        head.pipeline_id = Some(id.clone());
    });
    let (noted, put) = future::join(noted, edges.put_definition(&id, &definition)).await;
    let entry = noted.map_err(Failure::of_ledger)?;
    let refusals = put.map_err(|error| Failure::of_service(failure::PUTTING, error))?;
    if !refusals.is_empty() {
        return Err(Failure::of_refusals(failure::PUTTING, &refusals));
    }
    activate(edges, setup, &entry, &id, head).await
}

/// Writes the lists of the files that are read as one input. The name of a list is made from its content, so a list that
/// is there already is the same.
async fn put_manifests<E: Edges>(edges: &E, setup: &Setup, manifests: Vec<Manifest>) -> anyhow::Result<()> {
    for Manifest { key, body } in manifests {
        let put = edges.put(&setup.book.home.bucket, &key, body, Condition::Absent).await;
        put.with_context(|| format!("writing {key}"))?;
    }
    Ok(())
}

/// Checks the definition before a pipeline is created. Fails if the definition has errors that ActivatePipeline would
/// refuse.
fn check(definition: &definition::Definition) -> Result<(), Failure> {
    let problems = validate::for_activation(definition).errors;
    if problems.is_empty() {
        return Ok(());
    }
    let refusals: Vec<_> = problems
        .iter()
        .map(|problem| Refusal { object: problem.object.to_string(), message: problem.to_string() })
        .collect();
    Err(Failure::of_refusals(failure::CHECKING, &refusals))
}

/// Activates the pipeline once, and only within the lease, because ActivatePipeline is not idempotent.
///
/// The caller knows that the pipeline is inactive, because the pipeline was created under this claim, or because the service was
/// asked when the claim was taken over.
async fn activate<E: Edges>(
    edges: &E,
    setup: &Setup,
    entry: &Entry,
    id: &str,
    claimed: &Head,
) -> Result<Entry, Failure> {
    if setup.now() >= claimed.lease_until {
        return Err(Failure::too_late());
    }
    edges.activate(id).await.map_err(|error| Failure::of_service(failure::ACTIVATING, error))?;
    let now = setup.now();
    let noted = claim::update_head(edges, setup, entry, |head| {
        // A sweep may have written the end of the run already.
        if head.state == HeadState::Created {
            head.state = HeadState::Activated;
        }
        head.activated_at.get_or_insert(now);
    });
    noted.await.map_err(Failure::of_ledger)
}

fn new_pipeline(set: &Set<'_>, head: &Head) -> NewPipeline {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    NewPipeline {
        name: set.name.to_string(),
        unique_id: head.unique_id(),
        tags: vec![
            tag(stale::DEFINITION_TAG, &set.name.definition),
            tag("downspout:set", &set.name.id),
            tag("downspout:run-key", &head.run_key),
            tag("downspout:generation", &head.generation.to_string()),
        ],
    }
}
