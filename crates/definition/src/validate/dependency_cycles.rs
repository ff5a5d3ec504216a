//! Finds objects that wait for each other for ever.

use super::{cycles::cycles, problems::Problems, subject::Subject};
use crate::kind::Kind;

pub(super) fn check(subject: &Subject<'_>, problems: &mut Problems) {
    for cycle in cycles(waits(subject)) {
        let cycle: Vec<_> = cycle.into_iter().map(|index| &subject.objects()[index]).collect();
        let quoted: Vec<_> = cycle.iter().map(|object| format!("'{}'", object.id())).collect();
        let message = format!(
            "objects wait for each other in a cycle: {}, then '{}' again",
            quoted.join(", "),
            cycle[0].id()
        );
        // The problem is shown at a `dependsOn` field if the cycle has one.
        let stated = cycle.iter().find(|object| object.reference("dependsOn").is_some());
        let field = stated.map(|_| "dependsOn");
        problems.error(stated.unwrap_or(&cycle[0]).id(), field, "DEPENDENCY_CYCLE", message);
    }
}

/// Returns, for each object, the indices of the objects that it waits for.
///
/// An object that is executed waits for the objects in its `dependsOn`. An activity also waits for its inputs,
/// and a data node for the activities that write it.
fn waits(subject: &Subject<'_>) -> Vec<Vec<usize>> {
    let mut waits = vec![Vec::new(); subject.objects().len()];
    for (index, (object, kind)) in subject.with_kinds().enumerate() {
        let Some(kind) = kind.filter(|kind| kind.is_runnable()) else { continue };
        let targets = |key| object.references(key).filter_map(|target| subject.index(target));
        waits[index].extend(targets("dependsOn"));
        if kind.is_activity() {
            waits[index].extend(targets("input"));
            for node in
                targets("output").filter(|node| subject.kind_at(*node).is_some_and(Kind::is_data_node))
            {
                waits[node].push(index);
            }
        }
    }
    waits
}
