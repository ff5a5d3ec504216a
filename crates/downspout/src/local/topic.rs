//! Amazon SNS, locally: topics, subscriptions, and mails into an outbox.
