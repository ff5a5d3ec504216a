//! `Exists` and `ShellCommandPrecondition`: one look each; the service asks again.

use super::{Outcome, Work, shell};
use crate::etl::table::Table;
use crate::failure::Failure;
use crate::task::{Node, Precondition, S3Node, SqlNode};

pub(super) async fn run(work: &Work<'_>, precondition: &Precondition) -> Result<Outcome, Failure> {
    let holds = match precondition {
        Precondition::Shell(command) => shell::succeeds(work, command).await?,
        Precondition::Exists(Node::S3(node)) => is_in_s3(work, node).await?,
        Precondition::Exists(Node::Sql(node)) => is_in_database(work, node).await?,
    };
    Ok(if holds { Outcome::Finished } else { Outcome::False })
}

async fn is_in_s3(work: &Work<'_>, node: &S3Node) -> Result<bool, Failure> {
    let (found, what) = if node.directory {
        (!work.tools.storage.list(&node.at).await?.is_empty(), "under")
    } else {
        (work.tools.storage.exists(&node.at).await?, "at")
    };
    work.progress.log(&format!(
        "there is {} {what} {}",
        if found { "something" } else { "nothing" },
        node.at
    ));
    Ok(found)
}

async fn is_in_database(work: &Work<'_>, node: &SqlNode) -> Result<bool, Failure> {
    let session = work.tools.pool.begin(&node.target).await?;
    let found = Table::find(&session, node.schema.as_deref(), &node.table).await?.is_some();
    session.rollback().await;
    work.progress.log(&format!("the table `{}` is {}there", node.table, if found { "" } else { "not " }));
    Ok(found)
}
