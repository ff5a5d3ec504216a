//! Finds declared objects and parameters that have no effect.

use foldhash::HashSet;

use super::{UNUSED, problems::Problems, subject::Subject};
use crate::{
    ObjectId,
    inherit::{DEFAULT_ID, Resolved},
    kind::Kind,
};

pub(super) fn check(subject: &Subject<'_>, problems: &mut Problems) {
    parameters(subject, problems);
    objects(subject, problems);
}

fn parameters(subject: &Subject<'_>, problems: &mut Problems) {
    let parameters = &subject.definition.parameters;
    let mut unused: HashSet<&str> = parameters.iter().map(|parameter| parameter.id.as_str()).collect();
    let of_fields = subject.objects().iter().flat_map(Resolved::stated_texts).map(|text| text.text);
    let of_values = subject.computed_parameters().iter().flat_map(|id| subject.parameters.values(id));
    for text in of_fields.chain(of_values.map(String::as_str)) {
        if let Ok(template) = &subject.read(text).template {
            template.each_path(&mut |path, _| _ = unused.remove(path[0].as_ref()));
        }
    }
    for id in parameters.iter().map(|parameter| parameter.id.as_str()).filter(|id| unused.contains(id)) {
        let message = format!(
            "no field uses the parameter '{id}': write #{{{id}}} in a field, or remove the parameter"
        );
        problems.warning(&ObjectId::from(id), Some("id"), UNUSED, message);
    }
}

/// Warns of objects to which neither an activity nor the Default object refers, directly or through other objects. No run
/// uses them.
fn objects(subject: &Subject<'_>, problems: &mut Problems) {
    // In a definition without activities every object would be unused, and one warning for each of them would
    // not help.
    if !subject.typed().any(|(object, kind)| kind.is_activity() && *object.id() != DEFAULT_ID) {
        return;
    }
    let is_root = |(object, kind): &(&Resolved<'_>, Option<Kind>)| {
        *object.id() == DEFAULT_ID || kind.is_some_and(Kind::is_activity)
    };
    let mut is_met: Vec<bool> = subject.with_kinds().map(|object| is_root(&object)).collect();
    let mut open: Vec<usize> = (0..is_met.len()).filter(|index| is_met[*index]).collect();
    while let Some(index) = open.pop() {
        for next in subject.objects()[index].targets().filter_map(|target| subject.index(target)) {
            if !std::mem::replace(&mut is_met[next], true) {
                open.push(next);
            }
        }
    }
    for (object, _) in subject.objects().iter().zip(is_met).filter(|(_, is_met)| !is_met) {
        let id = object.id();
        let message = format!("no activity leads to '{id}', so it has no effect: refer to it, or remove it");
        problems.warning(id, None, UNUSED, message);
    }
}
