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

/// All problems that make a configuration unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// `definitions_uri` has the wrong form.
    #[error("`{0}` is not a location of definitions: write s3://bucket or s3://bucket/prefix")]
    Definitions(String),
    /// `drop_bucket` is not the name of a bucket.
    #[error(
        "`{0}` is not the name of a bucket: write 3 to 63 lowercase letters, digits, hyphens and points, or nothing at all"
    )]
    DropBucket(String),
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
    pub(crate) fn home(&self) -> Result<Home, ConfigErrors> {
        let problems = self.problems();
        match self.parsed_home() {
            Some(home) if problems.is_empty() => Ok(home),
            _ => Err(ConfigErrors(problems)),
        }
    }

    /// Returns all settings that cannot be used.
    pub(crate) fn problems(&self) -> Vec<ConfigError> {
        let drop_bucket = self.drop_bucket.as_ref().filter(|bucket| !is_bucket(bucket));
        let topic = Some(&self.topic_arn).filter(|arn| !is_topic(arn));
        let problems = [
            self.parsed_home().is_none().then(|| ConfigError::Definitions(self.definitions_uri.clone())),
            drop_bucket.map(|bucket| ConfigError::DropBucket(bucket.clone())),
            topic.map(|arn| ConfigError::Topic(arn.clone())),
            self.lease.is_zero().then_some(ConfigError::Lease),
            self.holder.is_empty().then_some(ConfigError::Holder),
        ];
        problems.into_iter().flatten().collect()
    }

    fn parsed_home(&self) -> Option<Home> {
        Home::parse(&self.definitions_uri).filter(|home| is_bucket(&home.bucket))
    }
}

fn is_bucket(name: &str) -> bool {
    let legal =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    (3..=63).contains(&name.len()) && name.chars().all(legal)
}

fn is_topic(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    // The second part names the partition: aws, aws-cn, aws-us-gov.
    matches!(parts[..], ["arn", _, "sns", region, account, name] if !region.is_empty() && !account.is_empty() && !name.is_empty())
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
    fn all_wrong_settings_are_reported_at_once() {
        assert!(config().home().is_ok());
        let wrong = Config {
            definitions_uri: "definitions".to_owned(),
            drop_bucket: Some(String::new()),
            topic_arn: "arn:aws:sqs:us-east-1:123456789012:notices".to_owned(),
            lease: Duration::ZERO,
            holder: String::new(),
            ..config()
        };
        let ConfigErrors(errors) = wrong.home().map(|_| ()).unwrap_err();
        assert_eq!(
            errors,
            [
                ConfigError::Definitions("definitions".to_owned()),
                ConfigError::DropBucket(String::new()),
                ConfigError::Topic("arn:aws:sqs:us-east-1:123456789012:notices".to_owned()),
                ConfigError::Lease,
                ConfigError::Holder,
            ]
        );
        let bucket = Config { definitions_uri: "s3://My_Bucket/x".to_owned(), ..config() };
        assert_eq!(bucket.problems(), [ConfigError::Definitions("s3://My_Bucket/x".to_owned())]);
    }
}
