//! The local stack's parts, driven through their public faces by foreign clients.

mod s3;
