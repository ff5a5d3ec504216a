//! The table of pipelines.

use engine::PipelineState;
use engine::pipeline::{Event, step};

use super::table;

const INTRO: &str = "
## A pipeline

A dash means that the request is refused with InvalidRequestException.

- `runs active`: an instance is at work, or a runner may take it.
- `runs at rest`: the instances that are left wait for their time, for an activation, or for a user to resume them.
- `runs stuck`: some instances wait for ever for an instance that failed, and may be rerun.
- `more`: runs are still to come.

A deactivation and its effect are one step: if nothing is active, the pipeline is INACTIVE at once. A FINISHED pipeline is
activated only if there is something to begin. A deletion is one step, after which no operation finds the pipeline; but
DescribePipelines shows it as DELETING for three seconds, in which the host ends the machines. DescribePipelines shows SCHEDULING
instead of SCHEDULED as long as a run that was due at the activation has not begun.

";

pub(super) fn section() -> String {
    let changed = |moving, active, stuck, more| Event::RunsChanged { moving, active, stuck, more };
    let events = [
        ("activate", Event::Activated),
        ("deactivate", Event::Deactivated),
        ("runs active", changed(true, true, false, false)),
        ("runs at rest", changed(true, false, false, false)),
        ("runs over", changed(false, false, false, false)),
        ("runs over, more", changed(false, false, false, true)),
        ("runs stuck", changed(false, false, true, false)),
    ];
    let names: Vec<_> = events.iter().map(|(event, _)| *event).collect();
    let rows = PipelineState::ALL.iter().map(|state| {
        let cell = |(_, event): &(_, Event)| {
            step(*state, *event).map_or("-".to_owned(), |next| next.as_str().to_owned())
        };
        (state.as_str(), events.iter().map(cell).collect())
    });
    format!("{INTRO}{}", table(&names, rows))
}
