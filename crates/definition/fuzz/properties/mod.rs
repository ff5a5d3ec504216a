//! The properties that every input must have. The fuzzer and the tests check them.

pub(crate) mod expressions;
pub(crate) mod file_form;
