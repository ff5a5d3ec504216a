//! The stories, end to end: foreign clients against the real program.

mod samples;
