//! `Exists`: checks whether a data node exists. The worker checks once, and the service repeats the task.

use super::{Activity, TaskContext, TaskOutcome};
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

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        let is_there = match &self.node {
            Node::S3(node) => is_in_s3(context, node).await?,
            Node::Sql(node) => is_in_database(context, node).await?,
        };
        Ok(if is_there { TaskOutcome::Finished } else { TaskOutcome::False })
    }
}

async fn is_in_s3(context: &TaskContext<'_>, node: &S3Node) -> Result<bool, Failure> {
    let (found, what) = if node.directory {
        (!context.tools.storage.list(&node.at).await?.is_empty(), "under")
    } else {
        (context.tools.storage.exists(&node.at).await?, "at")
    };
    context.progress.log(&format!(
        "there is {} {what} {}",
        if found { "something" } else { "nothing" },
        node.at
    ));
    Ok(found)
}

async fn is_in_database(context: &TaskContext<'_>, node: &SqlNode) -> Result<bool, Failure> {
    let session = context.tools.pool.begin_fixed(&node.target).await?;
    let found = Table::find(&session, node.schema.as_deref(), &node.table).await?.is_some();
    session.rollback().await;
    context.progress.log(&format!("the table `{}` is {}there", node.table, if found { "" } else { "not " }));
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
