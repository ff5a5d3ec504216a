//! Counts events of the service, and writes the numbers in the text form of Prometheus.
//!
//! Every metric begins with `downspout_`. Worker groups are labels, because people name them; ids of pipelines are not,
//! because there is no limit to their number.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The upper limits of the histograms in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// The numbers since the start of the process.
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    request_time: Family<OperationLabels, Histogram>,
    saves: Family<ResultLabels, Counter>,
    save_time: Histogram,
    runs: Family<OutcomeLabels, Counter>,
    attempts: Family<StatusLabels, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    /// `ok`, or the name of the exception.
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GroupLabels {
    account: String,
    worker_group: String,
}

/// The attempts of an account that wait for runners of one worker group.
pub(crate) struct WaitingGroup {
    pub(crate) account: String,
    pub(crate) group: String,
    pub(crate) attempts: u64,
    pub(crate) oldest: Timestamp,
}

/// The task runners of an account that wait for work of one worker group.
pub(crate) struct PolledGroup {
    pub(crate) account: String,
    pub(crate) group: String,
    pub(crate) pollers: usize,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_time: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            saves: Family::default(),
            save_time: Histogram::new(SECONDS),
            runs: Family::default(),
            attempts: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts a request. `time` is `None` for a long poll, whose time says nothing about the service.
    pub(crate) fn count_request(
        &self,
        operation: &'static str,
        result: &'static str,
        time: Option<Duration>,
    ) {
        self.requests.get_or_create(&RequestLabels { operation, result }).inc();
        if let Some(time) = time {
            self.request_time.get_or_create(&OperationLabels { operation }).observe(time.as_secs_f64());
        }
    }

    /// Counts a save of a change.
    pub(crate) fn count_save(&self, result: &'static str, time: Duration) {
        self.saves.get_or_create(&ResultLabels { result }).inc();
        self.save_time.observe(time.as_secs_f64());
    }

    /// Counts a run that has ended.
    pub(crate) fn count_run(&self, outcome: &'static str) {
        self.runs.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts an attempt that has ended.
    pub(crate) fn count_attempt(&self, status: &'static str) {
        self.attempts.get_or_create(&StatusLabels { status }).inc();
    }

    /// Returns all numbers in the text form of OpenMetrics, with those of the waiting attempts and pollers at `now`.
    pub(crate) fn text(
        &self,
        waiting: &[WaitingGroup],
        polled: &[PolledGroup],
        now: Timestamp,
    ) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("downspout");
        registry.register("requests", "Requests, by operation and result", self.requests.clone());
        registry.register(
            "request_seconds",
            "Time to answer a request, without long polls",
            self.request_time.clone(),
        );
        registry.register("saves", "Changes saved, by result", self.saves.clone());
        registry.register("save_seconds", "Time to save a change", self.save_time.clone());
        registry.register("runs", "Runs that have ended, by outcome", self.runs.clone());
        registry.register("attempts", "Attempts that have ended, by status", self.attempts.clone());
        let (counts, ages) =
            (Family::<GroupLabels, Gauge>::default(), Family::<GroupLabels, Gauge>::default());
        for group in waiting {
            let labels = GroupLabels { account: group.account.clone(), worker_group: group.group.clone() };
            counts.get_or_create(&labels).set(i64::try_from(group.attempts).unwrap_or(i64::MAX));
            ages.get_or_create(&labels).set(now.duration_since(group.oldest).as_secs().max(0));
        }
        registry.register("waiting_attempts", "Attempts that wait for a task runner", counts);
        registry.register(
            "oldest_waiting_attempt_seconds",
            "Age of the attempt that has waited longest for a task runner",
            ages,
        );
        let pollers = Family::<GroupLabels, Gauge>::default();
        for PolledGroup { account, group, pollers: count } in polled {
            let labels = GroupLabels { account: account.clone(), worker_group: group.clone() };
            pollers.get_or_create(&labels).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        registry.register("pollers", "Task runners that wait for work at this server", pollers);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_line() {
        let metrics = Metrics::default();
        metrics.count_request("ListPipelines", "ok", Some(Duration::from_millis(3)));
        metrics.count_request("PollForTask", "ThrottlingException", None);
        metrics.count_save("ok", Duration::from_millis(1));
        metrics.count_run("FINISHED");
        metrics.count_attempt("FINISHED");
        let waiting = WaitingGroup {
            account: "000000000000".to_owned(),
            group: "a \"group\"".to_owned(),
            attempts: 2,
            oldest: Timestamp::UNIX_EPOCH,
        };
        let now = Timestamp::from_second(90).expect("a time");
        let polled = PolledGroup { account: "1".to_owned(), group: "g".to_owned(), pollers: 3 };
        let text = metrics.text(&[waiting], &[polled], now).expect("writes");
        for line in [
            r#"downspout_requests_total{operation="ListPipelines",result="ok"} 1"#,
            r#"downspout_requests_total{operation="PollForTask",result="ThrottlingException"} 1"#,
            r#"downspout_request_seconds_count{operation="ListPipelines"} 1"#,
            r#"downspout_saves_total{result="ok"} 1"#,
            "downspout_save_seconds_count 1",
            r#"downspout_pollers{account="1",worker_group="g"} 3"#,
            r#"downspout_runs_total{outcome="FINISHED"} 1"#,
            r#"downspout_attempts_total{status="FINISHED"} 1"#,
            r#"downspout_waiting_attempts{account="000000000000",worker_group="a \"group\""} 2"#,
            r#"downspout_oldest_waiting_attempt_seconds{account="000000000000",worker_group="a \"group\""} 90"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
        assert!(!text.contains(r#"request_seconds_count{operation="PollForTask""#), "{text}");
    }
}
