//! The types of work that this worker does: activities, and the preconditions that a worker checks.
//!
//! To add a type, write its file in this folder and add its line to the table below. A file holds everything about its
//! type: its fields, how the worker reads them from a task, the reasons why the worker cannot do the work, and how the
//! work runs. A program that embeds the worker adds types of its own with [`Activities::with`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use definition::{ObjectId, PipelineObject};
use futures::future::BoxFuture;

use crate::clients::Clients;
use crate::database::Pool;
use crate::etl::load::Load;
use crate::failure::Failure;
use crate::hindrance::{Foreseen, Hindrance};
use crate::ledger::WorkKey;
use crate::manifest;
use crate::node::S3Node;
use crate::progress::Progress;
use crate::reader::{Reader, Script};
use crate::script::without_marks;
use crate::storage::{ObjectRef, Storage};

/// Declares the module of each type, and lists the types in the order in which messages name them.
macro_rules! table {
    ($($file:ident::$activity:ident,)+) => {
        $(mod $file;)+

        impl Default for Activities {
            /// Returns the types of work that are built into the worker.
            fn default() -> Self {
                Self { types: Vec::new() }$(.with::<$file::$activity>())+
            }
        }
    };
}

table! {
    shell::ShellCommandActivity,
    copy::CopyActivity,
    sql::SqlActivity,
    shell_precondition::ShellCommandPrecondition,
    exists::Exists,
}

pub(crate) use shell::{STDERR, STDOUT};

/// Reads a `CopyActivity` outside a task: see [`crate::by_hand`].
pub(crate) fn table_load(reader: &Reader<'_>, scratch: &Path) -> Result<Option<(S3Node, Load)>, Failure> {
    copy::table_load(reader, scratch)
}

/// A type of work.
pub trait Activity: Sized + Send + Sync + 'static {
    /// The `type` of its objects in a definition.
    const TYPE: &'static str;

    /// Reads the work of one attempt.
    ///
    /// # Errors
    ///
    /// If a field cannot be used. The message names the object and the field.
    fn read(reader: &Reader<'_>) -> Result<Self, Failure>;

    /// Returns the reasons, known before anything runs, why this worker cannot do the work.
    #[must_use]
    fn hindrances(_foreseen: &Foreseen<'_>) -> Vec<Hindrance> {
        Vec::new()
    }

    /// Does the work. Dropping the future must stop it: transactions are undone, processes killed.
    fn run(&self, context: &TaskContext<'_>) -> impl Future<Output = Result<TaskOutcome, Failure>> + Send;
}

/// How a task ended, if it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOutcome {
    /// The work is done, or the precondition holds.
    Finished,
    /// The precondition does not hold yet.
    False,
}

/// The clients and settings that every activity uses.
#[derive(Clone, Debug)]
pub struct Tools {
    /// S3.
    pub storage: Storage,
    /// The sessions with databases.
    pub pool: Pool,
    /// How long to keep trying to reach a database that does not answer.
    pub database_patience: Duration,
    /// The `AWS_…` variables of commands, in place of those of the worker's own environment.
    pub command_environment: Option<Vec<(String, String)>>,
    /// The mode bits that files made by commands lack.
    pub command_umask: Option<u32>,
}

impl Tools {
    pub(crate) fn new(clients: &Clients, database_patience: Duration) -> Self {
        Self {
            storage: Storage::new(clients.s3.clone()),
            pool: Pool::default(),
            database_patience,
            command_environment: None,
            command_umask: None,
        }
    }
}

/// The surroundings of one attempt.
pub struct TaskContext<'a> {
    /// The clients and settings.
    pub tools: &'a Tools,
    /// The identity of the work over all its attempts.
    pub key: &'a WorkKey,
    /// The id of the definition's object.
    pub component: &'a str,
    /// An empty folder, deleted after the attempt.
    pub folder: PathBuf,
    /// The fields and log lines to report.
    pub progress: &'a Progress,
}

impl TaskContext<'_> {
    /// Returns the name of a script for messages, and its text without byte order marks before it.
    ///
    /// # Errors
    ///
    /// If the script is in S3 and cannot be read, or is not UTF-8.
    pub async fn script(&self, script: &Script) -> Result<(String, String), Failure> {
        match script {
            Script::Inline(text) => {
                Ok((format!("script of `{}`", self.component), without_marks(text).to_owned()))
            }
            Script::At(at) => Ok((at.to_string(), self.tools.storage.script(at).await?)),
        }
    }

    /// Returns the objects of a node. The object of a file is pinned to the version that `myETag` names, or else to
    /// its present version. The objects of a directory are pinned to their present versions, or to those in `myManifest`.
    ///
    /// # Errors
    ///
    /// If there is no such object or version, the directory is empty, or the worker may not read it. A list may be empty.
    pub async fn objects_of(&self, node: &S3Node) -> Result<Vec<ObjectRef>, Failure> {
        let storage = &self.tools.storage;
        if let Some(list) = &node.manifest {
            return manifest::objects(storage, list).await;
        }
        if !node.directory {
            return Ok(vec![storage.pin(&node.at, node.etag.as_deref()).await?]);
        }
        let found = storage.list(&node.at).await?;
        if found.is_empty() {
            let message = format!("object `{}`: there is nothing under {}", node.id, node.at);
            return Err(Failure::bad_input("NoFiles", message));
        }
        Ok(found)
    }
}

/// An activity of any type that was read from a task.
pub(crate) trait Run: Send + Sync {
    fn run<'a>(&'a self, context: &'a TaskContext<'_>) -> BoxFuture<'a, Result<TaskOutcome, Failure>>;
}

impl<A: Activity> Run for A {
    fn run<'a>(&'a self, context: &'a TaskContext<'_>) -> BoxFuture<'a, Result<TaskOutcome, Failure>> {
        Box::pin(Activity::run(self, context))
    }
}

/// The types of work that a worker does.
#[derive(Clone)]
pub struct Activities {
    types: Vec<Type>,
}

/// One type of work, as functions that do not mention its Rust type.
#[derive(Clone, Copy)]
struct Type {
    name: &'static str,
    read: fn(&Reader<'_>) -> Result<Box<dyn Run>, Failure>,
    hindrances: fn(&Foreseen<'_>) -> Vec<Hindrance>,
}

impl Activities {
    /// Adds a type of work. It replaces a type with the same name.
    #[must_use]
    pub fn with<A: Activity>(mut self) -> Self {
        self.types.retain(|known| known.name != A::TYPE);
        self.types.push(Type {
            name: A::TYPE,
            read: |reader| Ok(Box::new(A::read(reader)?)),
            hindrances: A::hindrances,
        });
        self
    }

    /// Returns the names of the types.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.types.iter().map(|known| known.name)
    }

    /// Returns the reasons why this worker cannot do the activity or precondition `work`, as far as the definition
    /// shows them.
    ///
    /// `guarded` is the object that a precondition guards. `find` finds the objects of the definition, their fields
    /// evaluated as far as that is possible before a run.
    #[must_use]
    pub fn hindrances<'a>(
        &self,
        work: &'a PipelineObject,
        guarded: Option<&'a PipelineObject>,
        find: impl Fn(&ObjectId) -> Option<&'a PipelineObject>,
    ) -> Vec<Hindrance> {
        match self.of(work) {
            Ok(known) => (known.hindrances)(&Foreseen { work, guarded, find: &|id| find(id) }),
            Err(hindrance) => vec![hindrance],
        }
    }

    /// Reads the attempt as the type that it names.
    pub(crate) fn read(&self, reader: &Reader<'_>) -> Result<Box<dyn Run>, Failure> {
        (self.of(reader.attempt())?.read)(reader)
    }

    fn of(&self, object: &PipelineObject) -> Result<&Type, Hindrance> {
        let Some(name) = object.type_name() else {
            return Err(Hindrance::new(object, "type", "is missing"));
        };
        self.types.iter().find(|known| known.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.names().collect();
            let names = match names.as_slice() {
                [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
                few => few.concat(),
            };
            Hindrance::new(object, "type", format!("is {name}; ec2-worker does {names}"))
        })
    }
}

impl std::fmt::Debug for Activities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use definition::file;

    use super::*;

    /// Returns the hindrances of the object `Work` in a definition with these objects. `Work` guards the object `Guarded`.
    pub(super) fn hindered(objects: &str) -> Vec<String> {
        let definition = file::parse(&format!(r#"{{"objects": [{objects}]}}"#)).expect("a definition");
        let work = definition.object("Work").expect("the work");
        let guarded = definition.object("Guarded");
        let found = Activities::default().hindrances(work, guarded, |id| definition.object(id.as_str()));
        found.iter().map(|it| format!("{} {} {}", it.object, it.field, it.what)).collect()
    }

    #[test]
    fn a_type_that_the_table_lacks_is_reported_with_the_types_that_it_has() {
        let [said] = hindered(r#"{"id": "Work", "type": "EmrActivity"}"#).try_into().expect("one hindrance");
        let begin = "Work type is EmrActivity; ec2-worker does ShellCommandActivity, CopyActivity, SqlActivity, \
                     ShellCommandPrecondition";
        assert!(said.starts_with(begin) && said.contains(" and "), "{said}");
        assert_eq!(hindered(r#"{"id": "Work"}"#), ["Work type is missing"]);
    }
}
