//! SNS, S3 and DynamoDB with faults. They refuse, hang, and accept a notice but say that they did not.

use std::sync::Arc;
use std::time::Duration;

use engine::Notice;
use tokio_util::sync::CancellationToken;

use super::World;
use crate::driver::{Buckets, Tables, Topic};

/// The topic to which one life of a server publishes.
#[derive(Clone)]
pub(in crate::simulation) struct FaultyTopic {
    pub(in crate::simulation) world: Arc<World>,
    pub(in crate::simulation) died: CancellationToken,
}

/// A time longer than any server waits for SNS or S3.
const HANGS: Duration = Duration::from_secs(200);

impl Topic for FaultyTopic {
    async fn publish(&self, notice: &Notice) -> Result<(), String> {
        let world = &self.world;
        tokio::time::sleep(world.dice.seconds(0, 2)).await;
        if self.died.is_cancelled() {
            return std::future::pending().await;
        }
        let trouble = world.dice.chance(world.chances().topic).then(|| world.dice.below(4));
        if trouble == Some(0) {
            world.note("fault: topic refuses", String::new());
            return Err("simulated: the topic refuses".to_owned());
        }
        if trouble == Some(1) {
            world.note("fault: topic hangs", String::new());
            tokio::time::sleep(HANGS).await;
            return Err("simulated: the topic hung".to_owned());
        }
        world.note("a notice is taken", format!("{} {}", notice.message, notice.id));
        let taken = world.judge().taken(notice);
        world.check(taken);
        match trouble {
            Some(2) => {
                world.note("fault: topic takes and refuses", String::new());
                Err("simulated: the topic's answer is lost".to_owned())
            }
            Some(_) => {
                world.note("fault: topic takes and hangs", String::new());
                tokio::time::sleep(HANGS).await;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The buckets and tables that one life of a server checks.
#[derive(Clone)]
pub(in crate::simulation) struct FaultyBuckets {
    pub(in crate::simulation) world: Arc<World>,
    pub(in crate::simulation) died: CancellationToken,
}

impl FaultyBuckets {
    async fn check(&self, prefix: &str) -> Result<bool, String> {
        let world = &self.world;
        tokio::time::sleep(world.dice.seconds(0, 3)).await;
        if self.died.is_cancelled() {
            return std::future::pending().await;
        }
        if world.dice.chance(world.chances().buckets) {
            if world.dice.chance(500) {
                world.note("fault: S3 refuses", prefix.to_owned());
                return Err("simulated: S3 refuses".to_owned());
            }
            world.note("fault: S3 hangs", prefix.to_owned());
            tokio::time::sleep(HANGS).await;
        }
        let found = world.has_key(prefix);
        world.note(if found { "S3 has it" } else { "S3 does not have it" }, prefix.to_owned());
        Ok(found)
    }
}

/// Tables have the same faults as buckets, and the same names as the keys.
impl Tables for FaultyBuckets {
    async fn table_exists(&self, table: &str) -> Result<bool, String> {
        self.check(table).await
    }

    async fn holds_any_item(&self, table: &str) -> Result<bool, String> {
        self.check(table).await
    }
}

impl Buckets for FaultyBuckets {
    async fn key_exists(&self, _bucket: &str, key: &str) -> Result<bool, String> {
        self.check(key).await
    }

    async fn prefix_holds_any(&self, _bucket: &str, prefix: &str) -> Result<bool, String> {
        self.check(prefix).await
    }
}
