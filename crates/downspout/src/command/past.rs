//! Runs that only the ledger of the orchestrator still knows, because their pipelines were deleted.

use definition::duration;
use jiff::Timestamp;
use orchestrator::{History, PastRun};

use super::run_view::ShownOutcome;
use super::{output, running_stack};
use crate::local::stack::Endpoints;

/// How many runs are searched for one.
const SEARCHED: usize = 10_000;

/// Asks the stack for the newest runs, at most `limit`, and for the sets that wait.
pub(super) async fn history(
    endpoints: &Endpoints,
    definition: Option<&str>,
    limit: usize,
    with_incomplete: bool,
) -> anyhow::Result<History> {
    let mut query = vec![("limit", limit.to_string()), ("incomplete", with_incomplete.to_string())];
    query.extend(definition.map(|name| ("definition", name.to_owned())));
    let path = format!("/history?{}", serde_urlencoded::to_string(query)?);
    running_stack::ask(endpoints, http::Method::GET, &path).await
}

/// Returns the run of a pipeline that was deleted, if the ledger knows it.
pub(super) async fn run_of(endpoints: &Endpoints, pipeline_id: &str) -> anyhow::Result<Option<PastRun>> {
    let runs = history(endpoints, None, SEARCHED, false).await?.runs;
    Ok(runs.into_iter().find(|run| run.pipeline_id.as_deref() == Some(pipeline_id)))
}

/// Returns the outcome of a run in the words of the other runs.
pub(super) fn outcome(past: &PastRun) -> ShownOutcome {
    match past.state.as_str() {
        "finished" => ShownOutcome::Finished,
        "failed" => ShownOutcome::Failed,
        "superseded" => ShownOutcome::Canceled,
        "activated" => ShownOutcome::Running,
        _ => ShownOutcome::Pending,
    }
}

/// Returns the run as text for people.
pub(super) fn text(past: &PastRun) -> String {
    let mut words = vec![outcome(past).painted(), format!("{}/{}", past.definition, past.set)];
    words.extend(past.activated.map(|at| format!("activated {at:.0}")));
    words.extend(past.activated.zip(past.ended).map(|(began, ended)| format!("took {}", took(began, ended))));
    words.extend(past.rows_loaded.map(|rows| format!("{} rows loaded", output::count(rows))));
    words.extend(past.rows_rejected.map(|rows| format!("{} refused", output::count(rows))));
    let error = past.error.as_ref().map(|error| format!("{error}\n")).unwrap_or_default();
    format!("{}\n{error}The pipeline was deleted; the ledger knows no more of its run.\n", words.join("  "))
}

/// Returns how long a run took. The service reports the end in whole seconds, so the time is not exact.
pub(super) fn took(began: Timestamp, ended: Timestamp) -> String {
    let began = Timestamp::from_second(began.as_second()).unwrap_or(began);
    match ended.as_second() - began.as_second() {
        ..=0 => "under 1 s".to_owned(),
        seconds @ 1..60 => format!("about {seconds} s"),
        _ => duration::in_words(ended.duration_since(began)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        format!("2026-01-05T{time}Z").parse().expect("a time")
    }

    #[test]
    fn the_time_that_a_past_run_took_is_no_more_exact_than_its_end() {
        let took = |began: &str, ended: &str| took(at(began), at(ended));
        // The end is written without its fraction, and so may lie before the beginning.
        assert_eq!(took("08:00:00.4", "08:00:00"), "under 1 s");
        assert_eq!(took("08:00:00.9", "08:00:02"), "about 2 s");
        assert_eq!(took("08:00:00.9", "08:03:20"), "3 min 20 s");
    }

    #[test]
    fn a_past_run_is_shown_with_what_the_ledger_knows() {
        let past = PastRun {
            definition: "orders".to_owned(),
            set: "day=1".to_owned(),
            pipeline_id: Some("df-1".to_owned()),
            state: "failed".to_owned(),
            activated: Some(at("08:00:00.4")),
            ended: Some(at("08:01:00")),
            rows_loaded: Some(12_000),
            rows_rejected: Some(3),
            error: Some("an object of the pipeline failed".to_owned()),
        };
        let text = text(&past);
        for part in [
            "orders/day=1",
            "took 1 min 0 s",
            "12,000 rows loaded",
            "3 refused",
            "an object of the pipeline failed\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
