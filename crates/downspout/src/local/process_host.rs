//! The host of resources on this machine: runs one worker process for each `Ec2Resource` while the resource exists.
//!
//! A worker is this program with another command. Each worker reads its standard input, which ends when this process ends or
//! is killed, so that no worker outlives the stack. After a restart, the host knows nothing of earlier workers, and starts new
//! ones. The service recognises the names of earlier workers, and frees the tasks that they held, as it does for the stack's
//! own workers.

mod places;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use definition::Field;
use definition::kind::Kind;
use definition::kind::field::FieldError;
use ec2_worker::{Activities, Hindrance, RdsInstances};
use server::host::{Host, MachineState, PlannedWork, Resource, ResourceId, Workers};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, oneshot};

use places::Places;

/// The type of the resources that a host of this kind supplies.
pub const SUPPLIED: Kind = Kind::Ec2Resource;
/// The hidden command that makes this program a worker.
pub const COMMAND: &str = "resource-worker";
/// The environment variable that tells a worker which mode bits the files of its commands lack.
pub const COMMAND_UMASK: &str = "DOWNSPOUT_COMMAND_UMASK";
/// The line that asks a worker to end. The host writes it to the worker's standard input. If the input ends without this line,
/// the worker ends at once.
pub const END: &str = "end";

/// How long a worker may take to end after it was asked: a little more than the worker allows itself. After this time,
/// the host kills the worker.
const END_LIMIT: Duration = Duration::from_secs(3);

/// Starts and ends the workers of resources.
pub struct ProcessHost {
    program: PathBuf,
    /// The environment variables with which the workers find the stack.
    environment: Vec<(&'static str, String)>,
    /// The scratch folder of all workers.
    scratch: PathBuf,
    /// The beginning of the workers' host names.
    prefix: &'static str,
    /// The worker group of the stack's own workers.
    own_group: &'static str,
    /// The addresses of instances of RDS, which the workers know too.
    rds: RdsInstances,
    pool: Mutex<WorkerPool>,
    /// Notified when a worker has ended or a place may have become free. The service waits for this.
    changed: Notify,
    /// Notified like `changed`, for a caller that waits until all workers have ended.
    ended: Notify,
    is_stopping: AtomicBool,
    this: Weak<Self>,
}

/// The workers that exist, and the places for workers, taken and free.
struct WorkerPool {
    by_resource: HashMap<ResourceId, Worker>,
    places: Places,
}

/// The worker process of one resource.
enum Worker {
    /// The process runs. `end` asks the process to end, and is `None` after it has asked.
    Running { pid: u32, end: Option<oneshot::Sender<()>> },
    /// The process ended without a request.
    Ended(String),
}

impl ProcessHost {
    /// Returns a host of up to `most` workers at a time.
    ///
    /// The host names of the workers begin with `prefix`. The stack's own workers poll `own_group`.
    ///
    /// # Errors
    ///
    /// If the system does not know the path of this program.
    pub fn new(
        most: usize,
        prefix: &'static str,
        own_group: &'static str,
        scratch: PathBuf,
        mut environment: Vec<(&'static str, String)>,
        rds: RdsInstances,
    ) -> anyhow::Result<Arc<Self>> {
        if rds != RdsInstances::default() {
            environment.push(("RDS_INSTANCES", rds.to_string()));
        }
        let program = std::env::current_exe()
            .context("finding the path of this program, which also runs the workers")?;
        Ok(Arc::new_cyclic(|this| Self {
            program,
            environment,
            scratch,
            prefix,
            own_group,
            rds,
            pool: Mutex::new(WorkerPool { by_resource: HashMap::new(), places: Places::new(most) }),
            changed: Notify::new(),
            ended: Notify::new(),
            is_stopping: AtomicBool::new(false),
            this: this.clone(),
        }))
    }

    /// Ends all workers, and starts no others. The tasks that they held are handed out again at the next start.
    pub async fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        loop {
            let all_ended = {
                let mut pool = self.lock();
                pool.by_resource.values_mut().for_each(Worker::ask_to_end);
                pool.by_resource.values().all(|worker| matches!(worker, Worker::Ended(_)))
            };
            if all_ended {
                return;
            }
            self.ended.notified().await;
        }
    }

    fn start(&self, resource: &Resource) -> anyhow::Result<u32> {
        let id = &resource.id;
        let mut command = Command::new(&self.program);
        // The person who started the stack may have AWS_… variables of his own, which commands must not see.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"AWS_"))
        {
            command.env_remove(name);
        }
        let mut child = command
            .arg(COMMAND)
            .arg("--worker-group")
            .arg(resource.worker_group.as_str())
            .arg("--name")
            .arg(format!("{}{}", self.prefix, id.attempt))
            .arg("--scratch")
            .arg(&self.scratch)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A Ctrl-C in the terminal goes to this process only, which then ends the workers.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let pid = child.id().context("the worker ended at once")?;
        let stdin = child.stdin.take().context("the worker has no standard input")?;
        let (end, asked) = oneshot::channel();
        self.lock().by_resource.insert(id.clone(), Worker::Running { pid, end: Some(end) });
        let (this, id, scratch) = (self.this.clone(), id.clone(), self.scratch.clone());
        tokio::spawn(async move {
            let ended = supervise(child, stdin, asked).await;
            // A worker that was killed left files. The next worker tries again.
            if let Err(error) = ec2_worker::clean_scratch(scratch).await {
                tracing::warn!(error = %format!("{error:#}"), "what a worker left stays for now");
            }
            if let Some(host) = this.upgrade() {
                host.note_end(&id, ended);
            }
        });
        Ok(pid)
    }

    /// Notes the end of a worker. `unasked` is the reason if the worker ended without a request.
    fn note_end(&self, id: &ResourceId, unasked: Option<String>) {
        let mut pool = self.lock();
        match unasked {
            Some(reason) => {
                tracing::warn!(resource.id = %id, "a worker ended by itself: {reason}");
                pool.by_resource.insert(id.clone(), Worker::Ended(reason));
            }
            None => {
                pool.by_resource.remove(id);
                pool.places.leave(id);
            }
        }
        drop(pool);
        self.changed.notify_one();
        self.ended.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, WorkerPool> {
        // A panic leaves no change half done.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn ask_to_end(&mut self) {
        if let Self::Running { end, .. } = self
            && let Some(end) = end.take()
        {
            // The receiver is gone if the worker has ended by itself.
            let _ = end.send(());
        }
    }
}

#[async_trait]
impl Host for ProcessHost {
    fn supplies(&self, kind: Kind) -> bool {
        kind == SUPPLIED
    }

    /// Returns the problems that the workers of the host's resources and of the stack's own group would have with the work.
    ///
    /// Both kinds of workers run `ec2-worker`. Other workers are unknown, so their work has no known problems.
    fn hindrances(&self, work: &PlannedWork<'_>) -> Vec<FieldError> {
        let is_ours = match work.by {
            Workers::OfResource(kind) => self.supplies(kind),
            Workers::InGroup(group) => group == self.own_group,
        };
        if !is_ours {
            return Vec::new();
        }
        hindrances(work, &self.rds)
    }

    fn places(&self) -> Option<usize> {
        Some(self.lock().places.most())
    }

    async fn create(&self, resource: &Resource) -> anyhow::Result<MachineState> {
        // While the stack stops, a worker that ends has not failed: the resource gets a new one at the next start.
        if self.is_stopping.load(Ordering::SeqCst) {
            return Ok(MachineState::Creating(Vec::new()));
        }
        let place = {
            let mut pool = self.lock();
            match pool.by_resource.get(&resource.id) {
                Some(Worker::Running { pid, .. }) => return Ok(running(*pid)),
                Some(Worker::Ended(reason)) => return Ok(MachineState::Gone(reason.clone())),
                None => pool.places.ask(resource),
            }
        };
        if let Err(waits) = place {
            return Ok(MachineState::Creating(vec![Field::string("@resourceStatus", waits)]));
        }
        match self.start(resource) {
            Ok(pid) => Ok(running(pid)),
            Err(error) => Ok(MachineState::Gone(format!("{error:#}"))),
        }
    }

    async fn terminate(&self, id: &ResourceId) -> anyhow::Result<bool> {
        let mut pool = self.lock();
        if let Some(worker @ Worker::Running { .. }) = pool.by_resource.get_mut(id) {
            worker.ask_to_end();
            return Ok(false);
        }
        pool.by_resource.remove(id);
        if pool.places.leave(id) {
            self.changed.notify_one();
        }
        Ok(true)
    }

    async fn existing(&self) -> anyhow::Result<Vec<ResourceId>> {
        Ok(self.lock().by_resource.keys().cloned().collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// Returns the problems that `ec2-worker` would have with the work, if it knows these instances of RDS.
pub fn hindrances(work: &PlannedWork<'_>, rds: &RdsInstances) -> Vec<FieldError> {
    let objects = rds.located(work.objects);
    let found = Activities::default().hindrances(work.object, work.guards, |id| objects.get(id));
    let error = |hindrance: Hindrance| {
        let Hindrance { object, field, what } = hindrance;
        FieldError { object, field, reason: format!("it {what}") }
    };
    found.into_iter().map(error).collect()
}

fn running(pid: u32) -> MachineState {
    let id = Field::string("@resourceId", format!("process {pid}"));
    MachineState::Running(vec![id, Field::string("@resourceStatus", "running")])
}

/// Waits for the end of a worker, and passes on the request to end when `asked` receives it. Returns the reason if the worker
/// ended by itself, and `None` if it was asked.
async fn supervise(mut child: Child, mut stdin: ChildStdin, asked: oneshot::Receiver<()>) -> Option<String> {
    tokio::select! {
        ended = child.wait() => return Some(in_words(ended)),
        _ = asked => {}
    }
    // A worker that reads no input is killed below.
    let _ = stdin.write_all(format!("{END}\n").as_bytes()).await;
    if tokio::time::timeout(END_LIMIT, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    None
}

fn in_words(ended: std::io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("its worker process ended with {status}"),
        Err(error) => format!("its worker process cannot be waited for: {error}"),
    }
}
