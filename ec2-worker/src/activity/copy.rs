//! `CopyActivity`: between S3 and PostgreSQL, in every direction.

use super::{Work, objects};
use crate::etl::dialect::Dialect;
use crate::etl::load::{self, Load};
use crate::etl::source::{Place, Source};
use crate::etl::unload::{self, Unload};
use crate::failure::Failure;
use crate::storage::ObjectRef;
use crate::task::{Copy, Node, S3Node, SqlNode};

pub(super) async fn run(work: &Work<'_>, copy: &Copy) -> Result<(), Failure> {
    match (&copy.source, &copy.sink) {
        (Node::S3(from), Node::Sql(to)) => {
            let sources = sources(work, from).await?;
            let dialect = Dialect::of(from.format.as_ref(), &copy.nulls)?;
            let declared = from.format.as_ref().map(|format| format.columns.clone()).unwrap_or_default();
            fill(work, copy, to, sources, dialect, declared).await
        }
        (Node::Sql(from), Node::S3(to)) => empty(work, from, to).await,
        (Node::S3(from), Node::S3(to)) => objects::run(work, copy, from, to).await,
        (Node::Sql(from), Node::Sql(to)) => {
            // By way of a file: both may be one database that lends out one session at a time.
            let dialect = Dialect::default();
            let path = work.folder.join("rows.csv");
            let out = Unload::new(from, &dialect);
            unload::to_file(
                &work.tools.pool,
                &out,
                &path,
                work.tools.config.database_patience,
                work.progress,
            )
            .await?;
            let source = Source { place: Place::File(path), gzip: false };
            fill(work, copy, to, vec![source], dialect, Vec::new()).await
        }
    }
}

async fn sources(work: &Work<'_>, node: &S3Node) -> Result<Vec<Source>, Failure> {
    let objects = list(work, node).await?;
    let storage = &work.tools.storage;
    let source = |object| Source { place: Place::Object(storage.clone(), object), gzip: node.gzip };
    Ok(objects.into_iter().map(source).collect())
}

/// Returns the objects of a node, each pinned to the version that is there now, or that `myETag` says.
pub(super) async fn list(work: &Work<'_>, node: &S3Node) -> Result<Vec<ObjectRef>, Failure> {
    let storage = &work.tools.storage;
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

async fn fill(
    work: &Work<'_>,
    copy: &Copy,
    to: &SqlNode,
    sources: Vec<Source>,
    dialect: Dialect,
    declared: Vec<String>,
) -> Result<(), Failure> {
    let load = Load {
        key: work.task.key.clone(),
        target: to.target.clone(),
        schema: to.schema.clone(),
        table: to.table.clone(),
        create: to.create.clone(),
        insert: to.insert.clone(),
        sources,
        dialect,
        declared,
        dates: copy.dates.clone(),
        mode: copy.mode,
        limit: copy.max_rejects,
        quarantine: copy.quarantine.clone().map(|at| (work.tools.storage.clone(), at)),
        scratch: work.folder.clone(),
        patience: work.tools.config.database_patience,
    };
    load::load(&load, &work.tools.pool, work.progress).await
}

async fn empty(work: &Work<'_>, from: &SqlNode, to: &S3Node) -> Result<(), Failure> {
    let dialect = Dialect::of(to.format.as_ref(), &[])?;
    let at = if to.directory {
        let ending = if to.gzip { "part-00000.csv.gz" } else { "part-00000.csv" };
        to.at.child(ending)
    } else {
        to.at.clone()
    };
    let out = Unload::new(from, &dialect);
    let patience = work.tools.config.database_patience;
    unload::to_object(&work.tools.pool, &out, &work.tools.storage, &at, to.gzip, patience, work.progress)
        .await
}
