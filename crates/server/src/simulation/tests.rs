//! Plays the seeds, and tests the simulation itself.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::definitions::Recipe;
use super::dice::Dice;
use super::network::Reply;
use super::world::{Planned, StoreLie};
use super::{CrashAt, Report, Scenario};
use crate::ops::Operation;

/// The number of seeds that `make test` plays.
const BUDGET: u64 = 300;

/// After how many scenarios the progress is printed.
const PROGRESS_EVERY: usize = 500;

/// The events that must occur in the seeds of `make test`, so that no fault exists in name only.
const KINDS: &[&str] = &[
    "SetStatus",
    "DeletePipeline",
    "SetTaskStatus TaskNotFoundException",
    "a client gives up",
    "a key arrives",
    "a notice is taken",
    "a server cannot begin",
    "a server is stopped",
    "alarm for a bad end",
    "alarm for a good end",
    "alarm for onFail",
    "alarm for onLateAction",
    "alarm for onSuccess",
    "attempt canceled",
    "attempt failed",
    "attempt finished",
    "attempt free",
    "attempt held",
    "attempt not yet",
    "attempt running",
    "attempt stalled",
    "attempt timed out",
    "attempt to be canceled",
    "fault: S3 hangs",
    "fault: S3 refuses",
    "fault: answer lost",
    "fault: clock back",
    "fault: clock forward",
    "fault: crash",
    "fault: database down",
    "fault: disk full",
    "fault: request doubled",
    "fault: request late",
    "fault: request lost",
    "fault: slow store",
    "fault: store in doubt",
    "fault: store refuses",
    "fault: topic hangs",
    "fault: topic refuses",
    "fault: topic takes and hangs",
    "fault: topic takes and refuses",
    "a write fails",
    "instance CANCELED",
    "instance CASCADE_FAILED",
    "instance FAILED",
    "instance FINISHED",
    "instance RUNNING",
    "instance SKIPPED",
    "instance WAITING_FOR_RUNNER",
    "instance WAITING_ON_DEPENDENCIES",
    "instance paused",
    "memory compared with the store",
    "no server is up",
    "operator Activate",
    "operator ActivateLater",
    "operator Cancel",
    "operator Change",
    "operator Deactivate",
    "operator DeactivateGently",
    "operator Delete",
    "operator Read",
    "operator MarkFinished",
    "operator Pause",
    "operator Rerun",
    "operator Resume",
    "operator TryCancel",
    "worker Contradicts",
    "worker Dawdles",
    "worker Fails",
    "worker FailsForGood",
    "worker Hangs",
    "worker Hurries",
    "worker Ignores",
    "worker Lingers",
    "worker Repeats",
    "worker Vanishes",
];

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, and is `{text}`")))
}

/// Plays the scenarios on every core. Returns their reports in order, or the first failure.
fn play_all(scenarios: &[Scenario]) -> Result<Vec<Report>, (Scenario, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, played) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = usize::try_from(index).ok().and_then(|index| scenarios.get(index))
                    else {
                        return;
                    };
                    let report = scenario.play().map_err(|text| (*scenario, text));
                    if report.is_err() {
                        // No new scenario begins; those under way are played to their end.
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                    let mut played = played.lock().unwrap();
                    played.insert(index, report);
                    if played.len().is_multiple_of(PROGRESS_EVERY) {
                        eprintln!("{} of {} played", played.len(), scenarios.len());
                    }
                }
            });
        }
    });
    played.into_inner().unwrap().into_values().collect()
}

fn must_play(scenarios: &[Scenario]) -> Vec<Report> {
    play_all(scenarios).unwrap_or_else(|(scenario, text)| {
        let seed = scenario.seed;
        let again = format!(
            "SIMULATION_SEED={seed} cargo test -p server --lib simulation::tests::seeds -- --nocapture"
        );
        panic!("{scenario:?}: {text}\n\nto see it again, line by line:\n\n    {again}\n")
    })
}

#[test]
fn seeds_break_no_rule() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        must_play(&[Scenario { prints_trace: true, ..Scenario::new(seed) }]);
        return;
    }
    let first = setting("SIMULATION_FIRST").unwrap_or(1);
    let count = setting("SIMULATION_SEEDS").unwrap_or(BUDGET);
    let scenarios: Vec<_> = (first..first + count).map(Scenario::new).collect();
    let begun = std::time::Instant::now();
    let reports = must_play(&scenarios);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, count) in reports.iter().flat_map(|report| &report.counts) {
        *counts.entry(kind.clone()).or_default() += count;
    }
    if setting("SIMULATION_COUNTS").is_some() {
        let writes: u64 = reports.iter().map(|report| report.writes).sum();
        eprintln!("{count} seeds, {writes} writes in {:?}", begun.elapsed());
        counts.iter().for_each(|(kind, count)| eprintln!("{count:>9} {kind}"));
    }
    let missing: Vec<_> = KINDS.iter().filter(|kind| !counts.contains_key(**kind)).collect();
    assert!(count < BUDGET || missing.is_empty(), "never seen in {count} seeds: {missing:?}");
}

#[test]
fn the_judge_notices_a_store_that_lies() {
    for lie in [StoreLie::KeepsNothing, StoreLie::ForgetsNotices, StoreLie::ForgetsOpenRuns] {
        let scenarios = (1..=40).map(|seed| Scenario { lie: Some(lie), ..Scenario::new(seed) });
        let found = scenarios.map(Scenario::play).find_map(Result::err);
        assert!(found.is_some(), "the judge does not notice a store that {lie:?}");
    }
}

#[test]
fn every_mutation_in_the_list_fits_what_it_changes() {
    let list = include_str!("mutations.txt");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut titles = Vec::new();
    for part in list.split("\n== ").skip(1) {
        let mut lines = part.lines();
        let (title, file) = (lines.next().unwrap(), lines.next().unwrap());
        let old: Vec<_> = lines.filter_map(|line| line.strip_prefix("- ")).collect();
        let source = std::fs::read_to_string(root.join(file)).unwrap();
        let found = source.matches(&old.join("\n")).count();
        assert_eq!(found, 1, "{title}: {file} must hold this once:\n{}", old.join("\n"));
        titles.push(title);
    }
    assert!(titles.len() >= 10, "{titles:?}");
}

#[test]
fn a_seed_does_the_same_every_time() {
    let scenarios: Vec<_> = (1..=5).map(Scenario::new).collect();
    assert_eq!(must_play(&scenarios), must_play(&scenarios));
}

#[test]
fn a_run_that_cannot_be_read_at_the_start_is_taken_up_later() {
    let scenario = Scenario { is_quiet: true, ..Scenario::new(1) };
    let report = scenario.play_with(|world| {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(90)).await;
            assert!(world.judge().unfinished().is_some());
            world.plan(Planned::Refusal, "loading a run");
            world.crash(0, "to begin anew");
        });
    });
    assert!(report.unwrap().counts.contains_key("fault: crash"));
}

#[test]
fn a_run_that_was_saved_although_the_store_said_it_was_not_goes_on() {
    let scenario = Scenario { is_quiet: true, ..Scenario::new(1) };
    let report = scenario.play_with(|world| {
        tokio::spawn(async move {
            // By then the first pipeline has no notices, and `call` does not repeat a request as `insist` does.
            tokio::time::sleep(Duration::from_secs(1_200)).await;
            let recipe = Recipe::new(&Dice::new(1), None);
            let created = json!({ "name": "another", "uniqueId": "1" });
            let Reply::Done(created) = world.insist(Operation::CreatePipeline, created).await else {
                panic!()
            };
            let put = json!({ "pipelineId": created["pipelineId"], "pipelineObjects": recipe.objects(1) });
            world.insist(Operation::PutPipelineDefinition, put).await;
            world.plan(Planned::Doubt, "saving");
            let activate = json!({ "pipelineId": created["pipelineId"] });
            let reply = world.call(Operation::ActivatePipeline, activate, Duration::from_secs(10)).await;
            assert!(matches!(reply, Reply::Unknown) && recipe.is_on_demand);
            assert!(world.judge().unfinished().is_some());
        });
    });
    assert!(report.unwrap().counts.contains_key("fault: store in doubt"));
}

#[test]
fn a_crash_at_any_write_breaks_no_rule() {
    let story = |seed| Scenario { is_quiet: true, ..Scenario::new(seed) };
    // Finds the scenario with the most writes among the short ones.
    let stories: Vec<_> = (1..=20).map(story).collect();
    let reports = must_play(&stories);
    let lengths = stories.iter().zip(reports).map(|(story, report)| (report.writes, *story));
    let fits = |(writes, _): &(u64, Scenario)| (20..=40).contains(writes);
    let (writes, story) = lengths.filter(fits).max_by_key(|(writes, _)| *writes).expect("some are short");
    let crash = |write, after| Scenario { crash_at: Some(CrashAt { write, after }), ..story };
    let scenarios: Vec<_> =
        (1..=writes).flat_map(|write| [crash(write, false), crash(write, true)]).collect();
    for report in must_play(&scenarios) {
        assert_eq!(report.counts.get("fault: crash"), Some(&1));
    }
}
