//! Follows a run to its end, and shows its progress.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use super::run_view::{InstanceView, RunView};
use crate::local::stack::Endpoints;

/// Time between two reads of a run: short enough to feel immediate, and long enough to cost little.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(150);

/// Follows the pipeline until its run is over. Returns `None` if the pipeline was deleted.
pub(super) async fn to_the_end(endpoints: &Endpoints, pipeline_id: &str) -> anyhow::Result<Option<RunView>> {
    let client = endpoints.datapipeline();
    let mut progress = Progress::new();
    loop {
        let Some(run) = RunView::load(&client, pipeline_id).await? else { return Ok(None) };
        // A pending run is about to be activated, so it is followed as well.
        if run.outcome().is_over() {
            progress.end(&run);
            return Ok(Some(run));
        }
        progress.show(&run);
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The progress of a run: a moving line on a terminal, one line per change elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    seen: BTreeMap<String, String>,
}

impl Progress {
    fn new() -> Self {
        let bar = output::is_watched().then(|| {
            let style = ProgressStyle::with_template("{spinner} [{pos}/{len}] {wide_msg}");
            let bar = ProgressBar::new(0).with_style(style.expect("the template is a constant"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { bar, seen: BTreeMap::new() }
    }

    /// Shows the last steps of a run that was followed. A run that was over from the start needs no progress.
    fn end(&mut self, run: &RunView) {
        if !self.seen.is_empty() {
            self.show(run);
        }
    }

    fn show(&mut self, run: &RunView) {
        let of = |status: &str| {
            let shown = run.instances.iter().filter(|instance| instance.is_worth_showing());
            let found = shown.filter(|instance| instance.status == status);
            found.map(|instance| instance.component.as_str()).collect::<Vec<_>>()
        };
        if let Some(bar) = &self.bar {
            let is_step = |instance: &&InstanceView| !instance.kind.ends_with("DataNode");
            bar.set_length(run.instances.iter().filter(is_step).count() as u64);
            bar.set_position(of("FINISHED").len() as u64);
            bar.set_message(output::shown(&format!("{}: {}", run.name, of("RUNNING").join(", "))));
            return;
        }
        for instance in run.instances.iter().filter(|instance| instance.is_worth_showing()) {
            let last = self.seen.insert(instance.id.clone(), instance.status.clone());
            if last.as_ref() != Some(&instance.status) && !instance.status.starts_with("WAITING") {
                output::complain!("{} {}", instance.component, instance.status);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
