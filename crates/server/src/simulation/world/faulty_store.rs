//! The store as a server sees it: it passes calls on to the disk, with faults. A call can be slow, be refused, be in doubt, or
//! crash the server.

use std::sync::Arc;

use async_trait::async_trait;
use definition::Definition;
use engine::{AttemptId, Header, InstanceId, Notice, NoticeId, PipelineId, Run, RunId, WorkerGroup};
use jiff::Timestamp;
use store::{
    Batch, DefinitionVersion, DeletedPipeline, Expired, ExpiryMarker, Marker, Page, Pipeline, Query, Store,
    StoreError, Waiting,
};
use tokio::sync::{Mutex, broadcast};
use tokio_util::sync::CancellationToken;

use super::judge;
use super::{Planned, StoreLie, World};

/// The word by which the judge recognises the errors that the simulation makes.
pub(in crate::simulation) const SIMULATED: &str = "simulated";

/// The store as one life of a server uses it. After the end of that life, no call returns.
pub(in crate::simulation) struct FaultyStore {
    pub(in crate::simulation) world: Arc<World>,
    pub(in crate::simulation) died: CancellationToken,
    /// The number of this life.
    life: u64,
    received: Mutex<broadcast::Receiver<WorkerGroup>>,
}

/// The change that a write makes. The judge checks it.
enum Change {
    Created,
    Deleted(PipelineId),
    Saved { runs: Vec<(PipelineId, RunId)>, notices: Vec<Notice> },
    NoticeDone(NoticeId),
}

/// Returns the runs of a pipeline that have not ended, as they are stored.
pub(in crate::simulation) async fn open_runs(world: &World, pipeline: &PipelineId) -> Vec<Run> {
    let mut open = Vec::new();
    for header in world.disk.runs(pipeline).await.expect("the disk reads") {
        if header.ended.is_none() {
            open.extend(world.disk.load_run(pipeline, &header.id).await.expect("the disk reads"));
        }
    }
    open
}

impl FaultyStore {
    pub(in crate::simulation) fn new(world: &Arc<World>, died: CancellationToken) -> Self {
        let received = Mutex::new(world.messages.subscribe());
        Self { world: Arc::clone(world), died, life: world.next_life(), received }
    }

    /// Returns at once if the server lives. If it is dead, the call never returns.
    async fn wait_for_ever_if_dead(&self) {
        if self.died.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    async fn die(&self, how: &str) {
        self.world.crash_life(&self.died, how);
        std::future::pending::<()>().await;
    }

    async fn delay(&self) {
        if self.world.dice.chance(self.world.chances().store_slow) {
            self.world.trace().count("fault: slow store");
            tokio::time::sleep(self.world.dice.seconds(0, 8)).await;
        }
        self.wait_for_ever_if_dead().await;
    }

    fn refusal(&self, doing: &str) -> Result<(), StoreError> {
        let refuse = |why: &str| Err(StoreError::Commit(format!("{SIMULATED}: {doing}: {why}")));
        if !self.world.is_database_up() {
            return refuse("the database is down");
        }
        if self.world.is_planned(Planned::Refusal, doing)
            || self.world.dice.chance(self.world.chances().store_refuses)
        {
            self.world.note("fault: store refuses", doing.to_owned());
            return refuse("not now");
        }
        Ok(())
    }

    /// Does a call that the judge need not see, perhaps with a delay or a refusal: a read, or a write such as the expiry of
    /// runs.
    async fn unjudged<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.wait_for_ever_if_dead().await;
        self.delay().await;
        self.refusal(doing)?;
        call.await
    }

    /// Does a write, perhaps with a fault: a delay, a crash before or after the write, a refusal, a full disk, or a
    /// doubt.
    async fn write<T>(
        &self,
        doing: &str,
        change: Change,
        write: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let world = &self.world;
        self.wait_for_ever_if_dead().await;
        self.delay().await;
        let number = world.next_write();
        let is_unlucky = world.dice.chance(world.chances().crash_at_write);
        // `Some(true)`: crash after the write; `Some(false)`: crash before it.
        let crash = match world.crash_at {
            Some(at) => (at.write == number).then_some(at.after),
            None => is_unlucky.then(|| world.dice.chance(500)),
        };
        if crash == Some(false) {
            self.die(&format!("before write {number}, {doing}")).await;
        }
        self.refusal(doing)?;
        if world.dice.chance(world.chances().disk_full) {
            let world = Arc::clone(world);
            tokio::spawn(async move { world.fill_disk().await });
            tokio::task::yield_now().await;
            self.wait_for_ever_if_dead().await;
        }
        let result = write.await;
        match &result {
            Ok(_) => self.judge_change(change).await,
            Err(error) => world.note("a write fails", format!("{doing}: {error}")),
        }
        if crash == Some(true) {
            self.die(&format!("after write {number}, {doing}")).await;
        }
        self.delay().await;
        let is_doubtful = world.is_planned(Planned::Doubt, doing);
        if result.is_ok() && (is_doubtful || world.dice.chance(world.chances().store_in_doubt)) {
            world.note("fault: store in doubt", doing.to_owned());
            return Err(StoreError::Commit(format!(
                "{SIMULATED}: {doing}: it was done, but the answer was lost"
            )));
        }
        result
    }

    /// Shows the content of the disk to the judge after a change.
    async fn judge_change(&self, change: Change) {
        let world = &self.world;
        let checked = match change {
            Change::Created => Ok(()),
            Change::Deleted(id) => {
                world.judge().deleted(&id);
                Ok(())
            }
            Change::NoticeDone(id) => world.judge().notice_removed(&id),
            Change::Saved { runs, notices } => {
                for (pipeline, run) in runs {
                    let is_new = !world.judge().knows(&pipeline, &run);
                    let run = world.disk.load_run(&pipeline, &run).await.expect("the disk reads");
                    let Some(run) = run else {
                        world.rule_broken(format!("a run of {pipeline} was saved and is not on the disk"));
                        continue;
                    };
                    let checked = world.judge().saved(world, run);
                    world.check(checked);
                    if is_new {
                        let pipeline = world.disk.pipeline(&pipeline).await.expect("the disk reads");
                        world.check(judge::may_begin(pipeline.as_ref()));
                    }
                }
                world.judge().owed(&notices)
            }
        };
        world.check(checked);
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn create_pipeline(&self, mut new: Pipeline) -> Result<Pipeline, StoreError> {
        // The service makes random ids, which do not follow from the seed.
        new.id = PipelineId::from(self.world.next_pipeline());
        self.write("creating a pipeline", Change::Created, self.world.disk.create_pipeline(new)).await
    }

    async fn pipeline(&self, id: &PipelineId) -> Result<Option<Pipeline>, StoreError> {
        self.unjudged("reading a pipeline", self.world.disk.pipeline(id)).await
    }

    async fn revision(&self, id: &PipelineId) -> Result<Option<u64>, StoreError> {
        self.unjudged("reading a revision", self.world.disk.revision(id)).await
    }

    async fn deleted_pipeline(&self, id: &PipelineId) -> Result<Option<DeletedPipeline>, StoreError> {
        self.unjudged("reading deleted pipelines", self.world.disk.deleted_pipeline(id)).await
    }

    async fn list_pipelines(
        &self,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<(PipelineId, String)>, StoreError> {
        self.unjudged("listing pipelines", self.world.disk.list_pipelines(from, limit)).await
    }

    async fn delete_pipeline(&self, id: &PipelineId, now: Timestamp) -> Result<bool, StoreError> {
        let deletion = self.world.disk.delete_pipeline(id, now);
        self.write("deleting a pipeline", Change::Deleted(id.clone()), deletion).await
    }

    async fn definition(
        &self,
        id: &PipelineId,
        version: DefinitionVersion,
    ) -> Result<Option<Definition>, StoreError> {
        self.unjudged("reading a definition", self.world.disk.definition(id, version)).await
    }

    async fn save(&self, batch: Batch) -> Result<(), StoreError> {
        let mut runs: Vec<_> = batch.runs().map(|(pipeline, run)| (pipeline.clone(), run.clone())).collect();
        // Several steps of one run in one save are one change.
        runs.sort_unstable();
        runs.dedup();
        let change = Change::Saved { runs, notices: batch.notices().to_vec() };
        if self.world.lies(StoreLie::KeepsNothing) {
            return Ok(());
        }
        self.write("saving", change, self.world.disk.save(batch)).await
    }

    async fn open_runs(&self) -> Result<Vec<(PipelineId, RunId)>, StoreError> {
        let runs = self.unjudged("listing open runs", self.world.disk.open_runs()).await?;
        Ok(if self.world.lies(StoreLie::ForgetsOpenRuns) { Vec::new() } else { runs })
    }

    async fn upcoming(&self) -> Result<Vec<(PipelineId, Timestamp)>, StoreError> {
        self.unjudged("listing the next runs", self.world.disk.upcoming()).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<PipelineId>, StoreError> {
        self.unjudged("listing overdue pipelines", self.world.disk.overdue(now, limit)).await
    }

    async fn free(
        &self,
        group: &WorkerGroup,
        limit: usize,
    ) -> Result<Vec<(PipelineId, AttemptId)>, StoreError> {
        self.unjudged("listing free attempts", self.world.disk.free(group, limit)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.unjudged("counting waiting attempts", self.world.disk.waiting()).await
    }

    async fn unsettled_runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        self.unjudged("listing unsettled runs", self.world.disk.unsettled_runs(pipeline)).await
    }

    async fn run_of(
        &self,
        pipeline: &PipelineId,
        instance: &InstanceId,
    ) -> Result<Option<RunId>, StoreError> {
        self.unjudged("searching for a run", self.world.disk.run_of(pipeline, instance)).await
    }

    async fn runs(&self, pipeline: &PipelineId) -> Result<Vec<Header>, StoreError> {
        self.unjudged("listing runs", self.world.disk.runs(pipeline)).await
    }

    async fn load_run(&self, pipeline: &PipelineId, run: &RunId) -> Result<Option<Run>, StoreError> {
        self.unjudged("loading a run", self.world.disk.load_run(pipeline, run)).await
    }

    async fn expire_runs(
        &self,
        ended_before: Timestamp,
        from: Option<ExpiryMarker>,
    ) -> Result<Expired, StoreError> {
        self.unjudged("letting runs expire", self.world.disk.expire_runs(ended_before, from)).await
    }

    async fn clear_expired(&self) -> Result<bool, StoreError> {
        self.unjudged("clearing expired runs", self.world.disk.clear_expired()).await
    }

    async fn query(
        &self,
        pipeline: &PipelineId,
        query: Query,
        from: Option<Marker>,
        limit: usize,
    ) -> Result<Page<String>, StoreError> {
        self.unjudged("answering a query", self.world.disk.query(pipeline, query, from, limit)).await
    }

    async fn pending_notices(&self) -> Result<Vec<Notice>, StoreError> {
        let notices = self.unjudged("reading notices", self.world.disk.pending_notices()).await?;
        Ok(if self.world.lies(StoreLie::ForgetsNotices) { Vec::new() } else { notices })
    }

    async fn claim_notice(&self, id: &NoticeId) -> Result<bool, StoreError> {
        let is_claimed = self.unjudged("claiming a notice", self.world.disk.claim_notice(id)).await?;
        Ok(is_claimed && self.world.claim(id, self.life))
    }

    async fn notice_done(&self, id: &NoticeId) -> Result<(), StoreError> {
        let done = self.world.disk.notice_done(id);
        self.write("removing a published notice", Change::NoticeDone(id.clone()), done).await
    }

    async fn machine_secret(&self, fresh: &str) -> Result<String, StoreError> {
        self.unjudged("reading the secret of machines", self.world.disk.machine_secret(fresh)).await
    }

    fn is_shared(&self) -> bool {
        self.world.servers() > 1
    }

    async fn announce(&self, groups: &[WorkerGroup]) -> Result<(), StoreError> {
        self.wait_for_ever_if_dead().await;
        self.refusal("telling the other servers")?;
        for group in groups {
            if self.world.dice.chance(self.world.chances().request_lost) {
                self.world.trace().count("fault: message between servers lost");
            } else {
                // A server that is down receives no message.
                let _ = self.world.messages.send(group.clone());
            }
        }
        Ok(())
    }

    async fn hear(&self) -> WorkerGroup {
        loop {
            match self.received.lock().await.recv().await {
                Ok(group) => return group,
                // Messages that came faster than they were received are lost.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
