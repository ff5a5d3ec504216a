//! Prints everything that is wrong with a definition file, as a compiler prints its errors.
//!
//! ```sh
//! cargo run -p definition --example diagnose -- pipeline-definitions/orders.json
//! ```

use std::process::ExitCode;

use definition::diagnosis::{Finding, OutsideValues, diagnose};

fn main() -> Result<ExitCode, std::io::Error> {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: diagnose FILE");
        return Ok(ExitCode::from(2));
    };
    let text = std::fs::read_to_string(&path)?;
    // No values but those in the file itself: a parameter without a value gives a warning.
    let diagnosis = diagnose(&text, OutsideValues::default());
    for finding in &diagnosis.findings {
        println!("{}", line(&path, finding));
    }
    let errors = diagnosis.errors().count();
    println!("{errors} errors, {} warnings", diagnosis.findings.len() - errors);
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns `file:line:column: error: object 'Id', field 'key': message [CODE]`.
fn line(path: &str, finding: &Finding) -> String {
    // A limit on the whole definition, for example, has no position.
    let position = finding.span.map(|span| format!(":{}:{}", span.at.line, span.at.column));
    let severity = if finding.is_error { "error" } else { "warning" };
    let object = finding.object.as_ref().map(|id| format!("object '{id}', "));
    let field = finding.field.as_ref().map(|key| format!("field '{key}': "));
    let [position, object, field] = [position, object, field].map(Option::unwrap_or_default);
    format!("{path}{position}: {severity}: {object}{field}{} [{}]", finding.message, finding.code)
}
