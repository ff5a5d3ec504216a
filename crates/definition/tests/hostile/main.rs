//! Hostile input: the parser, validation and evaluation must accept any input without panic and finish soon.
//!
//! The tests do not measure time. A test that hangs has found an algorithm that is quadratic or worse.

mod expressions;
mod files;
mod generated;

use definition::diagnosis::{Diagnosis, OutsideValues, diagnose};
use definition::graph::{RunOrder, to_dot, to_mermaid, to_svg};
use definition::render::render;

const MEGABYTE: usize = 1 << 20;
/// With this many parts, a quadratic algorithm takes seconds, and a faster algorithm takes milliseconds.
const MANY: usize = 3_000;

/// Calls everything that reads a definition file with `text`.
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

/// Returns how many findings have the code.
fn count(diagnosis: &Diagnosis, code: &str) -> usize {
    diagnosis.findings.iter().filter(|finding| finding.code == code).count()
}

fn objects(objects: impl IntoIterator<Item = String>) -> String {
    let objects: Vec<String> = objects.into_iter().collect();
    format!(r#"{{"objects": [{}]}}"#, objects.join(","))
}
