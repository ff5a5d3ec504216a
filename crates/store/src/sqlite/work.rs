//! Closures as jobs of the thread that owns the connection.

use rusqlite::Connection;
use sqlite_writer::{Closed, Failure, Job, Writer};
use tokio::sync::oneshot;

use crate::StoreError;

/// Runs `work` on the connection, and returns the result once the changes are durable.
pub(super) async fn run<T, W>(writer: &Writer, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let job = Box::new(Work { work, result: None, answer });
    writer.submit(job).await.map_err(|Closed| StoreError::Closed)?;
    answered.await.map_err(|_| StoreError::Closed)?
}

/// A closure as a job. The writer may run the closure twice, so the closure must not change its captured values.
struct Work<T, W> {
    work: W,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Job for Work<T, W>
where
    T: Send,
    W: Fn(&Connection) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
        let result = (self.work)(connection);
        let worked = result.as_ref().map(|_| ()).map_err(StoreError::failure);
        self.result = Some(result);
        worked
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let result = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (_, Err(failure)) => Err(StoreError::Commit(failure.message.clone())),
            (None, Ok(())) => Err(StoreError::Commit("the work was not done".to_owned())),
        };
        // A caller that has given up needs no answer; its work stays saved.
        let _ = self.answer.send(result);
    }
}
