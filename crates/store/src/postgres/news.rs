//! Words between the servers on one database, by LISTEN and NOTIFY: which worker groups have work to spare.
//!
//! They only make the others faster: a word that is lost, as while the connection is down, is made up for by asking
//! the tables.

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

/// Words that wait to be heard; what comes beyond that is made up for.
const MOST_WAITING: usize = 1024;
/// The pause before a lost connection is made anew.
const CONNECT_AGAIN: Duration = Duration::from_secs(1);

/// One server's ear and mouth.
pub(super) struct News {
    channel: String,
    /// Stands before each word, so that nobody hears himself.
    me: String,
    heard: Mutex<mpsc::Receiver<WorkerGroup>>,
    listener: JoinHandle<()>,
}

impl News {
    /// Begins to listen, in the background.
    pub(super) fn new(location: PostgresLocation) -> Self {
        let (channel, me) = (channel(&location.schema), Uuid::new_v4().to_string());
        let (sender, heard) = mpsc::channel(MOST_WAITING);
        let ear = Ear { channel: channel.clone(), me: me.clone(), sender };
        let listener = tokio::spawn(async move { ear.listen(&location.database).await });
        Self { channel, me, heard: Mutex::new(heard), listener }
    }

    /// Returns what tells this server from the others.
    pub(super) fn me(&self) -> &str {
        &self.me
    }

    pub(super) async fn tell(&self, sessions: &Sessions, groups: &[WorkerGroup]) -> Result<(), StoreError> {
        let words: Vec<String> = groups.iter().map(|group| format!("{} {group}", self.me)).collect();
        let sql = "SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word";
        sessions.rows("telling the other servers", sql, &[&self.channel, &words]).await.map(|_| ())
    }

    pub(super) async fn hear(&self) -> WorkerGroup {
        match self.heard.lock().await.recv().await {
            Some(group) => group,
            // The listener is gone, and the store with it.
            None => std::future::pending().await,
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A channel's name is short: a digest of the schema's.
fn channel(schema: &str) -> String {
    let digest = Sha256::digest(schema);
    format!("downspout_{}", hex::encode(&digest[..8]))
}

struct Ear {
    channel: String,
    me: String,
    sender: mpsc::Sender<WorkerGroup>,
}

impl Ear {
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
                tracing::warn!("the other servers are not heard, asking the tables meanwhile: {error}");
            }
            tokio::time::sleep(CONNECT_AGAIN).await;
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

    fn heard(&self, word: &str) {
        let group = word.split_once(' ').filter(|(who, _)| *who != self.me).map(|(_, group)| group);
        if let Some(group) = group {
            // A full queue has enough to do.
            let _ = self.sender.try_send(WorkerGroup::from(group));
        }
    }
}
