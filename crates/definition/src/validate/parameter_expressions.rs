//! Checks the expressions in the values of parameters: whether they can be parsed, and whether the parameters that they name
//! exist and do not use each other in a cycle.
//!
//! A value can also use fields of the object whose text uses the parameter; the check of the texts checks these names.

use foldhash::HashMap;

use super::{
    INVALID_VALUE, UNKNOWN_PARAMETER, checked_definition::CheckedDefinition, cycles::cycles,
    expressions::wrong_calls, problems::Problems,
};
use crate::{ObjectId, expression::Name, parameters::MAX_NESTING};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    let ids = checked.computed_parameters();
    let indices: HashMap<&str, usize> = ids.iter().enumerate().map(|(index, id)| (*id, index)).collect();
    let mut needs = vec![Vec::new(); ids.len()];
    for (index, id) in ids.iter().enumerate() {
        for text in checked.parameters.values(id) {
            value(checked, id, text, problems);
            if let Ok(template) = &checked.read(text).template {
                let single = |path: &[Name<'_>]| match path {
                    [name] => indices.get(name.as_ref()).copied(),
                    _ => None,
                };
                needs[index].extend(template.names().into_iter().filter_map(single));
            }
        }
    }
    let cycles = cycles(needs.clone());
    for cycle in &cycles {
        let quoted: Vec<_> = cycle.iter().map(|index| format!("'{}'", ids[*index])).collect();
        let first = ids[cycle[0]];
        let message =
            format!("parameters use each other in a cycle: {}, then '{first}' again", quoted.join(", "));
        problems.error(&ObjectId::from(first), None, INVALID_VALUE, message);
    }
    if cycles.is_empty() {
        long_chains(ids, &needs, problems);
    }
}

/// Checks one value of the parameter `id`.
fn value<'a>(checked: &CheckedDefinition<'a>, id: &str, text: &'a str, problems: &mut Problems) {
    let about = ObjectId::from(id);
    let read = checked.read(text);
    let template = match &read.template {
        Ok(template) => template,
        Err(error) => {
            let message = format!(
                "the value of the parameter '{id}' contains an expression that cannot be parsed, {error}; write \
                 #{{'#' + '{{'}} for the characters #{{ themselves"
            );
            problems.error(&about, None, INVALID_VALUE, message);
            return;
        }
    };
    for (message, _) in
        wrong_calls(template, || format!("the value of the parameter '{id}'"), &mut problems.hints)
    {
        problems.error(&about, None, INVALID_VALUE, message);
    }
    for path in template.names() {
        let [name] = path else { continue };
        let is_own = name.starts_with("my") || name.starts_with('*');
        if !is_own || checked.is_parameter(name) || checked.objects().iter().any(|object| object.has(name)) {
            continue;
        }
        if !problems.is_first_use(name) {
            continue;
        }
        let declared = checked.definition.parameters.iter().map(|parameter| parameter.id.as_str());
        let hint = problems.hints.hint(name, declared);
        let message = format!(
            "the value of the parameter '{id}' uses '{name}', which is neither a parameter nor a field of an \
             object{hint}: declare it under 'parameters'"
        );
        problems.error(&about, None, UNKNOWN_PARAMETER, message);
    }
}

/// Refuses chains of more than [`MAX_NESTING`] parameters, because an evaluation would end in the middle of them.
fn long_chains(ids: &[&str], needs: &[Vec<usize>], problems: &mut Problems) {
    // The length of the longest chain that begins with each parameter. Each round finds chains that are longer by one.
    let mut lengths = vec![1_u8; ids.len()];
    for _ in 0..MAX_NESTING {
        let next = needs.iter().map(|needs| {
            let longest = needs.iter().map(|need| lengths[*need]).max();
            longest.map_or(1, |longest| longest + 1)
        });
        lengths = next.collect();
    }
    for (id, _) in ids.iter().zip(lengths).filter(|(_, length)| *length > MAX_NESTING) {
        let message = format!(
            "the value of the parameter '{id}' begins a chain of more than {MAX_NESTING} parameters, each of which uses the \
             next; write the values of some of them out"
        );
        problems.error(&ObjectId::from(*id), None, INVALID_VALUE, message);
    }
}
