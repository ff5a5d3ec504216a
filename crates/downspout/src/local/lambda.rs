//! The Lambda host: feeds S3 events to the real handler, as AWS would.
