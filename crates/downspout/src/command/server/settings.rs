//! The settings of the server: from flags, the environment, and a file.

use std::path::{Path, PathBuf};

use clap::Args;
use definition::period::Period;
use http_front::TlsFiles;
use server::{ACCOUNT_ID, KEEP_RUNS, Rate};
use store::Location;

use super::ec2::{self, Ec2Settings};
use crate::traces::Endpoint;

/// The address to listen on, unless a setting names one.
const LISTEN: &str = "127.0.0.1:4567";
/// The store, unless a setting names one.
const STORE: &str = "sqlite:pipelines.db";
/// The region, unless a setting names one.
const REGION: &str = "us-east-1";
/// The calls per second of each key, unless a setting says otherwise.
const CALLS_PER_SECOND: &str = "200";
/// How many seconds of calls may come at once.
const BURST_SECONDS: u32 = 2;

/// The settings as texts. A missing one has its default.
#[derive(Debug, Default, Args)]
pub(super) struct Settings {
    /// The address to listen on; port 0 takes a free port, which the server prints [default: 127.0.0.1:4567]
    #[arg(long, value_name = "HOST:PORT", env = "DOWNSPOUT_LISTEN")]
    listen: Option<String>,
    /// Where to keep pipelines, runs and notices: sqlite:PATH, or postgres://USER@HOST/DATABASE, which several servers may
    /// share. Put a URL with a password into DOWNSPOUT_STORE: every process of the machine can read command lines
    /// [default: sqlite:pipelines.db]
    #[arg(long, value_name = "sqlite:PATH or URL", env = "DOWNSPOUT_STORE", hide_env_values = true)]
    store: Option<String>,
    /// File of access keys, which `downspout keys` writes; a change takes effect within seconds. Without it, the only key is
    /// DOWNSPOUT_ACCESS_KEY_ID with DOWNSPOUT_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY
    #[arg(long, value_name = "FILE", env = "DOWNSPOUT_KEYS")]
    keys: Option<String>,
    /// PEM file with the certificate of the server and of its issuers; a change takes effect within seconds. Without it, the
    /// server speaks plain HTTP
    #[arg(long, value_name = "FILE", env = "DOWNSPOUT_TLS_CERTIFICATE")]
    tls_certificate: Option<String>,
    /// PEM file with the private key of the certificate
    #[arg(long, value_name = "FILE", env = "DOWNSPOUT_TLS_KEY")]
    tls_key: Option<String>,
    /// A name by which clients reach the server; may be repeated. Names other than localhost are refused without it, so that
    /// no page in a browser can call the server by a name that changes its address
    #[arg(long, value_name = "NAME")]
    host_name: Vec<String>,
    /// The region that clients sign for [default: us-east-1]
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    region: Option<String>,
    /// The account whose pipelines are in the store itself; further accounts of keys have a file or schema of their own
    /// beside it [default: 000000000000]
    #[arg(long, value_name = "ID", env = "DOWNSPOUT_ACCOUNT_ID")]
    account_id: Option<String>,
    /// How long to keep runs after their end. The newest run of each pipeline stays for ever, and so does a run in which an
    /// instance waits for a rerun [default: 90 days]
    #[arg(long, value_name = "PERIOD", env = "DOWNSPOUT_KEEP_RUNS")]
    keep_runs: Option<String>,
    /// Calls per second that each key may make; more get ThrottlingException. 0 sets no limit [default: 200]
    #[arg(long, value_name = "NUMBER", env = "DOWNSPOUT_CALLS_PER_SECOND")]
    calls_per_second: Option<String>,
    /// The address where Prometheus finds /metrics, without signatures; off without it
    #[arg(long, value_name = "HOST:PORT", env = "DOWNSPOUT_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// The collector that gets traces by OTLP over HTTP, in protobuf; off without it. Headers for the collector, such as a
    /// key, come from OTEL_EXPORTER_OTLP_HEADERS
    #[arg(long, value_name = "http://HOST:4318", env = "DOWNSPOUT_OTLP_ENDPOINT", hide_env_values = true)]
    pub(super) otlp_endpoint: Option<String>,
    /// Whether each call gets a line in the log: true or false [default: true]
    #[arg(long, value_name = "true or false", env = "DOWNSPOUT_ACCESS_LOG")]
    access_log: Option<String>,
    /// Whether to publish notices to SNS: true or false; false keeps them in the store [default: true]
    #[arg(long, value_name = "true or false", env = "DOWNSPOUT_SNS")]
    sns: Option<String>,
    #[command(flatten)]
    ec2: Ec2Settings,
}

/// The settings after their check.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) listen: String,
    pub(super) store: Location,
    pub(super) keys: Option<PathBuf>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) host_names: Vec<String>,
    pub(super) region: String,
    pub(super) account_id: String,
    pub(super) keep_runs: Period,
    pub(super) rate: Option<Rate>,
    pub(super) metrics_listen: Option<String>,
    pub(super) logs_access: bool,
    pub(super) publishes: bool,
    /// The machines for resources, if the server starts any.
    pub(super) ec2: Option<ec2::Checked>,
}

/// Reads the settings of a file. The error lists all problems.
pub(super) fn read(file: &Path) -> Result<Settings, Vec<String>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| vec![format!("{shown}: {error}")])?;
    // The message of the parser quotes a line, which may have a password.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        vec![format!("{shown}, line {line}: {}", error.message())]
    })?;
    let (mut settings, mut problems) = (Settings::default(), Vec::new());
    for (name, value) in table {
        if name == "host-name" {
            match names(&value) {
                Some(names) => settings.host_name = names,
                None => problems.push(format!("{shown}: host-name must be a text or a list of texts")),
            }
            continue;
        }
        let Some(setting) = settings.named(&name) else {
            problems.push(format!("{shown}: there is no setting {name:?}; see `downspout server --help`"));
            continue;
        };
        *setting = match value {
            toml::Value::String(text) => Some(text),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Boolean(flag) => Some(flag.to_string()),
            _ => {
                problems.push(format!("{shown}: {name} must be a text, a number, true or false"));
                None
            }
        };
    }
    if problems.is_empty() { Ok(settings) } else { Err(problems) }
}

fn names(value: &toml::Value) -> Option<Vec<String>> {
    let text = |value: &toml::Value| value.as_str().map(str::to_owned);
    match value {
        toml::Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|name| vec![name]),
    }
}

impl Settings {
    fn named(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "listen" => &mut self.listen,
            "store" => &mut self.store,
            "keys" => &mut self.keys,
            "tls-certificate" => &mut self.tls_certificate,
            "tls-key" => &mut self.tls_key,
            "region" => &mut self.region,
            "account-id" => &mut self.account_id,
            "keep-runs" => &mut self.keep_runs,
            "calls-per-second" => &mut self.calls_per_second,
            "metrics-listen" => &mut self.metrics_listen,
            "otlp-endpoint" => &mut self.otlp_endpoint,
            "access-log" => &mut self.access_log,
            "sns" => &mut self.sns,
            other => return self.ec2.named(other),
        })
    }

    /// Returns these settings, with those of `other` where one is missing.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            store: self.store.or(other.store),
            keys: self.keys.or(other.keys),
            tls_certificate: self.tls_certificate.or(other.tls_certificate),
            tls_key: self.tls_key.or(other.tls_key),
            host_name: if self.host_name.is_empty() { other.host_name } else { self.host_name },
            region: self.region.or(other.region),
            account_id: self.account_id.or(other.account_id),
            keep_runs: self.keep_runs.or(other.keep_runs),
            calls_per_second: self.calls_per_second.or(other.calls_per_second),
            metrics_listen: self.metrics_listen.or(other.metrics_listen),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            access_log: self.access_log.or(other.access_log),
            sns: self.sns.or(other.sns),
            ec2: self.ec2.or(other.ec2),
        }
    }

    /// Checks all settings. The error lists all problems.
    pub(super) fn check(self) -> Result<Checked, Vec<String>> {
        let mut problems = Problems::default();
        let store = self.store.as_deref().unwrap_or(STORE);
        // The error never quotes the URL, which may have a password.
        let store = problems.take("store", Location::parse(store).map_err(|error| error.to_string()));
        let account_id = self.account_id.unwrap_or_else(|| ACCOUNT_ID.to_owned());
        let is_account = server::is_account_id(&account_id);
        let wrong_account = || format!("{account_id:?} is not an account: write 12 digits");
        problems.take("account-id", is_account.then_some(()).ok_or_else(wrong_account));
        let keep_runs = self.keep_runs.as_deref().unwrap_or(KEEP_RUNS);
        let keep_runs =
            problems.take("keep-runs", Period::parse(keep_runs).map_err(|error| error.to_string()));
        let rate = self.calls_per_second.as_deref().unwrap_or(CALLS_PER_SECOND);
        let rate = problems.take("calls-per-second", rate_of(rate));
        // The exporter of traces belongs to the log, which has begun before this check.
        let otlp_endpoint = self.otlp_endpoint.as_deref().map(str::parse::<Endpoint>).transpose();
        problems.take("otlp-endpoint", otlp_endpoint.map_err(|error| error.to_string()));
        let logs_access = problems.take("access-log", flag(self.access_log.as_deref()));
        let publishes = problems.take("sns", flag(self.sns.as_deref()));
        let tls = problems.take("tls-certificate", tls(self.tls_certificate, self.tls_key));
        let region = self.region.unwrap_or_else(|| REGION.to_owned());
        let ec2 = self.ec2.check(&region).unwrap_or_else(|found| {
            problems.0.extend(found);
            None
        });
        match (store, keep_runs, rate, logs_access, publishes, tls) {
            (Some(store), Some(keep_runs), Some(rate), Some(logs_access), Some(publishes), Some(tls))
                if problems.0.is_empty() =>
            {
                Ok(Checked {
                    listen: self.listen.unwrap_or_else(|| LISTEN.to_owned()),
                    store,
                    keys: self.keys.map(PathBuf::from),
                    tls,
                    host_names: self.host_name,
                    region,
                    account_id,
                    keep_runs,
                    rate,
                    metrics_listen: self.metrics_listen,
                    logs_access,
                    publishes,
                    ec2,
                })
            }
            _ => Err(problems.0),
        }
    }
}

/// The problems that were found so far.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    /// Returns the value, or notes the problem of the setting.
    fn take<T>(&mut self, setting: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.0.push(format!("{setting}: {problem}"))).ok()
    }
}

fn rate_of(text: &str) -> Result<Option<Rate>, String> {
    let per_second: u32 =
        text.parse().map_err(|_| format!("{text:?} is not a number of calls; 0 sets no limit"))?;
    let burst = per_second.saturating_mul(BURST_SECONDS);
    Ok((per_second > 0).then_some(Rate { per_second, burst }))
}

fn flag(text: Option<&str>) -> Result<bool, String> {
    match text {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(format!("{other:?} is neither true nor false")),
    }
}

fn tls(certificate: Option<String>, key: Option<String>) -> Result<Option<TlsFiles>, String> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() }))
        }
        (Some(_), None) => Err("a certificate needs its private key: set tls-key too".to_owned()),
        (None, Some(_)) => Err("tls-key is set: set the certificate too".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Settings, Vec<String>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        let shown = file.path().display().to_string();
        read(file.path()).map_err(|problems| {
            problems.iter().map(|problem| problem.replace(&shown, "server.toml")).collect()
        })
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let from_file = file(
            "listen = '0.0.0.0:1'\nregion = 'eu-west-1'\ncalls-per-second = 7\nsns = false\nhost-name = 'a.example'",
        );
        let flags = Settings { listen: Some("127.0.0.1:2".to_owned()), ..Settings::default() };
        let checked = flags.or(from_file.expect("reads")).check().expect("is right");
        assert_eq!((checked.listen.as_str(), checked.region.as_str()), ("127.0.0.1:2", "eu-west-1"));
        assert_eq!(checked.rate, Some(Rate { per_second: 7, burst: 14 }));
        assert_eq!(checked.host_names, ["a.example"]);
        assert!(!checked.publishes && checked.logs_access);
        assert_eq!(checked.account_id, ACCOUNT_ID);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let problems = file("lisen = '1'\nkeys = ['a']\nhost-name = 5").expect_err("refused");
        let expected = [
            "server.toml: host-name must be a text or a list of texts",
            "server.toml: keys must be a text, a number, true or false",
            "server.toml: there is no setting \"lisen\"; see `downspout server --help`",
        ];
        let mut sorted = problems;
        sorted.sort();
        assert_eq!(sorted, expected);
        let text = "store = 'mysql://me:hidden@h/p'\naccount-id = '5'\nkeep-runs = 'soon'\n\
                    calls-per-second = 'many'\nsns = 'no'\ntls-key = 'k'\notlp-endpoint = 'http://me:hidden@h'";
        let problems = file(text).expect("reads").check().expect_err("refused");
        let names: Vec<_> = problems.iter().filter_map(|problem| problem.split(':').next()).collect();
        let expected = [
            "store",
            "account-id",
            "keep-runs",
            "calls-per-second",
            "otlp-endpoint",
            "sns",
            "tls-certificate",
        ];
        assert_eq!(names, expected);
        assert!(!problems.join(" ").contains("hidden"), "{problems:?}");
    }

    #[test]
    fn a_file_that_is_not_toml_is_reported_with_its_line() {
        let problems = file("listen = '1'\nstore = nonsense").expect_err("refused");
        assert!(problems[0].starts_with("server.toml, line 2: "), "{problems:?}");
    }
}
