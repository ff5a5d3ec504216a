//! The AWS SDK clients of a worker.

use std::time::Duration;

use anyhow::bail;
use aws_config::SdkConfig;
use aws_sdk_datapipeline::config::Credentials;

use crate::secrets::Secrets;

/// The variables with the access key of the engine. On a machine of AWS, the role of the machine signs all other calls; the
/// engine does not know the keys of roles.
const ENGINE_KEY: [&str; 2] = ["DOWNSPOUT_ACCESS_KEY_ID", "DOWNSPOUT_SECRET_ACCESS_KEY"];

/// Clients of the pipeline service, of S3 and of the stores of secrets.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The pipeline service, which hands out tasks.
    pub datapipeline: aws_sdk_datapipeline::Client,
    /// S3, which holds inputs, results and logs.
    pub s3: aws_sdk_s3::Client,
    /// The secrets that databases name.
    pub secrets: Secrets,
}

impl Clients {
    /// Returns clients for the endpoints and credentials of `config`.
    ///
    /// With `path_style`, the bucket name is in the path of a request and not in its host name. Endpoints other than
    /// AWS usually need this form.
    #[must_use]
    pub fn new(config: &SdkConfig, path_style: bool) -> Self {
        Self::with_engine_key(config, path_style, None)
    }

    /// Returns clients as `new` does. With `engine_key`, this key signs the calls of the pipeline service.
    fn with_engine_key(config: &SdkConfig, path_style: bool, engine_key: Option<Credentials>) -> Self {
        // The service holds a poll for up to 90 s. With a shorter timeout, the client would hang up and lose the task.
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(120))
            .build();
        // The module `service` repeats calls itself, because it knows which calls may be repeated and for how long.
        let mut datapipeline = aws_sdk_datapipeline::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(aws_config::retry::RetryConfig::disabled());
        if let Some(key) = engine_key {
            datapipeline = datapipeline.credentials_provider(key);
        }
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        Self {
            datapipeline: aws_sdk_datapipeline::Client::from_conf(datapipeline.build()),
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets: Secrets::new(config),
        }
    }

    /// Returns clients with the endpoints, region and credentials of the environment, which is read as AWS tools read
    /// it. `region` replaces the region of the environment.
    ///
    /// If `DOWNSPOUT_ACCESS_KEY_ID` and `DOWNSPOUT_SECRET_ACCESS_KEY` are set, they sign the calls of the pipeline service.
    pub async fn from_env(region: Option<String>) -> anyhow::Result<Self> {
        let engine_key = engine_key(|name| std::env::var(name).ok())?;
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(aws_config::Region::new(region));
        }
        let own_endpoint =
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().any(|key| std::env::var_os(key).is_some());
        Ok(Self::with_engine_key(&loader.load().await, own_endpoint, engine_key))
    }
}

/// Reads the access key of the engine from the environment. `variable` returns the value of one variable.
fn engine_key(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Credentials>> {
    match ENGINE_KEY.map(|name| variable(name).filter(|value| !value.is_empty())) {
        [None, None] => Ok(None),
        [Some(id), Some(secret)] => Ok(Some(Credentials::new(id, secret, None, None, "environment"))),
        [None, Some(_)] => bail!("{} is set without {}: set both or none", ENGINE_KEY[1], ENGINE_KEY[0]),
        [Some(_), None] => bail!("{} is set without {}: set both or none", ENGINE_KEY[0], ENGINE_KEY[1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_key_of_the_engine_is_refused() {
        let read = |set: &'static [&'static str]| {
            let key = engine_key(|name| set.contains(&name).then(|| name.to_lowercase()));
            key.map(|key| key.map(|key| key.access_key_id().to_owned())).map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&ENGINE_KEY), Ok(Some("downspout_access_key_id".to_owned())));
        let refusal = "DOWNSPOUT_ACCESS_KEY_ID is set without DOWNSPOUT_SECRET_ACCESS_KEY: set both or none";
        assert_eq!(read(&["DOWNSPOUT_ACCESS_KEY_ID"]), Err(refusal.to_owned()));
        let refusal = "DOWNSPOUT_SECRET_ACCESS_KEY is set without DOWNSPOUT_ACCESS_KEY_ID: set both or none";
        assert_eq!(read(&["DOWNSPOUT_SECRET_ACCESS_KEY"]), Err(refusal.to_owned()));
    }
}
