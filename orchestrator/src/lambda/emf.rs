//! Metrics in the embedded metric format: CloudWatch makes metrics of such lines of the log.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::metrics::Metrics;

/// The namespace of the metrics.
const NAMESPACE: &str = "Downspout";
/// The most values of one metric that CloudWatch takes from a line.
const MOST_VALUES: usize = 100;

/// Returns the lines for the metrics of one invocation.
pub(super) fn lines(metrics: &Metrics, function: &str, request_id: &str, now: Timestamp) -> Vec<String> {
    let counts = [
        ("RunsStarted", metrics.runs_started),
        ("Duplicates", metrics.duplicates),
        ("Deferred", metrics.deferred),
        ("Failures", metrics.failures),
    ];
    let mut waits = metrics.event_to_activation_ms.chunks(MOST_VALUES);
    let counts = counts.iter().map(|(name, count)| (*name, "Count", json!(count))).collect();
    let wait = |waits: &[u64]| ("EventToActivation", "Milliseconds", json!(waits));
    let mut first: Vec<(&str, &str, Value)> = counts;
    first.extend(waits.next().map(wait));
    let rest = waits.map(|waits| vec![wait(waits)]);
    let line = |metrics: Vec<(&str, &str, Value)>| {
        let described = metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit}));
        let mut line = json!({
            "_aws": {
                "Timestamp": now.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["function"]],
                    "Metrics": described.collect::<Vec<_>>(),
                }],
            },
            "function": function,
            "requestId": request_id,
        });
        for (name, _, value) in metrics {
            line[name] = value;
        }
        line.to_string()
    };
    std::iter::once(first).chain(rest).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(metrics: &Metrics) -> Vec<Value> {
        let lines = lines(metrics, "orders", "r-1", Timestamp::UNIX_EPOCH);
        lines.iter().map(|line| serde_json::from_str(line).expect("JSON on one line")).collect()
    }

    #[test]
    fn every_described_metric_has_its_value() {
        let metrics =
            Metrics { runs_started: 1, failures: 2, event_to_activation_ms: vec![25], ..Metrics::default() };
        let lines = read(&metrics);
        let described = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        let values: Vec<_> = described
            .as_array()
            .expect("a list")
            .iter()
            .map(|metric| lines[0][metric["Name"].as_str().expect("a name")].to_string())
            .collect();
        assert_eq!(values, ["1", "0", "0", "2", "[25]"]);
        assert_eq!((lines.len(), &lines[0]["requestId"]), (1, &json!("r-1")));
    }

    #[test]
    fn a_line_has_no_more_values_than_cloudwatch_takes() {
        let metrics = Metrics { event_to_activation_ms: (0..250).collect(), ..Metrics::default() };
        let counts = read(&metrics);
        let counts = counts.iter().map(|line| line["EventToActivation"].as_array().map_or(0, Vec::len));
        assert_eq!(counts.collect::<Vec<_>>(), [100, 100, 50]);
        assert!(read(&Metrics::default())[0].get("EventToActivation").is_none());
    }
}
