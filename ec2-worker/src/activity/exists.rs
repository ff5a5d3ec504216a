//! `Exists`: checks whether a data node exists. The worker checks once, and the service repeats the task.

use super::{Activity, TaskOutcome, Work};
use crate::etl::table::Table;
use crate::failure::Failure;
use crate::hindrance::{Foreseen, Hindrance};
use crate::node::{self, Node, S3Node, SqlNode};
use crate::reader::Reader;

/// An `Exists` precondition.
#[derive(Clone, Debug)]
pub(super) struct Exists {
    /// The node to check.
    node: Node,
}

impl Activity for Exists {
    const TYPE: &'static str = "Exists";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        Ok(Self { node: Node::read(reader, "node")? })
    }

    fn hindrances(foreseen: &Foreseen<'_>) -> Vec<Hindrance> {
        let problem = foreseen.guarded.and_then(|node| node::check(node, foreseen.find).err());
        problem.into_iter().collect()
    }

    async fn run(&self, work: &Work<'_>) -> Result<TaskOutcome, Failure> {
        let is_there = match &self.node {
            Node::S3(node) => is_in_s3(work, node).await?,
            Node::Sql(node) => is_in_database(work, node).await?,
        };
        Ok(if is_there { TaskOutcome::Finished } else { TaskOutcome::False })
    }
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

#[cfg(test)]
mod tests {
    use super::super::tests::hindered;

    #[test]
    fn a_node_that_this_worker_does_not_read_hinders_the_check() {
        let exists = r#"{"id": "Work", "type": "Exists"}, {"id": "Guarded", "type": "DynamoDBDataNode"}"#;
        let [said] = hindered(exists).try_into().expect("one hindrance");
        assert!(said.starts_with("Guarded type is DynamoDBDataNode"), "{said}");
    }
}
