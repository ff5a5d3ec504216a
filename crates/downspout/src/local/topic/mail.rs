//! A notice as an RFC 5322 message.

use anyhow::Context;
use lettre::Message;
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Body, SinglePart};

use super::store::Delivery;

/// Returns the message; the same delivery gives the same bytes every time.
pub(super) fn compose(from: &str, delivery: &Delivery) -> anyhow::Result<Message> {
    let subject = if delivery.subject.is_empty() { "Notification" } else { &delivery.subject };
    Message::builder()
        .from(from.parse().with_context(|| format!("the sender {from:?} is not an e-mail address"))?)
        .to(delivery.recipient.parse().context("the recipient is not an e-mail address")?)
        .subject(subject)
        .date(delivery.published_at.into())
        .message_id(Some(format!("<{}@downspout>", delivery.notice)))
        .singlepart(plain_text(&delivery.message))
        .context("putting the message together")
}

/// Text goes out as it is where that is legal, so that the file reads well in an editor.
fn plain_text(text: &str) -> SinglePart {
    let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let body = Body::new_with_encoding(text, ContentTransferEncoding::EightBit).unwrap_or_else(Body::new);
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}
