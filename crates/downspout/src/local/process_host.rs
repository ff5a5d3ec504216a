//! The host of resources on this machine: a worker process for each `Ec2Resource`, which lives as long as that.
//!
//! The workers are this program once more. Each reads its standard input, which ends with this process, be it killed:
//! so none outlives it. A process that was started again knows nothing of them and starts others; what they held is
//! free again by their names, as with the stack's own workers.

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
use ec2_worker::{Activities, Hindrance};
use server::host::{Host, Resource, ResourceId, Standing, Work, Workers};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, oneshot};

use places::Places;

/// The hidden command by which this program is a worker.
pub const COMMAND: &str = "resource-worker";
/// The line by which a worker is asked to end; without it, the end of its input ends it at once.
pub const END: &str = "end";

/// A worker that was asked to end is killed after this long: a little more than it takes for itself.
const END_LIMIT: Duration = Duration::from_secs(3);

/// Starts and ends the workers of resources.
pub struct ProcessHost {
    program: PathBuf,
    /// What the workers find the stack by.
    environment: Vec<(&'static str, String)>,
    scratch: PathBuf,
    /// Host names of the workers begin so.
    prefix: &'static str,
    /// The worker group of the stack's own workers.
    own_group: &'static str,
    pool: Mutex<WorkerPool>,
    changed: Notify,
    /// As `changed`, for who waits until all have ended.
    ended: Notify,
    is_stopping: AtomicBool,
    this: Weak<Self>,
}

/// The workers that there are, and the places for more.
struct WorkerPool {
    by_resource: HashMap<ResourceId, Worker>,
    places: Places,
}

/// The worker process of one resource.
enum Worker {
    /// It runs; the sender, until it was used, asks it to end.
    Running { pid: u32, end: Option<oneshot::Sender<()>> },
    /// It ended, though nobody had asked it to.
    Ended(String),
}

impl ProcessHost {
    /// Returns a host of up to `most` workers at a time, their host names beginning with `prefix`, beside a stack whose own
    /// workers poll `own_group`.
    ///
    /// # Errors
    ///
    /// When the system does not say which program this is.
    pub fn new(
        most: usize,
        prefix: &'static str,
        own_group: &'static str,
        scratch: PathBuf,
        environment: Vec<(&'static str, String)>,
    ) -> anyhow::Result<Arc<Self>> {
        let program =
            std::env::current_exe().context("finding this program, which the workers are as well")?;
        Ok(Arc::new_cyclic(|this| Self {
            program,
            environment,
            scratch,
            prefix,
            own_group,
            pool: Mutex::new(WorkerPool { by_resource: HashMap::new(), places: Places::new(most) }),
            changed: Notify::new(),
            ended: Notify::new(),
            is_stopping: AtomicBool::new(false),
            this: this.clone(),
        }))
    }

    /// Ends all workers, and starts no more. What they held is handed out again at the next start.
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
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let folder = self.scratch.join(id.to_string().chars().map(plain).collect::<String>());
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg("--worker-group")
            .arg(resource.worker_group.as_str())
            .arg("--name")
            .arg(format!("{}{}", self.prefix, id.attempt))
            .arg("--scratch")
            .arg(&folder)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // A Ctrl-C is meant for us; we see to them.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let pid = child.id().context("it ended at once")?;
        let stdin = child.stdin.take().context("it has no input")?;
        let (end, asked) = oneshot::channel();
        self.lock().by_resource.insert(id.clone(), Worker::Running { pid, end: Some(end) });
        let (this, id) = (self.this.clone(), id.clone());
        tokio::spawn(async move {
            let ended = supervise(child, stdin, asked).await;
            // What it left, its own files and those of commands, is of no use to anybody.
            let _ = tokio::fs::remove_dir_all(&folder).await;
            if let Some(host) = this.upgrade() {
                host.note_end(&id, ended);
            }
        });
        Ok(pid)
    }

    /// `unasked` says how a worker ended that nobody had asked to.
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
        // No change is left half done by a panic.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn ask_to_end(&mut self) {
        if let Self::Running { end, .. } = self
            && let Some(end) = end.take()
        {
            // It may have ended by itself.
            let _ = end.send(());
        }
    }
}

#[async_trait]
impl Host for ProcessHost {
    fn supplies(&self, kind: Kind) -> bool {
        kind == Kind::Ec2Resource
    }

    /// Those of its resources and of the stack's own group are all `ec2-worker`; who else polls is not known.
    fn hindrances(&self, work: &Work<'_>) -> Vec<FieldError> {
        let is_ours = match work.by {
            Workers::OfResource(kind) => self.supplies(kind),
            Workers::InGroup(group) => group == self.own_group,
        };
        if !is_ours {
            return Vec::new();
        }
        let found = Activities::default().hindrances(work.object, work.guards, |id| work.objects.get(id));
        let error = |hindrance: Hindrance| {
            let Hindrance { object, field, what } = hindrance;
            FieldError { object, field, reason: format!("it {what}") }
        };
        found.into_iter().map(error).collect()
    }

    fn places(&self) -> Option<usize> {
        Some(self.lock().places.most())
    }

    async fn create(&self, resource: &Resource) -> anyhow::Result<Standing> {
        // Who ends now is not lost: it goes on at the next start, and until then there is nothing to tell.
        if self.is_stopping.load(Ordering::SeqCst) {
            return Ok(Standing::Creating(Vec::new()));
        }
        let place = {
            let mut pool = self.lock();
            match pool.by_resource.get(&resource.id) {
                Some(Worker::Running { pid, .. }) => return Ok(running(*pid)),
                Some(Worker::Ended(reason)) => return Ok(Standing::Gone(reason.clone())),
                None => pool.places.ask(resource),
            }
        };
        if let Err(waits) = place {
            return Ok(Standing::Creating(vec![Field::string("@resourceStatus", waits)]));
        }
        match self.start(resource) {
            Ok(pid) => Ok(running(pid)),
            Err(error) => Ok(Standing::Gone(format!("{error:#}"))),
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

fn running(pid: u32) -> Standing {
    let id = Field::string("@resourceId", format!("process {pid}"));
    Standing::Running(vec![id, Field::string("@resourceStatus", "running")])
}

/// Waits for the end of a worker, asking for it when it is `asked`; returns how it ended by itself, if it did.
async fn supervise(mut child: Child, mut stdin: ChildStdin, asked: oneshot::Receiver<()>) -> Option<String> {
    tokio::select! {
        ended = child.wait() => return Some(in_words(ended)),
        _ = asked => {}
    }
    // A worker that reads no more is killed.
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
