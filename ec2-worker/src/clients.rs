//! The AWS SDK clients of a worker.

use std::time::Duration;

use aws_config::SdkConfig;

/// Clients of the pipeline service and of S3.
#[derive(Clone, Debug)]
pub struct Clients {
    /// The pipeline service, which hands out tasks.
    pub datapipeline: aws_sdk_datapipeline::Client,
    /// S3, which holds inputs, results and logs.
    pub s3: aws_sdk_s3::Client,
}

impl Clients {
    /// Returns clients for the endpoints and credentials of `config`.
    ///
    /// With `path_style`, the bucket name is in the path of a request and not in its host name. Endpoints other than
    /// AWS usually need this form.
    #[must_use]
    pub fn new(config: &SdkConfig, path_style: bool) -> Self {
        // The service holds a poll for up to 90 s. With a shorter timeout, the client would hang up and lose the task.
        let timeouts = aws_config::timeout::TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(120))
            .build();
        // The module `service` repeats calls itself, because it knows which calls may be repeated and for how long.
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

    /// Returns clients with the endpoints, region and credentials of the environment, which is read as AWS tools read
    /// it. `region` replaces the region of the environment.
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
