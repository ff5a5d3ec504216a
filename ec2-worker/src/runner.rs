//! The loop of a worker: polls for tasks, does them, and reports.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_datapipeline::types::TaskObject;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{TaskContext, TaskOutcome, Tools};
use crate::clients::Clients;
use crate::config::Config;
use crate::failure::Failure;
use crate::logs;
use crate::panics;
use crate::progress::{Fields, Progress};
use crate::scratch::Scratch;
use crate::secrets::Secrets;
use crate::service::{ReportReply, Service};
use crate::task::{self, Task};

/// The pause after the first poll that fails. After each further failure, the pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two polls.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The state that all loops of a worker share.
#[derive(Clone)]
struct Runner {
    config: Config,
    service: Service,
    tools: Tools,
    secrets: Secrets,
    scratch: Arc<Scratch>,
    /// One permit for each task that may run at the same time.
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    /// After this token is canceled, the worker takes no new task.
    shutdown: CancellationToken,
    /// After this token is canceled, the worker drops the running tasks.
    stop: CancellationToken,
}

pub(crate) async fn run(config: Config, clients: Clients, shutdown: CancellationToken) -> anyhow::Result<()> {
    let root = config.scratch_dir.clone();
    // This may wait for the lock of another worker, which deletes the folders that killed workers have left behind.
    let scratch = tokio::task::spawn_blocking(move || Scratch::open(&root)).await;
    let scratch = scratch.context("preparing the scratch folder")??;
    let stop = CancellationToken::new();
    let service =
        Service::new(clients.datapipeline.clone(), &config.hostname, &config.runner_id, stop.clone());
    let runner = Runner {
        tools: Tools {
            command_environment: config.command_environment.clone(),
            command_umask: config.command_umask,
            ..Tools::new(&clients, config.database_patience)
        },
        secrets: clients.secrets.clone(),
        permits: Arc::new(Semaphore::new(config.concurrency.max(1))),
        tasks: TaskTracker::new(),
        service,
        scratch: Arc::new(scratch),
        shutdown,
        stop,
        config,
    };
    let loops = TaskTracker::new();
    for group in &runner.config.worker_groups {
        loops.spawn(runner.clone().keep_polling(group.clone()));
        loops.spawn(runner.clone().heartbeats(group.clone()));
    }
    loops.close();
    loops.wait().await;
    runner.wind_down().await;
    Ok(())
}

impl Runner {
    /// Polls until the shutdown. After a panic, polling starts again; otherwise the worker would send heartbeats but
    /// never poll.
    async fn keep_polling(self, group: String) {
        loop {
            let polling = async {
                self.poll(&group).await;
                Ok(())
            };
            let Err(failure) = panics::caught_in("polling", polling).await else { return };
            tracing::error!(worker.group = %group, error = %failure, "polling starts again");
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
        }
    }

    /// Polls for tasks of one group, with one call at a time.
    async fn poll(&self, group: &str) {
        let mut pause = FIRST_PAUSE;
        loop {
            let permit = tokio::select! {
                () = self.shutdown.cancelled() => return,
                permit = Arc::clone(&self.permits).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let polled = tokio::select! {
                () = self.shutdown.cancelled() => return,
                polled = self.service.poll(group) => polled,
            };
            match polled {
                Ok(task) => {
                    pause = FIRST_PAUSE;
                    if let Some(task) = task {
                        let runner = self.clone();
                        self.tasks.spawn(async move {
                            runner.perform(task).await;
                            drop(permit);
                        });
                    }
                }
                Err(reason) => {
                    tracing::warn!(worker.group = %group, error = %reason, "a poll failed");
                    tokio::select! {
                        () = self.shutdown.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn heartbeats(self, group: String) {
        let mut ticks = tokio::time::interval(self.config.heartbeat_every);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = ticks.tick() => {}
            }
            match self.service.heartbeat(&group).await {
                Ok(true) => {
                    tracing::info!(worker.group = %group, "the service asks the worker to end");
                    self.shutdown.cancel();
                }
                Ok(false) => {}
                Err(reason) => tracing::debug!(error = %reason, "a heartbeat failed"),
            }
        }
    }

    /// Waits until the running tasks have finished, and stops those that still run after `shutdown_limit`.
    async fn wind_down(&self) {
        self.tasks.close();
        if tokio::time::timeout(self.config.shutdown_limit, self.tasks.wait()).await.is_err() {
            // The worker does not report these tasks, so the service hands them out again.
            tracing::warn!(tasks = self.tasks.len(), "stopping tasks that are still running");
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }

    /// Does one task, from its acknowledgement to the upload of its logs.
    async fn perform(&self, wire: TaskObject) {
        let id = wire.task_id().unwrap_or_default();
        let (pipeline, attempt) =
            (wire.pipeline_id().unwrap_or_default(), wire.attempt_id().unwrap_or_default());
        if !self.acknowledge(id).await {
            tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task not begun");
            return;
        }
        tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task begins");
        let progress = Progress::default();
        progress.log(&format!("attempt {attempt} begins on {}", self.config.hostname));
        let Some(task) = self.read(&wire).await else {
            tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task dropped");
            return;
        };
        let folder = self.scratch.for_attempt();
        let result = match (&task, &folder) {
            (Err(failure), _) => Some(Err(failure.clone())),
            (_, Err(error)) => Some(Err(Failure::scratch("creating a folder", error))),
            (Ok(task), Ok(folder)) => self.work(id, task, folder.path().to_owned(), &progress).await,
        };
        let Some(result) = result else {
            tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task dropped");
            return;
        };
        match &result {
            Ok(TaskOutcome::Finished) => progress.log("finished"),
            Ok(TaskOutcome::False) => progress.log("the precondition does not hold yet"),
            Err(failure) => progress.log(&format!("failed: {}: {failure}", failure.id)),
        }
        match self.report_end(id, &progress, result).await {
            Ok(outcome) => {
                tracing::info!(pipeline.id = pipeline, attempt.id = attempt, ?outcome, "task ended");
            }
            Err(Failure { id, .. }) => {
                tracing::warn!(pipeline.id = pipeline, attempt.id = attempt, error.id = id, "task failed");
            }
        }
        // The logs are uploaded after the task has ended, so that the pipeline does not wait for the upload.
        if let (Ok(Task { logs: Some(at), .. }), Ok(folder)) = (&task, &folder) {
            logs::upload(&self.tools.storage, at, folder.path(), &progress).await;
        }
    }

    /// Reads a task, with the secrets that it names. Returns `None` if the worker stops before.
    async fn read(&self, wire: &TaskObject) -> Option<Result<Task, Failure>> {
        let Config { activities, rds, .. } = &self.config;
        let mut objects = task::objects(wire);
        let resolved = tokio::select! {
            resolved = panics::caught_in("reading secrets", self.secrets.resolve(&mut objects)) => resolved,
            () = self.stop.cancelled() => return None,
        };
        Some(resolved.and_then(|()| {
            panics::caught("reading the task", || Task::read(wire, &objects, activities, rds))
        }))
    }

    /// Sends the first report, which acknowledges the task. Returns whether the work may begin.
    async fn acknowledge(&self, id: &str) -> bool {
        match self.service.report(id, &Fields::new()).await {
            ReportReply::Taken => true,
            ReportReply::Refused(reason) => {
                self.service.finish(id, &Err(ReportReply::failure(&reason))).await;
                false
            }
            ReportReply::Canceled | ReportReply::Gone | ReportReply::Unheard => false,
        }
    }

    /// Does the work and reports progress. Returns `None` if the task was canceled or dropped.
    async fn work(
        &self,
        id: &str,
        task: &Task,
        folder: PathBuf,
        progress: &Progress,
    ) -> Option<Result<TaskOutcome, Failure>> {
        let Task { key, component, activity, .. } = task;
        let context = TaskContext { tools: &self.tools, key, component, folder, progress };
        // The call is inside the block, because the call itself may panic: `run` need not be an `async fn`.
        let running = panics::caught_in("doing the task", async { activity.run(&context).await });
        let mut running = std::pin::pin!(running);
        let mut ticks = tokio::time::interval(self.config.progress_every);
        ticks.tick().await;
        loop {
            tokio::select! {
                result = &mut running => return Some(result),
                () = self.stop.cancelled() => return None,
                _ = ticks.tick() => {}
            }
            let fields = progress.fields();
            let mut report = std::pin::pin!(self.service.report(id, &fields));
            // The work goes on while the report waits for its answer.
            let reply = tokio::select! {
                result = &mut running => return Some(result),
                reply = &mut report => reply,
            };
            match reply {
                ReportReply::Taken => {}
                ReportReply::Refused(reason) => return Some(Err(ReportReply::failure(&reason))),
                ReportReply::Canceled | ReportReply::Gone | ReportReply::Unheard => return None,
            }
        }
    }

    /// Reports the last fields and the end of a task. Returns the result of the task. If the service refuses the
    /// fields, the result is a failure.
    async fn report_end(
        &self,
        id: &str,
        progress: &Progress,
        mut result: Result<TaskOutcome, Failure>,
    ) -> Result<TaskOutcome, Failure> {
        let fields = progress.fields();
        if !fields.is_empty() {
            match self.service.report(id, &fields).await {
                ReportReply::Taken => {}
                ReportReply::Refused(reason) => {
                    let refused = ReportReply::failure(&reason);
                    progress.log(&format!("failed: {}: {refused}", refused.id));
                    result = Err(match result {
                        Ok(_) => refused,
                        // The work ended with this failure, because the same report was refused before.
                        Err(failure) if failure.id == refused.id => failure,
                        Err(failure) => failure.and(&refused),
                    });
                }
                ReportReply::Canceled | ReportReply::Gone | ReportReply::Unheard => return result,
            }
        }
        self.service.finish(id, &result).await;
        result
    }
}
