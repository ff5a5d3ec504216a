//! The pipeline definition: objects, parameters and values.
//!
//! Pure: no clock, no files, no network. Everything here is a function of its arguments.

mod object;

pub use object::{
    Definition, Field, FieldKey, FieldValue, ObjectId, ParameterAttribute, ParameterObject,
    ParameterValue, PipelineObject,
};
