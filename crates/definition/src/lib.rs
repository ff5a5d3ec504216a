//! The pipeline definition: objects, parameters and values.
//!
//! The crate is pure: it has no clock, no files and no network. Every result depends on the arguments alone.

pub mod diagnosis;
pub mod edits;
pub mod expression;
pub mod file;
pub mod graph;
pub mod inherit;
pub mod kind;
mod object;
pub mod parameters;
pub mod period;
pub mod preview;
pub mod render;
pub mod schedule;
pub mod schema;
pub mod trigger;
pub mod validate;

pub use object::{
    Definition, Field, FieldKey, FieldValue, MASK, ObjectId, ParameterAttribute, ParameterObject,
    ParameterValue, PipelineObject,
};
