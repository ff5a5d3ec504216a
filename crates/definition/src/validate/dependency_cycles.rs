//! Finds objects that wait for each other for ever.

use super::{checked_definition::CheckedDefinition, cycles::cycles, problems::Problems};
use crate::publication::waits;

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for cycle in cycles(waits(checked.inheritance())) {
        let cycle: Vec<_> = cycle.into_iter().map(|index| &checked.objects()[index]).collect();
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
