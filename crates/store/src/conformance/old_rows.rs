//! The bodies of rows that an older program wrote. The tests of each store insert them into its old tables.

use super::*;

/// A run, and the bodies of its rows as a program wrote them that stored a copy of the definition with each run. The
/// run has one attempt.
pub(crate) struct OldRun {
    pub(crate) run: Run,
    pub(crate) header: String,
    pub(crate) definition: String,
    /// Of each instance: the id, the list of dependencies, and the body.
    pub(crate) instances: Vec<(String, String, String)>,
    /// The id and the body of the attempt.
    pub(crate) attempt: (String, String),
}

/// Returns two runs of `df-1`, the second of which is stuck.
pub(crate) fn old_runs() -> [OldRun; 2] {
    let (first, _) = expanded("df-1");
    let (mut second, _) = expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(1));
    let instance = second.instances()[0].id.clone();
    second
        .step(Event::CancelRequested { instances: [instance].into(), reason: "r".to_owned() }, now())
        .unwrap();
    assert!(second.end().is_some_and(|end| end.stuck));
    [first, second].map(|run| {
        let instance = |it: &engine::Instance| {
            (
                it.id.to_string(),
                serde_json::to_string(&it.depends_on).unwrap(),
                serde_json::to_string(it).unwrap(),
            )
        };
        let attempt = run.instances()[0].newest_attempt().unwrap();
        OldRun {
            header: serde_json::to_string(run.header()).unwrap(),
            definition: serde_json::to_string(run.plan().definition()).unwrap(),
            instances: run.instances().iter().map(instance).collect(),
            attempt: (attempt.id.to_string(), serde_json::to_string(attempt).unwrap()),
            run,
        }
    })
}

/// Returns a later run of the same definition.
pub(crate) fn third_run() -> (Run, Step) {
    expanded_at("df-1", definition(), now() + jiff::SignedDuration::from_hours(2))
}

/// Returns the pipeline of [`old_runs`], and its body.
pub(crate) fn old_pipeline() -> (Pipeline, String) {
    let pipeline = pipeline("df-1");
    let body = serde_json::to_string(&pipeline).unwrap();
    (pipeline, body)
}

/// Fails unless the store holds the old runs unchanged.
pub(crate) async fn must_hold_old_runs(store: &dyn Store) {
    let runs = old_runs();
    for OldRun { run, .. } in &runs {
        must_hold(store, run).await;
        assert_eq!(loaded(store, run).await.plan().definition(), run.plan().definition());
    }
    let headers = runs.map(|old| old.run.header().clone());
    assert_eq!(store.unsettled_runs(&headers[0].pipeline).await.unwrap(), headers);
}
