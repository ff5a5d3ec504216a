//! A worker with an activity type of its own: `hive_activity GROUP SCRATCH_FOLDER`.
//!
//! The worker itself cannot do a `HiveActivity`. This file adds the type: how it is read from a task, why the worker
//! may be unable to do it, and how it runs. The example uses no cluster. It only writes the query to the attempt's log, and
//! reports the length of the query.
//!
//! Endpoints, region and credentials come from the environment, as for `ec2-worker`.

use ec2_worker::reader::Script;
use ec2_worker::{
    Activities, Activity, Clients, Config, Failure, Foreseen, Hindrance, Reader, TaskContext, TaskOutcome,
};
use tokio_util::sync::CancellationToken;

/// A `HiveActivity`.
struct HiveActivity {
    /// `hiveScript` or `scriptUri`.
    script: Script,
}

impl Activity for HiveActivity {
    const TYPE: &'static str = "HiveActivity";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        Ok(Self { script: reader.script("hiveScript")? })
    }

    fn hindrances(foreseen: &Foreseen<'_>) -> Vec<Hindrance> {
        let bucketed = foreseen.work.string("hiveScript").filter(|script| script.contains("CLUSTERED BY"));
        bucketed.map(|_| Hindrance::new(foreseen.work, "hiveScript", "makes buckets")).into_iter().collect()
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        let (name, text) = context.script(&self.script).await?;
        context.progress.log(&format!("{name}: {text}"));
        context.progress.set("queryLength", text.len());
        Ok(TaskOutcome::Finished)
    }
}

/// Returns the types of the worker and its own.
pub(crate) fn activities() -> Activities {
    Activities::default().with::<HiveActivity>()
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [group, scratch] = arguments.as_slice() else {
        anyhow::bail!("usage: hive_activity GROUP SCRATCH_FOLDER");
    };
    let config = Config { activities: activities(), ..Config::new(group, scratch) };
    let shutdown = CancellationToken::new();
    let end = shutdown.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            end.cancel();
        }
    });
    ec2_worker::run(config, Clients::from_env(None).await?, shutdown).await
}
