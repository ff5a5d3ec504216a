//! A notice as an RFC 5322 message.

use anyhow::Context;
use lettre::Message;
use lettre::message::header::ContentTransferEncoding::{EightBit, SevenBit};
use lettre::message::header::ContentType;
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

/// Longer lines are not legal in a mail and have to be encoded (RFC 5322: 998 characters and CRLF).
const LINE_BYTES: usize = 998;

/// Text goes out as it is where that is legal, so that the file reads well in an editor.
fn plain_text(text: &str) -> SinglePart {
    let lines: Vec<&str> = text.lines().collect();
    let is_legal = lines.iter().all(|line| line.len() <= LINE_BYTES) && !text.contains(['\0', '\r']);
    let body = if is_legal {
        let plain = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
        let encoding = if plain.is_ascii() { SevenBit } else { EightBit };
        Body::dangerous_pre_encoded(plain.into_bytes(), encoding)
    } else {
        Body::new(text.to_owned())
    };
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}
