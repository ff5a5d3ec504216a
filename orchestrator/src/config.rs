//! The configuration of an orchestrator.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::home::Home;

/// The clock. Tests pass a clock that they move by hand.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The settings of an orchestrator.
#[derive(Clone)]
pub struct Config {
    /// The home of the definitions, `s3://bucket` or `s3://bucket/prefix`. The ledger is there, too.
    pub definitions_uri: String,
    /// The watched bucket. Without a watched bucket, events of every bucket are handled, and a sweep finds only the
    /// sets in the ledger.
    pub drop_bucket: Option<String>,
    /// The ARN of the topic for notices.
    pub topic_arn: String,
    /// The time for which a claim is valid: a little longer than one invocation may take.
    pub lease: Duration,
    /// The name under which this process makes claims.
    ///
    /// A holder of the form `name#incarnation` states that no other process with this name runs now. Claims of other
    /// incarnations of the same name are then invalid at once, because their processes have ended.
    pub holder: String,
    /// The clock.
    pub now: Now,
}

/// The reason why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `definitions_uri` has the wrong form.
    #[error("`{0}` is not a location of definitions: write s3://bucket or s3://bucket/prefix")]
    Definitions(String),
    /// `drop_bucket` is an empty text.
    #[error("the name of the drop bucket is empty: give a name, or none at all")]
    DropBucket,
    /// `topic_arn` has the wrong form.
    #[error("`{0}` is not the ARN of a topic: write arn:aws:sns:REGION:ACCOUNT:NAME")]
    Topic(String),
    /// `lease` is zero.
    #[error("the lease of a claim is zero: give more time than one invocation may take")]
    Lease,
    /// `holder` is an empty text.
    #[error("the name of the holder of claims is empty")]
    Holder,
}

impl Config {
    /// Checks every setting and returns the home of the definitions.
    pub(crate) fn home(&self) -> Result<Home, ConfigError> {
        let home = Home::parse(&self.definitions_uri)
            .ok_or_else(|| ConfigError::Definitions(self.definitions_uri.clone()))?;
        if self.drop_bucket.as_deref() == Some("") {
            return Err(ConfigError::DropBucket);
        }
        if !self.topic_arn.starts_with("arn:") {
            return Err(ConfigError::Topic(self.topic_arn.clone()));
        }
        if self.lease.is_zero() {
            return Err(ConfigError::Lease);
        }
        if self.holder.is_empty() {
            return Err(ConfigError::Holder);
        }
        Ok(home)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            definitions_uri: "s3://definitions/prefix".to_owned(),
            drop_bucket: Some("drop".to_owned()),
            topic_arn: "arn:aws:sns:us-east-1:123456789012:notices".to_owned(),
            lease: Duration::from_secs(60),
            holder: "lambda".to_owned(),
            now: Arc::new(Timestamp::now),
        }
    }

    #[test]
    fn each_wrong_setting_is_refused_and_named() {
        assert!(config().home().is_ok());
        let wrong = [
            (
                Config { definitions_uri: "definitions".to_owned(), ..config() },
                "`definitions` is not a location",
            ),
            (Config { drop_bucket: Some(String::new()), ..config() }, "drop bucket"),
            (Config { topic_arn: "notices".to_owned(), ..config() }, "`notices` is not the ARN"),
            (Config { lease: Duration::ZERO, ..config() }, "lease"),
            (Config { holder: String::new(), ..config() }, "holder"),
        ];
        for (config, named) in wrong {
            let error = config.home().map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
