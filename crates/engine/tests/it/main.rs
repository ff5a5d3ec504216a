//! The engine from outside: definitions in, events in, objects and effects out.

mod alarms;
mod any_sequence;
mod harness;
mod objects;
mod runs;
