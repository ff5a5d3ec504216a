//! Turns a panic into the failure of its task.
//!
//! A panic is a bug in the worker or in an activity. The panic must not end the worker. The attempt fails at once with
//! the message of the panic, and does not wait until the service misses its reports.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt as _;
use tokio::task::JoinError;

use crate::failure::Failure;

/// Runs `work` and returns its result. If `work` panics, returns a failure that names `doing` and gives the message
/// of the panic.
pub(crate) fn caught<T>(doing: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // The task ends with the panic, so nobody uses the values that the panic left incomplete.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(failure(doing, panic.as_ref())))
}

/// Awaits `work` and returns its result. If `work` panics, returns a failure like that of [`caught`].
pub(crate) async fn caught_in<T>(
    doing: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.unwrap_or_else(|panic| Err(failure(doing, panic.as_ref())))
}

/// Returns the failure of a blocking thread that gave no result.
pub(crate) fn of_thread(doing: &str, error: JoinError) -> Failure {
    match error.try_into_panic() {
        Ok(panic) => failure(doing, panic.as_ref()),
        Err(error) => Failure::internal(format!("{doing}: {error}")),
    }
}

fn failure(doing: &str, panic: &(dyn Any + Send)) -> Failure {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    Failure::new("Worker:Panic", format!("the worker panicked while {doing}; this is a bug: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_with_its_message() {
        let number = 3;
        let failure = caught_in::<()>("doing the task", async { panic!("no luck {number}") }).await;
        let failure = failure.expect_err("it panicked");
        assert_eq!(failure.id, "Worker:Panic");
        assert_eq!(failure.message, "the worker panicked while doing the task; this is a bug: no luck 3");
        let failure = caught::<()>("reading the task", || panic!("at once")).expect_err("it panicked");
        assert!(failure.message.ends_with(": at once"), "{failure}");
        let thread = tokio::task::spawn_blocking(|| panic!("on a thread")).await.expect_err("it panicked");
        assert!(of_thread("reading", thread).message.ends_with(": on a thread"));
    }
}
