//! The local stack's parts, driven through their public faces by foreign clients.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod s3;
