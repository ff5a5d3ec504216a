//! What must be true of every input, for the fuzzer and for the tests.

pub(crate) mod expressions;
pub(crate) mod file_form;
