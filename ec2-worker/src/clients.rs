//! The SDK clients a worker speaks through.

use std::time::Duration;

use aws_config::SdkConfig;

/// The service and the storage, as AWS SDK clients.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The pipeline service that hands out tasks.
    pub datapipeline: aws_sdk_datapipeline::Client,
    /// Where inputs, results and logs are.
    pub s3: aws_sdk_s3::Client,
}

impl Clients {
    /// Returns clients for the endpoints and credentials of `config`.
    ///
    /// `path_style` puts the bucket into the path, as endpoints other than AWS want it.
    #[must_use]
    pub fn new(config: &SdkConfig, path_style: bool) -> Self {
        // A poll is held for up to 90 s; a shorter socket timeout would lose the task it ends with.
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(120))
            .build();
        // Repeating is the runner's own business: it knows which calls may be repeated and for how long.
        let datapipeline = aws_sdk_datapipeline::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
        Self {
            datapipeline: aws_sdk_datapipeline::Client::from_conf(datapipeline),
            s3: aws_sdk_s3::Client::from_conf(s3),
        }
    }

    /// Returns clients configured by the environment, as every AWS tool reads it.
    pub async fn from_env(region: Option<String>) -> Self {
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest());
        if let Some(region) = region {
            loader = loader.region(aws_config::Region::new(region));
        }
        let own_endpoint =
            ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].iter().any(|key| std::env::var_os(key).is_some());
        Self::new(&loader.load().await, own_endpoint)
    }
}
