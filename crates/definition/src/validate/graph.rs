//! Objects that would wait for each other for ever.

use super::{
    circle::{Needs, circles},
    findings::Findings,
    subject::Subject,
};
use crate::{ObjectId, inherit::Resolved, kind::Kind};

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let order: Vec<&ObjectId> = subject.objects().iter().map(Resolved::id).collect();
    for circle in circles(&waits(subject), &order) {
        let quoted: Vec<_> = circle.iter().map(|id| format!("'{id}'")).collect();
        let message = format!("objects wait for each other in a circle: {} and again", quoted.join(", "));
        // The field to look at: `dependsOn` where there is one.
        let depends =
            |id: &&&ObjectId| subject.object(id).is_some_and(|it| it.reference("dependsOn").is_some());
        let stated = circle.iter().find(depends);
        let field = stated.map(|_| "dependsOn");
        findings.error(stated.unwrap_or(&circle[0]), field, "DEPENDENCY_CYCLE", message);
    }
}

/// An activity waits for what it depends on and for its inputs, a data node for who writes it.
fn waits<'a>(subject: &Subject<'a>) -> Needs<&'a ObjectId> {
    let mut waits = Needs::default();
    for (object, kind) in subject.typed().filter(|(_, kind)| kind.is_runnable()) {
        let own = waits.entry(object.id()).or_default();
        own.extend(object.references("dependsOn"));
        if kind.is_activity() {
            own.extend(object.references("input"));
            for node in object.references("output").filter(|node| is_node(subject, node)) {
                waits.entry(node).or_default().insert(object.id());
            }
        }
    }
    waits
}

fn is_node(subject: &Subject<'_>, id: &ObjectId) -> bool {
    subject.kind(id).is_some_and(Kind::is_data_node)
}
