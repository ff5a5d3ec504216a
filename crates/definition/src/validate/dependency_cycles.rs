//! Objects that would wait for each other for ever.

use super::{cycles::cycles, findings::Findings, subject::Subject};
use crate::kind::Kind;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for cycle in cycles(waits(subject)) {
        let cycle: Vec<_> = cycle.into_iter().map(|index| &subject.objects()[index]).collect();
        let quoted: Vec<_> = cycle.iter().map(|object| format!("'{}'", object.id())).collect();
        let message = format!("objects wait for each other in a circle: {} and again", quoted.join(", "));
        // The field to look at: `dependsOn` where there is one.
        let stated = cycle.iter().find(|object| object.reference("dependsOn").is_some());
        let field = stated.map(|_| "dependsOn");
        findings.error(stated.unwrap_or(&cycle[0]).id(), field, "DEPENDENCY_CYCLE", message);
    }
}

/// The places of the objects that each object waits for: an activity for what it depends on and for its inputs, a data
/// node for who writes it.
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
