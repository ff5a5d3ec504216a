//! Definition files: everything that reads a file gets the bytes, and every readable definition is
//! written and read again.

use definition::diagnosis::{OutsideValues, diagnose};
use definition::file::{self, Part, Source};
use definition::graph::{RunOrder, to_dot, to_mermaid, to_svg};
use definition::render::render;
use definition::{Definition, ParameterValue};

/// Checks the bytes as a definition file.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = file::decode(bytes) else { return };
    let diagnosis = diagnose(text, OutsideValues::default());
    let definition = &diagnosis.definition;
    let rendered = render(definition, &[], None);
    for definition in [definition, &rendered] {
        let order = RunOrder::of(definition);
        let _ = (to_svg(&order), to_dot(&order), to_mermaid(&order));
    }
    let _ = file::parse_values(text);
    find_all(text, definition);
    if let Ok(read) = file::parse(text) {
        let written = file::to_json(&read);
        let again = file::parse(&written.to_string()).expect("what was read is written as a file");
        assert_eq!(in_order(read), again);
        assert_eq!(file::to_json(&again), written);
    }
}

/// Requests the positions that a caller may request: of each object, and of its first 100 fields.
fn find_all(text: &str, definition: &Definition) {
    let Ok(source) = Source::read(text) else { return };
    let index = source.index();
    for object in &definition.objects {
        let id = object.id.as_str();
        let _ = (index.again(id), index.value(id), index.find(id, None, Part::Key));
        for (number, field) in object.fields.iter().take(100).enumerate() {
            for part in [Part::Key, Part::Value(number), Part::Text(number, number * 7), Part::Text(0, 3)] {
                let found = index.find(id, Some(field.key.as_str()), part);
                assert!(found.is_some_and(|span| span.at.line >= 1 && span.at.column >= 1));
            }
        }
    }
}

/// Sorts a definition as a file does: fields by name, and the values of one parameter together.
fn in_order(mut definition: Definition) -> Definition {
    for object in &mut definition.objects {
        object.fields.sort_by(|one, other| one.key.cmp(&other.key));
    }
    for parameter in &mut definition.parameters {
        parameter.attributes.sort_by(|one, other| one.key.cmp(&other.key));
    }
    let mut values: Vec<ParameterValue> = Vec::new();
    for value in definition.values {
        let behind = values.iter().rposition(|other| other.id == value.id);
        values.insert(behind.map_or(values.len(), |at| at + 1), value);
    }
    Definition { values, ..definition }
}
