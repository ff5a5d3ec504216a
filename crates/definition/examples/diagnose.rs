//! Prints everything that is wrong with a definition file, as a compiler prints its errors.
//!
//! ```sh
//! cargo run -p definition --example diagnose -- pipeline-definitions/orders.json
//! ```

use std::io::{self, Write as _};
use std::process::ExitCode;

use definition::diagnosis::{Finding, OutsideValues, diagnose};

fn main() -> io::Result<ExitCode> {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: diagnose FILE");
        return Ok(ExitCode::from(2));
    };
    let text = std::fs::read_to_string(&path)?;
    // Without outside values, each parameter that has no value in the file causes a warning.
    let diagnosis = diagnose(&text, OutsideValues::default());
    let mut out = io::stdout().lock();
    for finding in &diagnosis.findings {
        writeln!(out, "{}", line(&path, finding))?;
    }
    let errors = diagnosis.errors().count();
    writeln!(out, "{errors} errors, {} warnings", diagnosis.findings.len() - errors)?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns `FILE:LINE:COLUMN: error: OBJECT.FIELD: message [CODE]`.
fn line(path: &str, finding: &Finding) -> String {
    // Some findings have no position: too many objects, for example.
    let position = finding.span.map(|span| format!(":{}:{}", span.at.line, span.at.column));
    let severity = if finding.is_error { "error" } else { "warning" };
    // A file that is not JSON has no objects.
    let object = finding.object.as_ref().map(|id| id.as_str());
    let field = finding.field.as_ref().map(|key| key.as_str());
    let subject: Vec<&str> = object.into_iter().chain(field).collect();
    let subject = if subject.is_empty() { String::new() } else { format!("{}: ", subject.join(".")) };
    format!(
        "{path}{}: {severity}: {subject}{} [{}]",
        position.unwrap_or_default(),
        finding.message,
        finding.code
    )
}
