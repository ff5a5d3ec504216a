//! Composes a notice as a mail (RFC 5322).

use anyhow::Context;
use lettre::Message;
use lettre::message::header::ContentTransferEncoding::{EightBit, SevenBit};
use lettre::message::header::ContentType;
use lettre::message::{Body, Mailbox, SinglePart};

use super::store::Delivery;

/// Returns the mail. The same delivery always gives the same bytes.
pub(super) fn compose(from: &str, delivery: &Delivery) -> anyhow::Result<Message> {
    let subject = if delivery.subject.is_empty() { "Notification" } else { &delivery.subject };
    let mut sender: Mailbox =
        from.parse().with_context(|| format!("the sender {from:?} is not an e-mail address"))?;
    if !delivery.sender.is_empty() {
        sender.name = Some(delivery.sender.clone());
    }
    Message::builder()
        .from(sender)
        .to(delivery.recipient.parse().context("the recipient is not an e-mail address")?)
        .subject(subject)
        .date(delivery.published_at.into())
        .message_id(Some(format!("<{}@downspout>", delivery.notice)))
        .singlepart(plain_text(&delivery.message))
        .context("composing the mail")
}

/// The longest line of a mail in bytes, without its CRLF (RFC 5322). Text with a longer line is encoded.
const LINE_BYTES: usize = 998;

/// Returns the body. Text is sent unencoded if that is legal, so that the file is readable in an editor.
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
