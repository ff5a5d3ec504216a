//! The next step for a whole set.

mod decide;

pub(crate) use decide::{Step, Terms, decide};
