//! The activities and preconditions that this worker can do.

mod copy;
mod objects;
mod precondition;
mod shell;
mod sql;

use std::path::PathBuf;

use crate::database::Pool;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::storage::Storage;
use crate::task::{Activity, Script, Task};
use crate::{Clients, Config};

pub(crate) use shell::{STDERR, STDOUT};

/// What every activity works with.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) config: Config,
    pub(crate) storage: Storage,
    pub(crate) pool: Pool,
}

impl Tools {
    pub(crate) fn new(config: &Config, clients: &Clients) -> Self {
        let storage = Storage::new(clients.s3.clone());
        Self { config: config.clone(), storage, pool: Pool::default() }
    }
}

/// How a task ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done; a precondition holds.
    Finished,
    /// A precondition does not hold yet.
    False,
}

/// What one attempt works with: the tools, its folder, and the handle it tells its progress to.
pub(crate) struct Work<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) task: &'a Task,
    pub(crate) folder: PathBuf,
    pub(crate) progress: &'a Progress,
}

impl Work<'_> {
    /// Does the task. Dropping the future stops it: transactions are undone, processes killed.
    pub(crate) async fn run(&self) -> Result<Outcome, Failure> {
        match &self.task.activity {
            Activity::Shell(command) => shell::run(self, command).await,
            Activity::Copy(copy) => copy::run(self, copy).await,
            Activity::Sql(script) => sql::run(self, script).await,
            Activity::Precondition(precondition) => return precondition::run(self, precondition).await,
        }
        .map(|()| Outcome::Finished)
    }

    async fn script(&self, script: &Script) -> Result<(String, String), Failure> {
        match script {
            Script::Inline(text) => Ok((format!("script of `{}`", self.task.component), text.clone())),
            Script::At(at) => Ok((at.to_string(), self.tools.storage.text(at).await?)),
        }
    }
}
