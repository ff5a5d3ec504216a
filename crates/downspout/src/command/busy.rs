//! Says with which work the task runners of a worker group are busy while other work waits for one of them.

use std::collections::BTreeMap;

use aws_sdk_datapipeline::Client;

use super::run_view::{self, InstanceView, RunView};

/// How many pieces of work a sentence names.
const MOST_NAMED: usize = 3;

/// The work that runs, by worker group.
#[derive(Debug, Default)]
pub(super) struct Busy(BTreeMap<String, Vec<String>>);

impl Busy {
    /// Returns the work that runs in these pipelines.
    pub(super) fn of<'a>(runs: impl IntoIterator<Item = &'a RunView>) -> Self {
        let mut busy: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for run in runs {
            for instance in run.instances.iter().filter(|instance| instance.status == "RUNNING") {
                let Some(group) = &instance.worker_group else { continue };
                let since = instance.attempts.last().and_then(|attempt| attempt.started);
                let since = since.map(|since| format!(" since {since:.0}")).unwrap_or_default();
                let work = format!("{} of {}{since}", instance.component, run.name);
                busy.entry(group.clone()).or_default().push(work);
            }
        }
        Self(busy)
    }

    /// Returns the work that runs in every pipeline, if an instance of `run` waits for a task runner.
    pub(super) async fn around(client: &Client, run: &RunView) -> anyhow::Result<Self> {
        if !run.instances.iter().any(waits_for_runner) {
            return Ok(Self::default());
        }
        let mut runs = Vec::new();
        for (id, _) in run_view::list(client).await? {
            // A pipeline can be deleted between the two calls.
            runs.extend(RunView::load(client, &id).await?);
        }
        Ok(Self::of(&runs))
    }

    /// Returns why an instance waits for a task runner, if all those of its group are busy.
    pub(super) fn why(&self, instance: &InstanceView) -> Option<String> {
        let group = instance.worker_group.as_ref().filter(|_| waits_for_runner(instance))?;
        let work = self.0.get(group)?;
        let named: Vec<&str> = work.iter().take(MOST_NAMED).map(String::as_str).collect();
        let more = match work.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!("the task runners of `{group}` are busy with {}{more}", named.join(", ")))
    }

    /// Adds to each instance of `run` that waits for a task runner with which work all of them are busy.
    pub(super) fn explain(&self, run: &mut RunView) {
        for instance in &mut run.instances {
            let Some(why) = self.why(instance) else { continue };
            let reason = instance.wait_reason.take().map(|reason| format!("{reason}; ")).unwrap_or_default();
            instance.wait_reason = Some(format!("{reason}{why}"));
        }
    }
}

fn waits_for_runner(instance: &InstanceView) -> bool {
    instance.status == "WAITING_FOR_RUNNER"
}

#[cfg(test)]
mod tests {
    use super::super::run_view::tests::run;
    use super::*;

    #[test]
    fn waiting_work_is_shown_with_the_work_that_keeps_its_task_runners_busy() {
        let named = |name: &str, statuses: &[(&str, &[&str])], group: &str| {
            let mut run = run(statuses);
            name.clone_into(&mut run.name);
            run.instances.iter_mut().for_each(|instance| instance.worker_group = Some(group.to_owned()));
            run
        };
        let running: Vec<RunView> = (1..=5)
            .map(|number| named(&format!("notes/day={number}"), &[("RUNNING", &[])], "ours"))
            .collect();
        let busy = Busy::of(&running);
        let mut waiting = named("orders/day=1", &[("WAITING_FOR_RUNNER", &[]), ("FINISHED", &[])], "ours");
        waiting.instances[0].wait_reason = Some("waits for a task runner".to_owned());
        busy.explain(&mut waiting);
        assert_eq!(
            waiting.instances[0].wait_reason.as_deref(),
            Some(
                "waits for a task runner; the task runners of `ours` are busy with A of notes/day=1, A of notes/day=2, A of \
                  notes/day=3, and 2 more"
            )
        );
        assert_eq!(waiting.instances[1].wait_reason, None);
        assert_eq!(busy.why(&named("x", &[("WAITING_FOR_RUNNER", &[])], "theirs").instances[0]), None);
    }
}
