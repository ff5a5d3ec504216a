//! A topic for stories. It stands in for SNS, and counts the published messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, routing::post};
use tokio::{net::TcpListener, task::JoinHandle};

/// The message attribute with the id of a notice.
const ID: &str = "downspout-notice-id";

const TAKEN: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
    <PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";

/// The published messages, each with the ids of its notices and how often each id was published.
pub type Published = BTreeMap<String, BTreeMap<String, u32>>;

/// An endpoint of SNS that accepts every message. Dropping the value stops it.
pub struct Topic {
    /// The URL of the endpoint.
    pub endpoint: String,
    published: Arc<Mutex<Published>>,
    server: JoinHandle<()>,
}

impl Topic {
    /// Starts a topic on a free port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start() -> Self {
        let published = Arc::new(Mutex::new(Published::new()));
        let app = Router::new().route("/", post(publish)).with_state(Arc::clone(&published));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let endpoint = format!("http://{}", listener.local_addr().expect("the port just bound"));
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("axum serves for ever");
        });
        Self { endpoint, published, server }
    }

    /// Returns the messages that were published so far.
    #[must_use]
    pub fn published(&self) -> Published {
        self.published.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn publish(State(published): State<Arc<Mutex<Published>>>, body: String) -> &'static str {
    let fields: BTreeMap<String, String> = serde_urlencoded::from_str(&body).unwrap_or_default();
    let field = |key: &str| fields.get(key).cloned().unwrap_or_default();
    let entries = (1..=10).map(|number| format!("MessageAttributes.entry.{number}"));
    let mut ids = entries.filter(|entry| field(&format!("{entry}.Name")) == ID);
    let id = ids.next().map(|entry| field(&format!("{entry}.Value.StringValue"))).unwrap_or_default();
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    *published.entry(field("Message")).or_default().entry(id).or_default() += 1;
    TAKEN
}
