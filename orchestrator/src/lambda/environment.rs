//! The configuration of the function: environment variables, which are read and checked as a whole.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use url::Url;

use crate::config::{Config, ConfigError};

/// How much longer a claim is valid than an invocation may take.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// The longest time limit that Lambda allows, in seconds. The program assumes this limit if it does not know the
/// function's own limit.
const LONGEST_INVOCATION: u64 = 15 * 60;

const DEFINITIONS: &str = "DEFINITIONS_S3_URI";
const TOPIC: &str = "NOTIFY_TOPIC_ARN";
const DROP_BUCKET: &str = "DROP_BUCKET";
const TIME_LIMIT: &str = "LAMBDA_TIMEOUT_SECS";
const REGION: &str = "AWS_REGION";
const LOG: &str = "RUST_LOG";
const KEY_ID: &str = "DOWNSPOUT_ACCESS_KEY_ID";
const KEY_SECRET: &str = "DOWNSPOUT_SECRET_ACCESS_KEY";
const AUTHORITY: &str = "DOWNSPOUT_CA_CERTIFICATE";
const LOG_STREAM: &str = "AWS_LAMBDA_LOG_STREAM_NAME";
/// The variables of the AWS SDK with the addresses of services, and the names of the services in the output.
const ENDPOINTS: [(&str, &str); 3] = [
    ("AWS_ENDPOINT_URL_S3", "S3"),
    ("AWS_ENDPOINT_URL_DATA_PIPELINE", "Data Pipeline"),
    ("AWS_ENDPOINT_URL_SNS", "SNS"),
];
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// Every variable that the program reads, each with its meaning. The help shows this list.
pub(super) const VARIABLES: [(&str, &str); 13] = [
    (DEFINITIONS, "Home of the definitions and of the ledger: s3://bucket or s3://bucket/prefix. Needed"),
    (TOPIC, "ARN of the SNS topic for notices. Needed"),
    (REGION, "Region of the services. Needed; Lambda sets it"),
    (
        DROP_BUCKET,
        "Bucket into which files are dropped. Without it, events of every bucket count, and a sweep finds only \
                   sets that the ledger knows",
    ),
    (
        TIME_LIMIT,
        "Time limit of the function in seconds, 1 to 900 [default: 900]. A claim is valid for a little longer, so \
                  a set whose handler was killed waits that long",
    ),
    (ENDPOINT, "Address of all services, if they are not those of AWS"),
    ("AWS_ENDPOINT_URL_S3", "Address of S3, if it is not that of AWS"),
    ("AWS_ENDPOINT_URL_DATA_PIPELINE", "Address of Data Pipeline, if it is not that of AWS"),
    ("AWS_ENDPOINT_URL_SNS", "Address of SNS, if it is not that of AWS"),
    (KEY_ID, "Access key of the Data Pipeline service, if it has keys of its own"),
    (KEY_SECRET, "Secret of that access key"),
    (AUTHORITY, "Certificate in PEM of a further authority that the program trusts, such as your own"),
    (
        LOG,
        "What the log contains: error, warn, info, debug, or a filter such as info,orchestrator=debug [default: info]",
    ),
];

/// The configuration as the environment gives it.
pub(super) struct Environment {
    definitions_uri: String,
    topic_arn: String,
    drop_bucket: Option<String>,
    time_limit: Duration,
    region: String,
    /// The address of each service; `None` is that of AWS.
    endpoints: Vec<(&'static str, Option<Url>)>,
    /// The access key of the pipeline service, and its secret; `None` is the role of the function.
    pipeline_key: Option<(String, String)>,
    /// The certificate of a further authority, as PEM.
    authority: Option<String>,
    log: String,
    log_stream: Option<String>,
}

/// A variable that cannot be used, with the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    variable: &'static str,
    why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.why)
    }
}

impl Environment {
    /// Reads the environment. `variable` returns the value of one variable. Returns all problems at once.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        // In the settings of Lambda, a variable without a value is as good as none.
        let given = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let mut problems = Vec::new();
        let mut needed = |name: &'static str, what: &str| {
            given(name).unwrap_or_else(|| {
                problems.push(Problem { variable: name, why: format!("is not set; write {what}") });
                String::new()
            })
        };
        let definitions_uri =
            needed(DEFINITIONS, "the home of the definitions, s3://bucket or s3://bucket/prefix");
        let topic_arn = needed(TOPIC, "the ARN of the topic for notices, arn:aws:sns:REGION:ACCOUNT:NAME");
        // The SDK also takes the older name of the variable.
        let region = given(REGION).or_else(|| given("AWS_DEFAULT_REGION"));
        let region =
            region.unwrap_or_else(|| needed(REGION, "the region of the services, such as eu-central-1"));
        let time_limit = given(TIME_LIMIT).map_or(Ok(LONGEST_INVOCATION), |text| seconds(&text));
        let time_limit = checked(&mut problems, TIME_LIMIT, time_limit).unwrap_or_default();
        let log = given(LOG).unwrap_or_else(|| "info".to_owned());
        let filter = EnvFilter::try_new(&log).map_err(|error| format!("`{log}` is not a filter: {error}"));
        checked(&mut problems, LOG, filter);
        let pipeline_key = match (given(KEY_ID), given(KEY_SECRET)) {
            (Some(id), Some(secret)) => Some((id, secret)),
            (None, None) => None,
            (id, _) => {
                let (missing, other) = if id.is_none() { (KEY_ID, KEY_SECRET) } else { (KEY_SECRET, KEY_ID) };
                let why = format!("is not set, but {other} is; set both or neither");
                problems.push(Problem { variable: missing, why });
                None
            }
        };
        let authority = checked(&mut problems, AUTHORITY, given(AUTHORITY).map(certificate).transpose());
        let everywhere =
            checked(&mut problems, ENDPOINT, given(ENDPOINT).map(|text| address(&text)).transpose());
        let everywhere = everywhere.flatten();
        let mut endpoints = Vec::new();
        for (name, service) in ENDPOINTS {
            let own = checked(&mut problems, name, given(name).map(|text| address(&text)).transpose());
            endpoints.push((service, own.flatten().or_else(|| everywhere.clone())));
        }
        let environment = Self {
            definitions_uri,
            topic_arn,
            drop_bucket: given(DROP_BUCKET),
            time_limit: Duration::from_secs(time_limit),
            region,
            endpoints,
            pipeline_key,
            authority: authority.flatten(),
            log,
            log_stream: given(LOG_STREAM),
        };
        for error in environment.config().problems() {
            let variable = match error {
                ConfigError::Definitions(_) => DEFINITIONS,
                ConfigError::Topic(_) => TOPIC,
                ConfigError::DropBucket(_) => DROP_BUCKET,
                // Both follow from the variables above, which are right or already among the problems.
                ConfigError::Lease | ConfigError::Holder => continue,
            };
            if problems.iter().all(|problem| problem.variable != variable) {
                problems.push(Problem { variable, why: error.to_string() });
            }
        }
        if problems.is_empty() { Ok(environment) } else { Err(problems) }
    }

    /// Returns the configuration of the orchestrator.
    pub(super) fn config(&self) -> Config {
        Config {
            definitions_uri: self.definitions_uri.clone(),
            drop_bucket: self.drop_bucket.clone(),
            topic_arn: self.topic_arn.clone(),
            lease: self.time_limit + LEASE_MARGIN,
            holder: self.log_stream.clone().unwrap_or_else(|| std::process::id().to_string()),
            now: Arc::new(jiff::Timestamp::now),
        }
    }

    /// Returns the filter of the log.
    pub(super) fn log(&self) -> &str {
        &self.log
    }

    /// Returns the access key of the pipeline service and its secret, if it has keys of its own.
    pub(super) fn pipeline_key(&self) -> Option<&(String, String)> {
        self.pipeline_key.as_ref()
    }

    /// Returns the certificate of a further authority that the program trusts, as PEM.
    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns whether S3 is at an address of its own.
    pub(super) fn has_own_s3(&self) -> bool {
        self.endpoints.iter().any(|(service, address)| *service == "S3" && address.is_some())
    }

    /// Returns a line for each setting as it was understood. No line contains a secret.
    pub(super) fn described(&self) -> String {
        let none = "none: events of every bucket count, and a sweep finds only sets that the ledger knows";
        let mut lines = vec![
            ("definitions", self.definitions_uri.clone()),
            ("topic", self.topic_arn.clone()),
            ("drop bucket", self.drop_bucket.clone().unwrap_or_else(|| none.to_owned())),
            ("time limit", format!("{} s", self.time_limit.as_secs())),
            ("region", self.region.clone()),
            ("log", self.log.clone()),
        ];
        for (service, address) in &self.endpoints {
            lines.push((service, address.as_ref().map_or_else(|| "of AWS".to_owned(), shown)));
        }
        if let Some((id, _)) = &self.pipeline_key {
            lines.push(("with the key", id.clone()));
        }
        lines.iter().map(|(name, value)| format!("{name:<15}{}\n", value.escape_debug())).collect()
    }
}

/// Returns a value that was read, or adds the problem with it.
fn checked<T>(problems: &mut Vec<Problem>, variable: &'static str, value: Result<T, String>) -> Option<T> {
    value.map_err(|why| problems.push(Problem { variable, why })).ok()
}

fn seconds(text: &str) -> Result<u64, String> {
    let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST_INVOCATION).contains(seconds));
    seconds.ok_or_else(|| format!("`{text}` is not a number of seconds from 1 to {LONGEST_INVOCATION}"))
}

fn certificate(text: String) -> Result<String, String> {
    let is_pem = text.contains("-----BEGIN CERTIFICATE-----") && !text.contains("PRIVATE KEY");
    // The message does not repeat the text, which may contain a key.
    if is_pem { Ok(text) } else { Err("is not a certificate in PEM".to_owned()) }
}

fn address(text: &str) -> Result<Url, String> {
    // The message does not repeat the text, which may contain a password.
    let wrong = "is not an address; write http://host:port or https://host";
    let url = Url::parse(text).map_err(|error| format!("{wrong} ({error})"))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web { Ok(url) } else { Err(wrong.to_owned()) }
}

/// Returns an address without its password and its query.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    if url.password().is_some() {
        // Only a URL without a host cannot have a password.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 3] = [
        (DEFINITIONS, "s3://definitions/prefix"),
        (TOPIC, "arn:aws:sns:eu-central-1:123456789012:notices"),
        (REGION, "eu-central-1"),
    ];

    fn read(more: &[(&str, &str)]) -> Result<Environment, Vec<String>> {
        let find = |name: &str| {
            let given = more.iter().chain(&GOOD).find(|(variable, _)| *variable == name);
            given.map(|(_, value)| (*value).to_owned())
        };
        Environment::read(find).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn refused(more: &[(&str, &str)]) -> Vec<String> {
        read(more).err().expect("the environment is refused")
    }

    #[test]
    fn all_problems_come_at_once() {
        let problems = refused(&[
            (DEFINITIONS, "definitions"),
            (TOPIC, "arn:aws:sqs:eu-central-1:123456789012:notices"),
            (DROP_BUCKET, "s3://drop"),
            (TIME_LIMIT, "15 minutes"),
            (REGION, ""),
            (LOG, "a=b=c"),
            (ENDPOINT, "localhost"),
            ("AWS_ENDPOINT_URL_SNS", "ftp://me:hush@example.com"),
            (KEY_SECRET, "hush"),
            (AUTHORITY, "-----BEGIN EC PRIVATE KEY-----hush"),
        ]);
        let of =
            |name: &str| problems.iter().filter(|problem| problem.starts_with(&format!("{name}: "))).count();
        for (name, _) in VARIABLES {
            let is_wrong =
                !matches!(name, "AWS_ENDPOINT_URL_S3" | "AWS_ENDPOINT_URL_DATA_PIPELINE" | KEY_SECRET);
            assert_eq!(of(name), usize::from(is_wrong), "{name}: {problems:#?}");
        }
        assert_eq!(problems.len(), 10, "{problems:#?}");
        assert!(!problems.concat().contains("hush"), "{problems:#?}");
    }

    #[test]
    fn a_variable_without_a_value_is_not_set() {
        assert_eq!(
            refused(&[(DEFINITIONS, " "), (TOPIC, "")]),
            [
                "DEFINITIONS_S3_URI: is not set; write the home of the definitions, s3://bucket or s3://bucket/prefix",
                "NOTIFY_TOPIC_ARN: is not set; write the ARN of the topic for notices, arn:aws:sns:REGION:ACCOUNT:NAME"
            ]
        );
        let environment = read(&[(DROP_BUCKET, ""), (TIME_LIMIT, ""), (LOG, "")]).expect("a configuration");
        assert_eq!(environment.config().lease, Duration::from_secs(915));
        assert_eq!(environment.config().drop_bucket, None);
    }

    #[test]
    fn the_description_hides_passwords() {
        let url = "https://me:hush@pipelines.example.com/?key=hush";
        let environment = read(&[(ENDPOINT, url), ("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9")]);
        let environment = environment.expect("a configuration");
        let described = environment.described();
        assert!(described.contains("S3             https://me:***@pipelines.example.com/\n"), "{described}");
        assert!(described.contains("SNS            http://127.0.0.1:9/\n"), "{described}");
        assert!(!described.contains("hush"), "{described}");
        assert!(environment.has_own_s3() && !read(&[]).expect("a configuration").has_own_s3());
    }
}
