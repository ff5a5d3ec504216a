//! The end-to-end harness: a stack in a folder of its own, and the sample files that it is fed.

pub mod samples;
