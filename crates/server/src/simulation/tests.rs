//! The seeds of every day, and that the simulation itself is what it says.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use super::definitions::Recipe;
use super::dice::Dice;
use super::network::Told;
use super::world::{Lie, Planned};
use super::{CrashAt, Plot, Report};
use crate::ops::Operation;

/// Seeds that every `make test` plays.
const BUDGET: u64 = 300;

/// Who plays more than that is told how far it has come.
const TOLD_EVERY: usize = 500;

/// What must have occurred over the budget, so that no trouble is only thought of.
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
    "operator Look",
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

/// Plays the plots on every core; returns their reports in order, or what went wrong first.
fn play_all(plots: &[Plot]) -> Result<Vec<Report>, (Plot, String)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, played) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(plot) = usize::try_from(place).ok().and_then(|place| plots.get(place)) else {
                        return;
                    };
                    let report = plot.play().map_err(|text| (*plot, text));
                    if report.is_err() {
                        // No new ones; those before it are played to their end.
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                    }
                    let mut played = played.lock().unwrap();
                    played.insert(place, report);
                    if played.len().is_multiple_of(TOLD_EVERY) {
                        eprintln!("{} of {} played", played.len(), plots.len());
                    }
                }
            });
        }
    });
    played.into_inner().unwrap().into_values().collect()
}

fn must_play(plots: &[Plot]) -> Vec<Report> {
    play_all(plots).unwrap_or_else(|(plot, text)| {
        let seed = plot.seed;
        let again = format!(
            "SIMULATION_SEED={seed} cargo test -p server --lib simulation::tests::seeds -- --nocapture"
        );
        panic!("{plot:?}: {text}\n\nto see it again, line by line:\n\n    {again}\n")
    })
}

#[test]
fn seeds_break_no_rule() {
    if let Some(seed) = setting("SIMULATION_SEED") {
        must_play(&[Plot { is_loud: true, ..Plot::new(seed) }]);
        return;
    }
    let first = setting("SIMULATION_FIRST").unwrap_or(1);
    let count = setting("SIMULATION_SEEDS").unwrap_or(BUDGET);
    let plots: Vec<_> = (first..first + count).map(Plot::new).collect();
    let begun = std::time::Instant::now();
    let reports = must_play(&plots);
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
fn a_store_that_lies_is_found_out() {
    for lie in [Lie::KeepsNothing, Lie::ForgetsNotices, Lie::OldRuns] {
        let plots = (1..=40).map(|seed| Plot { lie: Some(lie), ..Plot::new(seed) });
        let found = plots.map(Plot::play).find_map(Result::err);
        assert!(found.is_some(), "nobody notices a store that {lie:?}");
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
    let plots: Vec<_> = (1..=5).map(Plot::new).collect();
    assert_eq!(must_play(&plots), must_play(&plots));
}

#[test]
fn a_run_that_cannot_be_read_at_the_start_is_taken_up_later() {
    let plot = Plot { is_quiet: true, ..Plot::new(1) };
    let report = plot.play_with(|world| {
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
fn a_run_that_was_saved_though_its_server_was_told_otherwise_goes_on() {
    let plot = Plot { is_quiet: true, ..Plot::new(1) };
    let report = plot.play_with(|world| {
        tokio::spawn(async move {
            // No other pipeline's notices, and no client that tries again.
            tokio::time::sleep(Duration::from_secs(1_200)).await;
            let recipe = Recipe::new(&Dice::new(1), None);
            let created = json!({ "name": "another", "uniqueId": "1" });
            let Told::Done(created) = world.insist(Operation::CreatePipeline, created).await else {
                panic!()
            };
            let put = json!({ "pipelineId": created["pipelineId"], "pipelineObjects": recipe.objects(1) });
            world.insist(Operation::PutPipelineDefinition, put).await;
            world.plan(Planned::Doubt, "saving");
            let activate = json!({ "pipelineId": created["pipelineId"] });
            let told = world.call(Operation::ActivatePipeline, activate, Duration::from_secs(10)).await;
            assert!(matches!(told, Told::Nothing) && recipe.is_on_demand);
            assert!(world.judge().unfinished().is_some());
        });
    });
    assert!(report.unwrap().counts.contains_key("fault: store in doubt"));
}

#[test]
fn a_crash_at_any_write_breaks_no_rule() {
    let story = |seed| Plot { is_quiet: true, ..Plot::new(seed) };
    // One that has a bit of everything, and is short.
    let stories: Vec<_> = (1..=20).map(story).collect();
    let reports = must_play(&stories);
    let lengths = stories.iter().zip(reports).map(|(story, report)| (report.writes, *story));
    let fits = |(writes, _): &(u64, Plot)| (20..=40).contains(writes);
    let (writes, story) = lengths.filter(fits).max_by_key(|(writes, _)| *writes).expect("some are short");
    let crash = |write, after| Plot { crash_at: Some(CrashAt { write, after }), ..story };
    let plots: Vec<_> = (1..=writes).flat_map(|write| [crash(write, false), crash(write, true)]).collect();
    for report in must_play(&plots) {
        assert_eq!(report.counts.get("fault: crash"), Some(&1));
    }
}
