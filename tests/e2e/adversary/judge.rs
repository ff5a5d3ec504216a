//! The rules that must hold after a storm, one sweep, and the ends of the runs.
//!
//! - The last run of each whole set has read the files that the bucket holds now, in these versions.
//! - No content ran again without a reason: a run that failed, or other content in between.
//! - Each run has the files of a set as its patterns say, non-empty, in versions that people have put, and the right values.
//! - Each claim has one pipeline, which was activated once at most.
//! - Every notice came once: about each set that cannot start, about the broken definition, about keys that nearly match.

use std::collections::{BTreeMap, BTreeSet};

use e2e::until::until;
use orchestrator::{SweepReport, Verdict};

use super::Story;
use super::kinds::{Expected, Files, KINDS, Place};
use super::network::{self, SERVICES};
use super::runners::{Run, state};

/// With so many sets, every service turns calls away, and handlers die at every common operation.
const ENOUGH: usize = 400;
/// Parts of the errors that may stop a handler in a storm. Its clients try once, so a connection that a server closes at the
/// moment of its next use is such an error, too.
const KNOWN_ERRORS: [&str; 4] = ["busy", "changed 8 times", "myMissing", "dispatch failure"];

/// The values of parameters that a run must have.
fn values_of(place: Place, run: &Run) -> BTreeMap<String, String> {
    let mut keys: Vec<&str> = run.nodes.values().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    let mut values = place.values();
    values.insert("myDropKeys".to_owned(), keys.join(","));
    values
}

/// Checks the report of a sweep in calm weather: only the definition that lacks a value has failures.
pub(super) fn failures(report: &SweepReport) {
    let lacking = KINDS.iter().position(|kind| kind.lacks_a_value).map(|kind| Place(kind).definition());
    let lacking = lacking.expect("a definition that lacks a value");
    // A failure names a set, or the definition if a start is continued that a handler left.
    let is_of_it = |failure: &str| failure.split(['/', ':']).next() == Some(&lacking);
    let other = report.failures.iter().find(|failure| !is_of_it(failure));
    assert_eq!(other, None, "a sweep in calm weather fails at nothing else");
}

impl Story {
    /// Checks every set of these numbers.
    pub(super) async fn judge_sets(&self, numbers: std::ops::Range<usize>) {
        let bucket = self.services.dropped().await;
        let runs = self.runs_by_place(numbers.clone());
        let told: Vec<String> = self.network.told().into_values().map(|told| told.subject).collect();
        let mut counts = BTreeMap::new();
        for place in numbers.map(Place) {
            let expected = place.expected(&bucket);
            let runs = runs.get(&place.0).map_or(&[][..], Vec::as_slice);
            self.judge_runs(place, runs);
            let state = self.handler(0).status_of(&place.keys()[0]).await.expect("a state").remove(0);
            let what = || format!("{} {place:?}: {expected:?}\n{state:#?}\n{runs:#?}", place.kind().name);
            let set = format!("{} {}:", place.definition(), state.set.clone().unwrap_or_default());
            let is_told = || told.iter().any(|subject| subject.starts_with(&set));
            let has_losses = self.results().with_losses.contains(&place.0);
            match (&expected, state.verdict) {
                (Expected::Whole(_), Verdict::Duplicate) if place.kind().lacks_a_value => {
                    assert!(runs.is_empty(), "a run without a value: {}", what());
                    assert!(is_told(), "no notice says that the set could not start: {}", what());
                }
                (Expected::Whole(files), Verdict::Duplicate) => {
                    let last = runs.last().unwrap_or_else(|| panic!("a whole set did not run: {}", what()));
                    // Files that go away start no run, and then the last run had other files.
                    assert!(
                        has_losses || files_of(last) == *files,
                        "the last run had other files: {}",
                        what()
                    );
                    let state = state.state.as_deref().unwrap_or_default();
                    assert!(["finished", "failed", "superseded"].contains(&state), "{}", what());
                }
                (Expected::Incomplete, Verdict::Incomplete) => {}
                (Expected::TooMany, Verdict::Failed) => {
                    assert!(is_told(), "no notice is about the files: {}", what());
                }
                _ => panic!("a wrong state: {}\n{}", what(), self.services.log()),
            }
            let state = match expected {
                Expected::Whole(_) => "whole",
                Expected::Incomplete => "incomplete",
                Expected::TooMany => "too many",
            };
            *counts.entry((place.kind().name, state)).or_insert(0) += 1;
        }
        println!("{counts:?}");
        let whole: usize =
            counts.iter().filter(|((_, state), _)| *state == "whole").map(|(_, count)| count).sum();
        assert!(whole * 2 > counts.values().sum(), "most sets are whole: {counts:?}");
        let seen = self.runners.seen();
        assert_eq!(seen.violations, Vec::<String>::new());
    }

    /// Returns the runs of each set, in their order.
    fn runs_by_place(&self, numbers: std::ops::Range<usize>) -> BTreeMap<usize, Vec<Run>> {
        let places =
            numbers.flat_map(|number| Place(number).keys().into_iter().map(move |key| (key, number)));
        let places: BTreeMap<String, usize> = places.collect();
        let mut by_place: BTreeMap<usize, Vec<Run>> = BTreeMap::new();
        for run in &self.runners.seen().runs {
            let (key, _) = run.nodes.values().flatten().next().unwrap_or_else(|| panic!("no file: {run:#?}"));
            let place = places.get(key).unwrap_or_else(|| panic!("a file of no set: {run:#?}"));
            by_place.entry(*place).or_default().push(run.clone());
        }
        by_place
    }

    /// Checks the runs of one set.
    fn judge_runs(&self, place: Place, runs: &[Run]) {
        let results = self.results();
        for run in runs {
            assert_eq!(run.nodes.len(), place.parts(), "every data node is pinned: {run:#?}");
            for (node, files) in &run.nodes {
                assert!(place.is_allowed(*node, files), "node {node} of {place:?} has wrong files: {run:#?}");
                let are_put = files.iter().all(|file| results.put.contains(file));
                assert!(are_put, "a version that nobody put: {run:#?}");
                let is_empty = |(_, etag): &(String, String)| etag == EMPTY;
                assert!(place.kind().allows_empty || !files.iter().any(is_empty), "an empty file: {run:#?}");
            }
            if !self.services.are_of_moto() {
                for (id, value) in values_of(place, run) {
                    assert_eq!(run.values.get(&id), Some(&value), "{id} of {run:#?}");
                }
            }
        }
        for pair in runs.windows(2) {
            let has_reason = pair[0].has_failed || pair[0].run_key != pair[1].run_key;
            assert!(has_reason, "the same content ran twice: {pair:#?}");
        }
        let generations: BTreeSet<_> = runs.iter().map(|run| (&run.run_key, &run.generation)).collect();
        assert_eq!(generations.len(), runs.len(), "two pipelines of one claim ran: {runs:#?}");
    }

    /// Checks what holds for all sets together, at the end.
    pub(super) async fn judge_all(&self, count: usize) {
        self.judge_sets(0..count).await;
        self.judge_notices().await;
        let deaths = self.network.deaths();
        self.judge_pipelines(deaths.values().sum()).await;
        let turned_away: Vec<_> = SERVICES.iter().map(|it| (it, self.network.turned_away(*it))).collect();
        let results = self.results();
        println!(
            "turned away {turned_away:?}; died at {deaths:?}; {:?}; {} errors",
            results.decisions,
            results.errors.len()
        );
        let kinds =
            KNOWN_ERRORS.map(|part| (part, results.errors.iter().filter(|it| it.contains(part)).count()));
        println!("errors: {kinds:?}");
        // A few sets do not meet everything.
        let has_met_all = count < ENOUGH || network::never_busy(&self.network).is_empty();
        assert!(has_met_all, "every service turns calls away: {turned_away:?}");
        for operation in ["GET object", "PUT object", "CreatePipeline", "ActivatePipeline"] {
            let is_met = count < ENOUGH || deaths.contains_key(operation);
            assert!(is_met, "no handler died at {operation}: {deaths:?}");
        }
        let started = results.decisions.get("\"started\"").copied().unwrap_or_default();
        assert!(started * 10 > count, "events start runs, and not sweeps alone: {results:#?}");
        let unknown =
            results.errors.iter().find(|error| KNOWN_ERRORS.iter().all(|part| !error.contains(part)));
        assert_eq!(unknown, None, "no other error stops a handler");
    }

    /// Checks that each claim has at most one pipeline, and that a pipeline that is not active was left by a handler that died.
    async fn judge_pipelines(&self, deaths: usize) {
        let pipelines = self.services.pipelines().await;
        let tags = pipelines.iter().map(|pipeline| {
            let tags = pipeline.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned()));
            (pipeline.name().to_owned(), tags.collect::<BTreeSet<_>>())
        });
        let claims: BTreeSet<_> = tags.collect();
        // moto makes a further pipeline if a handler dies before it notes the first one. Only one of them is activated.
        let is_unique = claims.len() == pipelines.len() || self.services.are_of_moto();
        assert!(is_unique, "two pipelines of one claim: {pipelines:#?}");
        let left = pipelines.iter().filter(|pipeline| state(pipeline) == "PENDING").count();
        println!("{} pipelines, {left} of them of handlers that died", pipelines.len());
        assert!(left <= deaths, "{left} pipelines are left over: {pipelines:#?}");
    }

    /// Checks that every notice came once, and that none is about anything else.
    async fn judge_notices(&self) {
        let told = self.network.told();
        let repeated = told.values().filter(|told| told.times > 1).count();
        println!("{} notices, {repeated} of them published again", told.len());
        let of = |part: &str| told.values().filter(|told| told.subject.contains(part)).count();
        assert_eq!(of("broken.json cannot be used"), 1, "one notice is about the broken definition");
        let known = [
            "broken.json cannot be used",
            "could not start (checking the definition)",
            "files match where one is allowed",
            "matches no pattern",
        ];
        let others: Vec<_> =
            told.values().filter(|told| known.iter().all(|part| !told.subject.contains(part))).collect();
        // A start that a broken connection stops is tried again, and told.
        let broken = self.network.broken_connections();
        let are_known = others.iter().all(|told| told.subject.contains("could not start ("));
        assert!(are_known && others.len() <= broken, "no notice is about anything else: {others:#?}");
        let nearly: Vec<_> =
            told.values().filter(|told| told.subject.contains("matches no pattern")).collect();
        let definitions: BTreeSet<_> =
            nearly.iter().filter_map(|told| told.subject.split(':').next()).collect();
        // The clock of the story may pass midnight.
        assert!(nearly.len() <= 2 * definitions.len(), "one notice a day and definition: {nearly:#?}");
        let Some(_) = self.services.mails() else { return };
        until("a mail for each notice", async || {
            let mails = self.services.mails().unwrap_or_default();
            // A set that cannot start is told again for other content, in the same words.
            let words = ["could not start (", "files match where one is allowed"];
            let others = mails.iter().filter(|mail| words.iter().all(|part| !mail.subject.contains(part)));
            let texts: Vec<_> = others.map(|mail| (&mail.subject, &mail.body)).collect();
            let distinct: BTreeSet<_> = texts.iter().collect();
            assert_eq!(distinct.len(), texts.len(), "a mail came twice: {mails:#?}");
            assert!(mails.len() <= told.len(), "more mails than notices: {mails:#?}");
            if mails.len() == told.len() {
                Ok(())
            } else {
                Err(format!("{} of {} mails", mails.len(), told.len()))
            }
        })
        .await;
    }
}

/// The ETag of an empty object.
const EMPTY: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Returns the files of all data nodes of a run.
fn files_of(run: &Run) -> Files {
    let mut files: Files = run.nodes.values().flatten().cloned().collect();
    files.sort();
    files
}
