//! The pipeline definition: objects, parameters and values.
//!
//! Pure: no clock, no files, no network. Everything here is a function of its arguments.

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
