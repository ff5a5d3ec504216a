//! Checks AWS Signature Version 4 on HTTP requests, for every endpoint of this project.
//!
//! [`Verifier`] is for the services whose requests are small and signed in the `Authorization` header: Data Pipeline and
//! SNS. [`s3`] has the rules of S3: presigned URLs, forms with a policy, and bodies that are checked while they arrive. Both
//! share the canonical request and the keys.
//!
//! The crate is written on `hmac` and `sha2`. The crate `scratchstack-aws-signature` fixes the length of a secret key,
//! needs an IAM principal and a tower service per key, and logs the canonical request, which may carry secrets.

mod authorization;
mod canonical;
mod credentials;
mod date;
mod error;
mod key;
pub mod s3;
mod scope;
mod verifier;

pub use canonical::{PATH, VALUE};
pub use credentials::{Credentials, KnownKeys};
pub use error::SignatureError;
pub use verifier::Verifier;
