//! The pipeline definition: objects, parameters and values.
//!
//! The crate is pure: it has no clock, no files and no network. Every result depends on the arguments alone.
//!
//! Entry points:
//!
//! - [`diagnosis::diagnose`] reads a definition file and returns everything that is wrong with it
//!   (`examples/diagnose.rs` prints it).
//! - [`file::parse`] reads a file into a [`Definition`], and [`validate::validate`] checks it.
//! - [`render::render`] shows the definition as it will run; [`preview::Preview`] evaluates single texts.
//! - [`graph::RunOrder`] draws the order of a run.
//! - [`kind::Kind`] describes the object types; [`kind::field`] reads their fields.
//! - [`trigger::Trigger`] says which dropped files start a run.
//! - [`subject::of`] makes the subject of a notice, and [`harmless`] escapes text from outside.

pub mod counted;
pub mod diagnosis;
pub mod duration;
pub mod edits;
pub mod expression;
pub mod file;
pub mod graph;
pub mod harmless;
pub mod inherit;
pub mod kind;
pub mod listed_key;
mod object;
pub mod parameters;
pub mod period;
pub mod preview;
pub mod publication;
pub mod render;
pub mod schedule;
pub mod schema;
pub mod staging;
pub mod status;
pub mod subject;
pub mod time_zone;
pub mod trigger;
pub mod validate;

pub use object::{
    Definition, Field, FieldKey, FieldValue, MASK, ObjectId, ParameterAttribute, ParameterObject,
    ParameterValue, PipelineObject,
};
