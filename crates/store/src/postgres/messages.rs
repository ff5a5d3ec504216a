//! Messages between the servers on one database, by LISTEN and NOTIFY: which worker groups have free attempts.
//!
//! The messages only make the other servers faster. A server that misses a message, for example because its connection
//! was down, finds the attempts when it next reads the tables.

use std::time::Duration;

use engine::WorkerGroup;
use futures::StreamExt as _;
use postgres_connect::DatabaseTarget;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, Error, NoTls};
use uuid::Uuid;

use super::PostgresLocation;
use super::session::Sessions;
use crate::StoreError;

/// The most messages that wait to be heard; further ones are dropped.
const MOST_WAITING: usize = 1024;
/// The pause before a lost connection is replaced.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// One server's side of the messages.
pub(super) struct Messages {
    channel: String,
    /// The name of this server, which begins each of its messages: a server ignores its own.
    server: String,
    heard: Mutex<mpsc::Receiver<WorkerGroup>>,
    listener: JoinHandle<()>,
}

impl Messages {
    /// Begins to listen in the background.
    pub(super) fn new(location: PostgresLocation) -> Self {
        let (channel, server) = (channel(&location.schema), Uuid::new_v4().to_string());
        let (sender, heard) = mpsc::channel(MOST_WAITING);
        let listener = Listener { channel: channel.clone(), server: server.clone(), sender };
        let listener = tokio::spawn(async move { listener.listen(&location.database).await });
        Self { channel, server, heard: Mutex::new(heard), listener }
    }

    /// Returns the name of this server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) async fn announce(
        &self,
        sessions: &Sessions,
        groups: &[WorkerGroup],
    ) -> Result<(), StoreError> {
        let messages: Vec<String> = groups.iter().map(|group| format!("{} {group}", self.server)).collect();
        let sql = "SELECT pg_notify($1, message) FROM unnest($2::text[]) AS message";
        sessions.rows("telling the other servers", sql, &[&self.channel, &messages]).await.map(|_| ())
    }

    pub(super) async fn hear(&self) -> WorkerGroup {
        match self.heard.lock().await.recv().await {
            Some(group) => group,
            // The listener has ended, and the store with it.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Returns the channel of a schema: a digest of its name, since names of channels are short.
fn channel(schema: &str) -> String {
    let digest = Sha256::digest(schema);
    format!("downspout_{}", hex::encode(&digest[..8]))
}

/// The task that listens.
struct Listener {
    channel: String,
    server: String,
    sender: mpsc::Sender<WorkerGroup>,
}

impl Listener {
    async fn listen(&self, database: &DatabaseTarget) {
        loop {
            let ended = match database.tls() {
                Some(tls) => match database.config().connect(tls.clone()).await {
                    Ok((client, connection)) => self.follow(&client, connection).await,
                    Err(error) => Err(error),
                },
                None => match database.config().connect(NoTls).await {
                    Ok((client, connection)) => self.follow(&client, connection).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = ended {
                tracing::warn!(
                    "lost the connection for messages of other servers, reading the tables meanwhile: {error}"
                );
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    /// Listens until the connection ends.
    async fn follow<S, T>(&self, client: &Client, mut connection: Connection<S, T>) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        let listen = format!("LISTEN {}", self.channel);
        let received = async {
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message? {
                    self.heard(notification.payload());
                }
            }
            Ok(())
        };
        tokio::try_join!(client.batch_execute(&listen), received).map(|_| ())
    }

    fn heard(&self, message: &str) {
        let group =
            message.split_once(' ').filter(|(sender, _)| *sender != self.server).map(|(_, group)| group);
        if let Some(group) = group {
            // If the queue is full, the message is dropped: its attempts are found when this server next reads the
            // tables.
            let _ = self.sender.try_send(WorkerGroup::from(group));
        }
    }
}
