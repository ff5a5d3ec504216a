//! `ShellCommandPrecondition`: checks whether a command ends with exit code 0. The worker checks once, and the service
//! repeats the task.

use super::shell::ShellCommandActivity;
use super::{Activity, TaskContext, TaskOutcome};
use crate::failure::Failure;
use crate::reader::Reader;

/// A `ShellCommandPrecondition`. It has the fields of a `ShellCommandActivity`.
#[derive(Clone, Debug)]
pub(super) struct ShellCommandPrecondition(ShellCommandActivity);

impl Activity for ShellCommandPrecondition {
    const TYPE: &'static str = "ShellCommandPrecondition";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        ShellCommandActivity::read(reader).map(Self)
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        Ok(if self.0.succeeds(context).await? { TaskOutcome::Finished } else { TaskOutcome::False })
    }
}
