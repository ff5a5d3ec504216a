//! Delivers the records of one stream: saves a cut, makes its objects, puts them, and settles the cut.
//!
//! A cut is saved before any of its objects is made, and the objects follow from the cut alone. So a delivery that was
//! interrupted anywhere goes on with the same names and the same bytes. A step that fails is repeated without limit, so a
//! long outage of S3 loses nothing.

mod backoff;
mod make;
mod put;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use stream::cut::{Decision, Waiting, decide};
use stream::objects::{Homes, Objects, Origin, S3Object};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use backoff::Backoff;
use make::Spool;
pub(crate) use make::{Made, MakeError, Sorter};
pub(crate) use put::{Outcome, Put, PutError, put, reason, status};

use crate::config::{Now, Pauses};
use crate::live::{Acceptance, LiveStream, Trouble, Version};
use crate::log::{Cut, LogError, NewCut};
use crate::streams::Streams;

/// The longest sleep of a waiting delivery. After it, the delivery reads the clock again, because someone may have set the clock.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many streams make objects at once. Each uses one core, and the memory of one row of the log.
const MAKERS: usize = 2;

/// The things that all deliveries share.
pub(crate) struct Dock {
    pub(crate) streams: Arc<Streams>,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) homes: Homes,
    pub(crate) now: Now,
    pub(crate) clock_set: watch::Receiver<u64>,
    pub(crate) pauses: Pauses,
    /// Counts the steps of all deliveries, failed ones too.
    pub(crate) steps: watch::Sender<u64>,
    /// The folder of objects that are being made.
    pub(crate) spool: std::path::PathBuf,
    pub(crate) makers: Semaphore,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Dock {
    /// Returns the permits to make objects, one for each stream that may make objects at the same time.
    pub(crate) fn makers() -> Semaphore {
        Semaphore::new(MAKERS)
    }

    fn announce_step(&self) {
        self.steps.send_modify(|count| *count += 1);
    }

    /// Delivers the records of a stream from now on, until the server stops or the stream has ended.
    pub(crate) fn begin(self: &Arc<Self>, stream: Arc<LiveStream>) {
        if !stream.begin_delivery() {
            return;
        }
        let (dock, stop) = (Arc::clone(self), self.stop.clone());
        self.tasks.spawn(async move {
            let delivery = Delivery { dock, stream, failures: AtomicU64::new(0) };
            stop.run_until_cancelled(delivery.run()).await;
        });
    }
}

/// The reason why a step of a delivery failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliverError {
    #[error("the data file of the stream failed")]
    Log(#[from] LogError),
    #[error("version {number} of the definition is unreadable: {problem}")]
    Version { number: u64, problem: String },
    #[error(transparent)]
    Make(#[from] MakeError),
    #[error(transparent)]
    Put(#[from] PutError),
}

impl DeliverError {
    /// Returns the steps by which a person can remedy the failure.
    fn remedy(&self) -> &'static str {
        match self {
            Self::Log(LogError::Full) | Self::Make(MakeError::Log(LogError::Full)) => {
                "free some space on the disk"
            }
            Self::Make(MakeError::Spool { .. }) => {
                "see that the folder can be written to and that its disk is not full"
            }
            Self::Version { .. } => "use the version of the program that accepted the definition",
            Self::Put(error) => error.remedy(),
            Self::Log(_) | Self::Make(_) => {
                "read the messages of the server, and restart the server if they say so"
            }
        }
    }
}

/// The delivery of one stream.
struct Delivery {
    dock: Arc<Dock>,
    stream: Arc<LiveStream>,
    /// How many steps have failed.
    failures: AtomicU64,
}

impl Delivery {
    async fn run(&self) {
        let mut changes = self.stream.log.changes();
        let mut clock_set = self.dock.clock_set.clone();
        let mut backoff = Backoff::new(self.dock.pauses);
        loop {
            changes.mark_unchanged();
            clock_set.mark_unchanged();
            let begun = (self.dock.now)();
            let next = match self.step().await {
                Ok(next) => next,
                Err(error) => {
                    self.pause(&error, begun, &mut backoff).await;
                    continue;
                }
            };
            if backoff.tries() > 0 {
                backoff = Backoff::new(self.dock.pauses);
                self.stream.set_trouble(None);
            }
            self.dock.announce_step();
            match next {
                Next::Again => {}
                Next::Ended => return,
                Next::Wait(until) => self.wait(until, &mut changes, &mut clock_set).await,
            }
        }
    }

    /// Delivers the open cut, saves a new one, or ends the stream. Returns when to take the next step.
    async fn step(&self) -> Result<Next, DeliverError> {
        let totals = self.stream.log.totals();
        if let Some(cut) = totals.open_cut {
            self.deliver(&cut).await?;
            return Ok(Next::Again);
        }
        let is_ending = self.stream.acceptance().await == Acceptance::Ending;
        let uncut = totals.uncut();
        if is_ending && uncut.records == 0 {
            self.dock.streams.remove(&self.stream).await?;
            return Ok(Next::Ended);
        }
        // Without a usable definition, the stream cannot deliver; `downspout stream ls` shows the reason.
        let Ok(version) = self.stream.version() else { return Ok(Next::Wait(None)) };
        let now = (self.dock.now)();
        let is_wanted = is_ending || self.stream.flush_through() > totals.cut_through;
        let waiting = totals.oldest_uncut.map(|oldest| Waiting { bytes: uncut.bytes, oldest });
        match decide(waiting, now, version.stream.buffering) {
            Decision::WakeAt(time) if !is_wanted => Ok(Next::Wait(Some(time))),
            Decision::Nothing => Ok(Next::Wait(None)),
            Decision::Cut | Decision::WakeAt(_) => {
                let is_cut = self.cut(&version, now).await?;
                Ok(if is_cut { Next::Again } else { Next::Wait(None) })
            }
        }
    }

    /// Saves a cut if records wait. Returns whether it saved one.
    async fn cut(&self, version: &Version, now: Timestamp) -> Result<bool, DeliverError> {
        let mut mark = uuid::Uuid::new_v4().simple().to_string();
        // 48 random bits are enough, because the names of the objects contain the number of the cut, too.
        mark.truncate(12);
        let bytes = version.stream.buffering.bytes;
        let new = NewCut { version: version.number, decided_at: now, mark, bytes };
        Ok(self.stream.log.save_cut(new).await?.is_some())
    }

    /// Makes and puts the objects of a cut. A put that fails is repeated without making the objects again.
    async fn deliver(&self, cut: &Cut) -> Result<(), DeliverError> {
        let version = self.version(cut.version).await?;
        let origin = Origin::Cut { mark: &cut.mark, number: cut.number };
        let number = u32::try_from(cut.version).unwrap_or(u32::MAX);
        let objects = Objects::of(&version.stream, &self.dock.homes, origin, number, cut.oldest_at);
        let made = self.make(cut, &version, objects.raw.is_some()).await?;
        // The data comes last: when its event fires, the other objects are there.
        let all = [
            (objects.raw.as_ref(), &made.raw),
            (Some(&objects.quarantine), &made.quarantine),
            (Some(&objects.data), &made.data),
        ];
        for (target, content) in all {
            if let (Some(target), Some(content)) = (target, content) {
                self.put(cut, target, content).await;
            }
        }
        self.stream.log.settle(cut, made.counts, (self.dock.now)()).await?;
        Ok(())
    }

    async fn make(&self, cut: &Cut, version: &Arc<Version>, with_raw: bool) -> Result<Made, DeliverError> {
        let _permit = self.dock.makers.acquire().await;
        let (stream, version, cut) = (Arc::clone(&self.stream), Arc::clone(version), cut.clone());
        let (spool, stop) = (self.dock.spool.clone(), self.dock.stop.clone());
        let task = self
            .dock
            .tasks
            .spawn_blocking(move || make::make(&stream.log, &cut, &version.stream, with_raw, &spool, &stop));
        Ok(task.await.map_err(|_| MakeError::Panic)??)
    }

    async fn put(&self, cut: &Cut, target: &S3Object, content: &Spool) {
        // The mark is in the metadata, too, because an object of the same name is ours only if it is from this very cut.
        let identity = format!("{}/{}/{}", self.stream.log.header().id, cut.number, cut.mark);
        let mut backoff = Backoff::new(self.dock.pauses);
        let mut begun = (self.dock.now)();
        while let Err(error) = put(&self.dock.s3, &Put { target, content, identity: &identity }).await {
            self.pause(&error.into(), begun, &mut backoff).await;
            begun = (self.dock.now)();
        }
        if backoff.tries() > 0 {
            self.stream.set_trouble(None);
        }
    }

    async fn version(&self, number: u64) -> Result<Arc<Version>, DeliverError> {
        if let Ok(version) = self.stream.version()
            && version.number == number
        {
            return Ok(version);
        }
        let source = self.stream.log.version(number).await?;
        let version = self.stream.parse(number, &source);
        version.map(Arc::new).map_err(|problem| DeliverError::Version { number, problem })
    }

    async fn wait(
        &self,
        until: Option<Timestamp>,
        changes: &mut watch::Receiver<u64>,
        clock_set: &mut watch::Receiver<u64>,
    ) {
        let time = until.map(|until| until.duration_since((self.dock.now)()).max(SignedDuration::ZERO));
        let pause = time.map_or(LONGEST_WAIT, |time| time.unsigned_abs().min(LONGEST_WAIT));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.stream.wished() => {}
            Ok(()) = changes.changed() => {}
            Ok(()) = clock_set.changed() => {}
        }
    }

    /// Shows the failure of a try that began at `begun`, and waits before the next try.
    async fn pause(&self, error: &DeliverError, begun: Timestamp, backoff: &mut Backoff) {
        let pause = backoff.failed();
        let (tries, why) = (backoff.tries(), http_front::with_causes(error));
        if tries == 1 {
            let name = self.stream.name.as_str();
            tracing::warn!(
                stream.name = name,
                error = why,
                "the delivery of a stream failed and is tried again"
            );
        }
        self.stream.set_trouble(Some(Trouble {
            why,
            remedy: error.remedy(),
            folder: self.folder_of(error),
            since: self.stream.trouble().map_or(begun, |trouble| trouble.since),
            failures: self.failures.fetch_add(1, Ordering::Relaxed) + 1,
            tries,
            next_try: (self.dock.now)() + pause,
        }));
        self.dock.announce_step();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // A user who asks for a flush ends this pause, and the pauses after it begin short again.
            () = self.stream.wished() => backoff.start_over(),
        }
    }

    /// Returns the bucket and the prefix that an error is about: by default those of the data.
    fn folder_of(&self, error: &DeliverError) -> String {
        let data = || {
            let version = self.stream.version().ok()?;
            let origin = Origin::Cut { mark: "", number: 0 };
            Some(Objects::of(&version.stream, &self.dock.homes, origin, 0, (self.dock.now)()).data)
        };
        let object = match error {
            DeliverError::Put(error) => Some(error.object()),
            _ => data(),
        };
        object.map_or_else(String::new, |S3Object { bucket, key }| {
            let folder = key.rfind('/').map_or("", |end| &key[..=end]);
            format!("s3://{bucket}/{folder}")
        })
    }
}

/// The next step of a delivery.
enum Next {
    /// Look again at once.
    Again,
    /// Wait for this time, or for a change.
    Wait(Option<Timestamp>),
    /// The stream has ended.
    Ended,
}
