//! What nobody writes by hand: the parser, the checks and the evaluator bear any input, and soon have done.
//!
//! No times are asserted; what hangs here was quadratic or worse.

mod expressions;
mod files;
mod generated;

use definition::diagnosis::{Diagnosis, OutsideValues, diagnose};
use definition::graph::{RunOrder, to_dot, to_mermaid, to_svg};
use definition::render::render;

const MEGABYTE: usize = 1 << 20;
/// So many that what is quadratic takes seconds, and all else a moment.
const MANY: usize = 3_000;

/// Puts everything that reads a definition file to work on `text`.
fn everything(text: &str) -> Diagnosis {
    let diagnosis = diagnose(text, OutsideValues::default());
    let definition = &diagnosis.definition;
    let rendered = render(definition, &[], None);
    let order = RunOrder::of(definition);
    let pictures = [to_svg(&order), to_dot(&order), to_mermaid(&order)];
    assert!(pictures.iter().all(|picture| !picture.is_empty()));
    assert!(rendered.objects.len() <= definition.objects.len());
    diagnosis
}

/// The codes that were told, and how often.
fn told(diagnosis: &Diagnosis, code: &str) -> usize {
    diagnosis.findings.iter().filter(|finding| finding.code == code).count()
}

fn objects(objects: impl IntoIterator<Item = String>) -> String {
    let objects: Vec<String> = objects.into_iter().collect();
    format!(r#"{{"objects": [{}]}}"#, objects.join(","))
}
