//! Tells people that a stream cannot deliver, and that it can again: one notice for each.

use std::path::PathBuf;
use std::time::Duration;

use definition::counted::counted;
use jiff::Timestamp;
use stream_server::{Again, DeliveryNotice, Failing, ReportedTroubles, StreamServer};
use tokio_util::sync::CancellationToken;

use super::super::data_dir::{read_json, write_json};
use super::Topic;

/// The time after which a notice is published again that could not be published.
const AGAIN: Duration = Duration::from_secs(30);

/// The alarms of the streams of a stack.
pub(in super::super) struct StreamAlarms {
    pub(in super::super) server: StreamServer,
    pub(in super::super) topic: Topic,
    /// The path of the file with the troubles that were reported to people.
    pub(in super::super) reported: PathBuf,
}

impl StreamAlarms {
    /// Publishes the notices that are due, until `stop`.
    pub(in super::super) async fn follow(self, stop: CancellationToken) {
        let mut deliveries = self.server.deliveries();
        let mut reported: ReportedTroubles = read_json(&self.reported).ok().flatten().unwrap_or_default();
        loop {
            deliveries.mark_unchanged();
            let published = self.publish(&mut reported).await;
            if let Err(error) = &published {
                let error = format!("{error:#}");
                tracing::error!(error, "people could not be told of the delivery of a stream");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // The server of streams ends after its clients.
                Ok(()) = deliveries.changed() => {}
                () = tokio::time::sleep(AGAIN), if published.is_err() => {}
            }
        }
    }

    async fn publish(&self, reported: &mut ReportedTroubles) -> anyhow::Result<()> {
        for notice in self.server.delivery_notices(reported) {
            let (subject, message) = match &notice {
                DeliveryNotice::Failing(failing) => describe_failing(failing),
                DeliveryNotice::Again(again) => describe_again(again),
            };
            self.topic.publish(&subject, message).await?;
            tracing::info!(subject, "published a notice about the delivery of a stream");
            reported.note(&notice);
            write_json(&self.reported, reported)?;
        }
        Ok(())
    }
}

fn describe_failing(failing: &Failing) -> (String, String) {
    let Failing { name, since, place, why, remedy, waiting_records, waiting_bytes, .. } = failing;
    let place = if place.is_empty() { "not known: the stream has no usable definition" } else { place };
    let message = format!(
        "The stream {name} cannot deliver its records since {}. Nothing is lost: they stay on the disk until they are delivered.\n\n\
         Where to: {place}\nWhat waits: {} ({waiting_bytes} bytes)\nWhat failed: {why}\n\n\
         What to do: {remedy}. The stream tries again by itself, at least every 30 seconds; `downspout stream flush {name}` makes it \
         try at once. One more notice comes when it delivers again.",
        shown(*since),
        counted(waiting_records, "record"),
    );
    (format!("stream {name}: records cannot be delivered"), message)
}

fn describe_again(again: &Again) -> (String, String) {
    let Again { name, since, waiting_records } = again;
    let rest = match waiting_records {
        None => "It has ended, and all its records are delivered".to_owned(),
        Some(0) => "Nothing waits any more".to_owned(),
        Some(1) => "1 record waits for the next file".to_owned(),
        Some(records) => format!("{records} records wait for the next file"),
    };
    let message = format!(
        "The stream {name} delivers its records again; it could not since {}. {rest}.",
        shown(*since)
    );
    (format!("stream {name}: records are delivered again"), message)
}

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
