//! The times at which the mails about runs were sent, or the reasons why they were not.

use jiff::Timestamp;

use super::running_stack;
use crate::local::stack::Endpoints;
use crate::local::topic::SentMail;

/// Returns the mails about a pipeline, or about every pipeline, oldest first.
pub(super) async fn of(endpoints: &Endpoints, pipeline: Option<&str>) -> anyhow::Result<Vec<SentMail>> {
    let query = pipeline.map(|id| [("pipeline", id)]);
    let query = query.map(serde_urlencoded::to_string).transpose()?.unwrap_or_default();
    running_stack::ask(endpoints, http::Method::GET, &format!("/mails?{query}")).await
}

/// Returns when the last mail about the pipeline was sent. Returns `None` if there is no mail, or if one is not sent yet.
pub(super) fn sent_at(mails: &[SentMail], pipeline: &str) -> Option<Timestamp> {
    let of_pipeline = mails.iter().filter(|mail| mail.pipeline_id == pipeline);
    let sent: Option<Vec<Timestamp>> = of_pipeline.map(|mail| mail.sent).collect();
    sent?.into_iter().max()
}

/// Returns a sentence about a mail.
pub(super) fn sentence(mail: &SentMail) -> String {
    let SentMail { to, sent, failed_tries, error, next_try, .. } = mail;
    let tries = match failed_tries {
        0 => String::new(),
        1 => ", after a try that failed".to_owned(),
        tries => format!(", after {tries} tries that failed"),
    };
    let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    match (sent, next_try) {
        (Some(sent), _) => format!("mail to {to}: sent at {sent:.0}{tries}"),
        (None, Some(next)) => format!("mail to {to}: not sent yet{why}; the next try is at {next:.0}"),
        (None, None) if error.is_some() => format!("mail to {to}: given up{why}; the mail is in the outbox"),
        (None, None) => format!("mail to {to}: about to be sent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_sent_or_says_why_not() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let mail = SentMail {
            pipeline_id: "df-1".to_owned(),
            to: "me@example.com".to_owned(),
            subject: "done".to_owned(),
            sent: at("2026-01-05T10:00:00Z"),
            failed_tries: 0,
            error: None,
            next_try: None,
        };
        let waits = SentMail {
            sent: None,
            failed_tries: 1,
            error: Some("away".to_owned()),
            next_try: at("2026-01-05T10:05:00Z"),
            ..mail.clone()
        };
        for (mail, said) in [
            (mail.clone(), "mail to me@example.com: sent at 2026-01-05T10:00:00Z"),
            (
                SentMail { failed_tries: 2, ..mail.clone() },
                "mail to me@example.com: sent at 2026-01-05T10:00:00Z, after 2 tries that failed",
            ),
            (
                waits.clone(),
                "mail to me@example.com: not sent yet: away; the next try is at 2026-01-05T10:05:00Z",
            ),
            (
                SentMail { next_try: None, ..waits.clone() },
                "mail to me@example.com: given up: away; the mail is in the outbox",
            ),
        ] {
            assert_eq!(sentence(&mail), said);
        }
        assert_eq!(
            sent_at(&[mail.clone(), SentMail { pipeline_id: "df-2".to_owned(), ..waits.clone() }], "df-1"),
            mail.sent
        );
        assert_eq!(sent_at(&[mail, waits], "df-1"), None);
        assert_eq!(sent_at(&[], "df-1"), None);
    }
}
