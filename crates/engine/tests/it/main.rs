//! Tests of the engine through its public interface: definitions and events in, objects and effects out.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test, as it should")]

mod alarms;
mod any_sequence;
mod commands;
mod harness;
mod late;
mod objects;
mod parties;
mod paused;
mod preconditions;
mod resources;
mod runs;
mod scheduled_resources;
mod schedules;
mod state_machine;
mod why;
