//! Turns errors of AWS SDK calls into one line that people can read.

use aws_sdk_s3::error::ProvideErrorMetadata;

/// Returns an SDK error as one line: the message of the service, or the reason why the service was not reached.
pub(crate) fn readable<E>(error: E) -> anyhow::Error
where
    E: std::error::Error + ProvideErrorMetadata,
{
    if let Some(message) = error.message() {
        return anyhow::anyhow!("{message}");
    }
    let mut text = error.code().map_or_else(|| error.to_string(), str::to_owned);
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    anyhow::anyhow!("{text}")
}
