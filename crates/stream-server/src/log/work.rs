//! Closures as jobs of the thread that owns the connection.

use rusqlite::Connection;
use sqlite_writer::{Closed, Failure, Job, Writer};
use tokio::sync::oneshot;

use super::error::LogError;

/// Runs `work` on the connection. When its changes are durable, runs `then` with the result, on the thread that flushes, so
/// that callers of different jobs see the results in the order of the commits. Returns the result after that.
pub(super) async fn run<T, W, A>(writer: &Writer, work: W, then: A) -> Result<T, LogError>
where
    T: Send + 'static,
    W: Fn(&Connection) -> Result<T, LogError> + Send + 'static,
    A: FnOnce(&T) + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let job = Box::new(Work { work, then, result: None, answer });
    writer.submit(job).await.map_err(|Closed| LogError::Closed)?;
    answered.await.map_err(|_| LogError::Closed)?
}

/// A closure as a job. The writer may run the closure twice, so the closure must not change its captured values.
struct Work<T, W, A> {
    work: W,
    then: A,
    result: Option<Result<T, LogError>>,
    answer: oneshot::Sender<Result<T, LogError>>,
}

impl<T, W, A> Job for Work<T, W, A>
where
    T: Send,
    W: Fn(&Connection) -> Result<T, LogError> + Send,
    A: FnOnce(&T) + Send,
{
    fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
        let result = (self.work)(connection);
        let worked = result.as_ref().map(|_| ()).map_err(LogError::failure);
        self.result = Some(result);
        worked
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let result = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => {
                (self.then)(&value);
                Ok(value)
            }
            (Some(Err(error)), _) => Err(error),
            (_, Err(failure)) => Err(LogError::of(failure)),
            (None, Ok(())) => Err(LogError::Commit("the work was not done".to_owned())),
        };
        // A caller that has given up needs no answer; its work stays saved.
        let _ = self.answer.send(result);
    }
}
