//! A topic of a story's own: takes what is published to SNS, and counts it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, routing::post};
use tokio::{net::TcpListener, task::JoinHandle};

/// Where the id of a notice stands: it is the only attribute.
const ID: &str = "MessageAttributes.entry.1.Value.StringValue";

const TAKEN: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
    <PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>";

/// For each message the ids under which it was published, and how often.
pub type Published = BTreeMap<String, BTreeMap<String, u32>>;

/// An endpoint of SNS that takes every message; gone when dropped.
pub struct Topic {
    /// Its URL.
    pub endpoint: String,
    published: Arc<Mutex<Published>>,
    server: JoinHandle<()>,
}

impl Topic {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When loopback gives none.
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

    /// Returns what was published so far.
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
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    *published.entry(field("Message")).or_default().entry(field(ID)).or_default() += 1;
    TAKEN
}
