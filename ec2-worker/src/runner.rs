//! The loop of a worker: poll, work, report.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_sdk_datapipeline::types::TaskObject;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::{Outcome, Tools, Work};
use crate::failure::Failure;
use crate::panics;
use crate::progress::{Fields, Progress};
use crate::service::{ReportReply, Service};
use crate::task::Task;
use crate::{Clients, Config, logs};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// What the parts of a running worker share.
#[derive(Clone)]
struct Runner {
    config: Config,
    service: Service,
    tools: Tools,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    /// No new task after it.
    shutdown: CancellationToken,
    /// No work after it: what is under way is dropped.
    stop: CancellationToken,
}

pub(crate) async fn run(config: Config, clients: Clients, shutdown: CancellationToken) -> anyhow::Result<()> {
    let folder = &config.scratch_dir;
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("making the scratch folder {}", folder.display()))?;
    let stop = CancellationToken::new();
    let service =
        Service::new(clients.datapipeline.clone(), &config.hostname, &config.runner_id, stop.clone());
    let runner = Runner {
        tools: Tools::new(&config, &clients),
        places: Arc::new(Semaphore::new(config.concurrency.max(1))),
        tasks: TaskTracker::new(),
        service,
        shutdown,
        stop,
        config,
    };
    let loops = TaskTracker::new();
    for group in &runner.config.worker_groups {
        loops.spawn(runner.clone().poll(group.clone()));
        loops.spawn(runner.clone().heartbeats(group.clone()));
    }
    loops.close();
    loops.wait().await;
    runner.wind_down().await;
    Ok(())
}

impl Runner {
    /// Asks for tasks of one group, one call at a time.
    async fn poll(self, group: String) {
        let mut pause = FIRST_PAUSE;
        loop {
            let place = tokio::select! {
                () = self.shutdown.cancelled() => return,
                place = Arc::clone(&self.places).acquire_owned() => place,
            };
            let Ok(place) = place else { return };
            let polled = tokio::select! {
                () = self.shutdown.cancelled() => return,
                polled = self.service.poll(&group) => polled,
            };
            match polled {
                Ok(task) => {
                    pause = FIRST_PAUSE;
                    if let Some(task) = task {
                        let runner = self.clone();
                        self.tasks.spawn(async move {
                            runner.perform(task).await;
                            drop(place);
                        });
                    }
                }
                Err(reason) => {
                    tracing::warn!(worker.group = %group, error = %reason, "the service does not answer a poll");
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
                Err(reason) => tracing::debug!(error = %reason, "a heartbeat was not heard"),
            }
        }
    }

    /// Lets tasks at work finish within the limit.
    async fn wind_down(&self) {
        self.tasks.close();
        if tokio::time::timeout(self.config.shutdown_limit, self.tasks.wait()).await.is_err() {
            // Not reported: the service hands them out again.
            tracing::warn!(tasks = self.tasks.len(), "stopping tasks that are still at work");
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }

    async fn perform(&self, wire: TaskObject) {
        let id = wire.task_id().unwrap_or_default();
        let (pipeline, attempt) =
            (wire.pipeline_id().unwrap_or_default(), wire.attempt_id().unwrap_or_default());
        match self.service.report(id, &Fields::new()).await {
            ReportReply::Taken => {}
            ReportReply::Refused(reason) => {
                self.service.finish(id, &Err(ReportReply::failure(&reason))).await;
                return;
            }
            reply => {
                tracing::info!(
                    pipeline.id = pipeline,
                    attempt.id = attempt,
                    ?reply,
                    "a task was not ours to do"
                );
                return;
            }
        }
        tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task begins");
        let progress = Progress::default();
        progress.log(&format!("attempt {attempt} begins on {}", self.config.hostname));
        let folder = tempfile::Builder::new().prefix("task-").tempdir_in(&self.config.scratch_dir);
        let (task, result) = match panics::caught("reading the task", || Task::read(&wire)) {
            Err(failure) => (None, Some(Err(failure))),
            Ok(task) => {
                let result = match &folder {
                    Err(error) => Some(Err(Failure::scratch("making a folder", error))),
                    Ok(folder) => self.work(id, &task, folder.path().to_owned(), &progress).await,
                };
                (Some(task), result)
            }
        };
        let Some(result) = result else {
            tracing::info!(pipeline.id = pipeline, attempt.id = attempt, "task dropped");
            return;
        };
        match &result {
            Ok(Outcome::Finished) => progress.log("finished"),
            Ok(Outcome::False) => progress.log("it does not hold yet"),
            Err(failure) => progress.log(&format!("failed: {}: {failure}", failure.id)),
        }
        let result = self.tell(id, &progress, result).await;
        match &result {
            Ok(outcome) => {
                tracing::info!(pipeline.id = pipeline, attempt.id = attempt, ?outcome, "task ended");
            }
            Err(failure) => {
                tracing::warn!(
                    pipeline.id = pipeline,
                    attempt.id = attempt,
                    error.id = failure.id,
                    error = %failure,
                    "task failed"
                );
            }
        }
        // The task's end is not kept waiting for its logs.
        if let (Some(Task { logs: Some(at), .. }), Ok(folder)) = (&task, &folder) {
            logs::upload(&self.tools.storage, at, folder.path(), &progress).await;
        }
    }

    /// Works and reports until the end; none when the task was cancelled or dropped.
    async fn work(
        &self,
        id: &str,
        task: &Task,
        folder: PathBuf,
        progress: &Progress,
    ) -> Option<Result<Outcome, Failure>> {
        let work = Work { tools: &self.tools, task, folder, progress };
        let mut running = std::pin::pin!(panics::caught_in("doing the task", work.run()));
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
            // The work goes on while the service is slow to answer.
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

    /// Reports the last fields and the end of a task; returns what the service was told.
    async fn tell(
        &self,
        id: &str,
        progress: &Progress,
        mut result: Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let fields = progress.fields();
        if !fields.is_empty() {
            match self.service.report(id, &fields).await {
                ReportReply::Taken => {}
                ReportReply::Refused(reason) => {
                    let refused = ReportReply::failure(&reason);
                    result = Err(match result {
                        Ok(_) => refused,
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
