//! The table of pipelines.

use engine::PipelineState;
use engine::pipeline::{Event, step};

use super::table;

const INTRO: &str = "
## A pipeline

`-`: refused with InvalidRequestException. *Active*: something in its runs is at work, or may be taken; *at rest*: what is
left of them waits for its time, for an activation, or for somebody to resume it. *Stuck*: some of them wait for ever on
something that failed, and may be rerun. *More*: there are runs to come. What a deactivation leaves is seen in the same
step: where nothing is active, the pipeline is INACTIVE at once. FINISHED, it is activated only where there is something to
begin. DELETING is never seen: a deletion is one step, and its machines are ended after it.

";

pub(super) fn section() -> String {
    let turned = |moving, active, stuck, more| Event::RunsTurned { moving, active, stuck, more };
    let events = [
        ("activate", Event::Activated),
        ("deactivate", Event::Deactivated),
        ("runs active", turned(true, true, false, false)),
        ("runs at rest", turned(true, false, false, false)),
        ("runs over", turned(false, false, false, false)),
        ("runs over, more", turned(false, false, false, true)),
        ("runs stuck", turned(false, false, true, false)),
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
