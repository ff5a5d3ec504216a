//! Finds declared objects and parameters that have no effect.

use super::{UNUSED, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    ObjectId,
    inherit::{DEFAULT_ID, Resolved},
    kind::Kind,
};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    parameters(checked, problems);
    objects(checked, problems);
}

fn parameters(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    let ids = checked.definition.parameters.iter().map(|parameter| parameter.id.as_str());
    for id in ids.filter(|id| !checked.used_names().contains_parameter(id)) {
        let message = format!(
            "no field uses the parameter '{id}': write #{{{id}}} in a field, or remove the parameter"
        );
        problems.warning(&ObjectId::from(id), Some("id"), UNUSED, message);
    }
}

/// Warns of objects to which neither an activity nor the Default object refers, directly or through other objects. No run
/// uses them.
fn objects(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    // In a definition without activities every object would be unused, and one warning for each of them would
    // not help.
    if !checked.typed().any(|(object, kind)| kind.is_activity() && *object.id() != DEFAULT_ID) {
        return;
    }
    let is_root = |(object, kind): &(&Resolved<'_>, Option<Kind>)| {
        *object.id() == DEFAULT_ID || kind.is_some_and(Kind::is_activity)
    };
    let mut is_met: Vec<bool> = checked.with_kinds().map(|object| is_root(&object)).collect();
    let mut open: Vec<usize> = (0..is_met.len()).filter(|index| is_met[*index]).collect();
    while let Some(index) = open.pop() {
        for next in checked.objects()[index].targets().filter_map(|target| checked.index(target)) {
            if !std::mem::replace(&mut is_met[next], true) {
                open.push(next);
            }
        }
    }
    for (object, _) in checked.objects().iter().zip(is_met).filter(|(_, is_met)| !is_met) {
        let id = object.id();
        let message = format!("no activity leads to '{id}', so it has no effect: refer to it, or remove it");
        problems.warning(id, None, UNUSED, message);
    }
}
