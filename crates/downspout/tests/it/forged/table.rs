//! The tables of requests.

use super::draft::{Draft, RequestKind};
use crate::endpoints::{SERVICES, Service};

/// One request to one endpoint, and the answer that it must get.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) service: Service,
    pub(super) status: u16,
    /// The error code; empty if the request is accepted.
    pub(super) code: String,
    kind: RequestKind,
    steps: Vec<String>,
}

impl Case {
    /// Returns the request.
    pub(super) fn draft(&self) -> Draft {
        self.steps.iter().fold(Draft::new(self.service, self.kind), |draft, step| draft.with(step))
    }
}

/// Reads a table. A row has these columns: name, kind of request, steps (with `&&` between them), and the answers of S3, Data
/// Pipeline and SNS. A dash stands for an endpoint that does not get the request.
pub(super) fn cases(table: &str) -> Vec<Case> {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.flat_map(row).collect()
}

fn row(line: &str) -> Vec<Case> {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [name, kind, steps, answers @ ..] = columns.as_slice() else { panic!("not a row: {line}") };
    assert_eq!(answers.len(), 3, "a row has six columns: {line}");
    let kind = RequestKind::named(kind).unwrap_or_else(|| panic!("no such kind of request: {line}"));
    let steps: Vec<String> =
        steps.split("&&").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect();
    let case = |(service, answer): (Service, &&str)| {
        let (status, code) = answer.split_once(' ').unwrap_or((answer, ""));
        let status = status.parse().unwrap_or_else(|_| panic!("no status: {line}"));
        let (name, code) = ((*name).to_owned(), code.to_owned());
        Case { name, service, status, code, kind, steps: steps.clone() }
    };
    SERVICES.into_iter().zip(answers).filter(|(_, answer)| **answer != "-").map(case).collect()
}
