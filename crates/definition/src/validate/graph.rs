//! Objects that would wait for each other for ever.

use std::collections::{HashMap, HashSet};

use super::{findings::Findings, subject::Subject};
use crate::{ObjectId, PipelineObject, kind::Kind};

/// Whom each object waits for.
type Waits<'a> = HashMap<&'a ObjectId, HashSet<&'a ObjectId>>;

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    let mut waits = waits(subject);
    loop {
        settle(&mut waits);
        let Some(circle) = circle(&waits, &subject.resolved) else { return };
        let quoted: Vec<_> = circle.iter().map(|id| format!("'{id}'")).collect();
        let message = format!("objects wait for each other in a circle: {} and again", quoted.join(", "));
        // The field to look at: `dependsOn` where there is one.
        let stated =
            circle.iter().find(|id| subject.object(id).is_some_and(|it| it.reference("dependsOn").is_some()));
        let field = stated.map(|_| "dependsOn");
        findings.error(stated.unwrap_or(&circle[0]), field, "DEPENDENCY_CYCLE", message);
        waits.retain(|id, _| !circle.contains(id));
    }
}

/// An activity waits for what it depends on and for its inputs, a data node for who writes it.
fn waits<'a>(subject: &'a Subject<'_>) -> Waits<'a> {
    let mut waits = Waits::new();
    for (object, kind) in subject.typed().filter(|(_, kind)| kind.is_runnable()) {
        let own: &mut HashSet<_> = waits.entry(&object.id).or_default();
        own.extend(object.references("dependsOn"));
        if kind.is_activity() {
            own.extend(object.references("input"));
            for node in object.references("output").filter(|node| is_node(subject, node)) {
                waits.entry(node).or_default().insert(&object.id);
            }
        }
    }
    waits
}

fn is_node(subject: &Subject<'_>, id: &ObjectId) -> bool {
    subject.object(id).and_then(Kind::of).is_some_and(Kind::is_data_node)
}

/// Takes away, again and again, whoever waits for nobody that is left.
fn settle(waits: &mut Waits<'_>) {
    loop {
        let free: Vec<ObjectId> = waits
            .iter()
            .filter(|(_, on)| !on.iter().any(|id| waits.contains_key(id)))
            .map(|(id, _)| (*id).clone())
            .collect();
        if free.is_empty() {
            return;
        }
        for id in &free {
            waits.remove(id);
        }
    }
}

/// Follows the waiting from the first object that is left until one is met again.
fn circle(waits: &Waits<'_>, order: &[PipelineObject]) -> Option<Vec<ObjectId>> {
    let mut at = order.iter().map(|object| &object.id).find(|id| waits.contains_key(id))?;
    let mut met: Vec<ObjectId> = Vec::new();
    loop {
        if let Some(begin) = met.iter().position(|id| id == at) {
            return Some(met.split_off(begin));
        }
        met.push(at.clone());
        let on = waits.get(at)?;
        at = order.iter().map(|object| &object.id).find(|id| on.contains(id) && waits.contains_key(id))?;
    }
}
