//! Warns of secrets that other people can read.

use foldhash::HashSet;

use super::{checked_definition::CheckedDefinition, problems::Problems};
use crate::{FieldValue, ObjectId, PipelineObject, expression};

const CODE: &str = "CLEAR_SECRET";
/// Parts of names that people give to secrets.
const TELLING: [&str; 4] = ["password", "passwd", "secret", "token"];

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for parameter in &checked.definition.parameters {
        let id = parameter.id.as_str();
        let lower = id.to_ascii_lowercase();
        // The name of a secret is not a secret.
        let is_name = lower.ends_with("passwordsecret");
        if !id.starts_with('*') && !is_name && TELLING.iter().any(|word| lower.contains(word)) {
            let message = format!("'{id}' looks like a secret: name it '*{id}' to mask its value everywhere");
            problems.warning(&ObjectId::from(id), Some("id"), CODE, message);
        }
    }
    for object in &checked.definition.objects {
        fields(checked, object, problems);
    }
    problems.clear_position();
}

fn fields<'a>(checked: &CheckedDefinition<'a>, object: &'a PipelineObject, problems: &mut Problems) {
    for field in &object.fields {
        let FieldValue::String(text) = &field.value else { continue };
        let key = field.key.as_str();
        let message = if field.key.is_secret() {
            secret(checked, key, text)
        } else if expression::is_in(text) {
            clear(checked, key, text)
        } else if key == "connectionString" && text.to_ascii_lowercase().contains("password=") {
            Some(
                "'connectionString' contains a password, which everybody who reads the file sees: use '*password'"
                    .to_owned(),
            )
        } else {
            None
        };
        if let Some(message) = message {
            problems.warning(&object.id, Some(key), CODE, message);
        }
    }
}

fn secret<'a>(checked: &CheckedDefinition<'a>, key: &str, text: &'a str) -> Option<String> {
    if !expression::is_in(text) {
        return Some(format!(
            "everybody who reads the file sees the value of '{key}': declare a parameter such as '*myPassword', write \
             #{{*myPassword}} here, and give its value at activation"
        ));
    }
    let read = checked.read(text);
    let names = read.template.as_ref().ok()?.names();
    let open = names.iter().find_map(|path| match path {
        [name] if name.starts_with("my") => Some(name),
        _ => None,
    })?;
    Some(format!("'{key}' takes its value from '{open}', which is not a secret: name it '*{open}'"))
}

/// Returns a warning if `text`, the value of the ordinary field `key`, uses a secret: workers receive the
/// field's value unmasked. Returns `None` if `text` uses no secret or cannot be parsed.
fn clear<'a>(checked: &CheckedDefinition<'a>, key: &str, text: &'a str) -> Option<String> {
    // Only a name with a `*` is a secret, in the text itself or in the value of a parameter.
    if checked.computed_parameters().is_empty() && !text.contains('*') {
        return None;
    }
    let secret = secret_in(checked, text, &mut HashSet::default())?;
    Some(format!(
        "'{key}' uses the secret '{secret}', but is not a secret field itself: workers receive it unmasked"
    ))
}

/// Returns the first secret that `text` uses, also by the values of parameters. `seen` has the parameters that were looked through:
/// parameters may use each other in a cycle, which is an error of its own.
fn secret_in<'a>(
    checked: &CheckedDefinition<'a>,
    text: &'a str,
    seen: &mut HashSet<&'a str>,
) -> Option<String> {
    let read = checked.read(text);
    let names = read.template.as_ref().ok()?.names();
    names.iter().find_map(|path| match path.last() {
        Some(name) if name.starts_with('*') => Some(name.to_string()),
        Some(name) if path.len() == 1 => {
            let computed = checked.computed_parameters().iter().find(|id| ***id == **name)?;
            if !seen.insert(computed) {
                return None;
            }
            let values = checked.parameters.values(computed);
            values.iter().find_map(|value| secret_in(checked, value, seen))
        }
        _ => None,
    })
}
