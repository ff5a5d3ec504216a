//! Notifies systemd when the server has started, while it is alive, and when it stops. Does nothing if systemd did not start the server.

use sd_notify::NotifyState;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Reports the start once `is_started`, then that the server is alive, as often as systemd asks for it, and at last the stop.
pub(super) async fn notify_systemd(is_started: oneshot::Receiver<()>, shutdown: CancellationToken) {
    if is_started.await.is_err() {
        // The server failed before it started, and its exit code says so.
        return;
    }
    notify(NotifyState::Ready).await;
    let alive = async {
        let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
        loop {
            notify(NotifyState::Watchdog).await;
            tokio::time::sleep(limit / 2).await;
        }
    };
    shutdown.run_until_cancelled(alive).await;
    notify(NotifyState::Stopping).await;
}

/// Sends a message. Runs on a thread of its own, because it blocks while systemd does not read its messages.
async fn notify(state: NotifyState<'static>) {
    let sent = tokio::task::spawn_blocking(move || sd_notify::notify(&[state])).await;
    if let Ok(Err(error)) = sent {
        tracing::warn!(%error, "systemd could not be notified");
    }
}
