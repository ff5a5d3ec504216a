//! Finds objects that would wait for more instances of another object at once than AWS allows.

use super::checked_definition::CheckedDefinition;
use super::problems::Problems;
use crate::inherit::Resolved;
use crate::period::Period;
use crate::{ObjectId, kind::Kind};

/// AWS's quota: how many instances with shorter intervals one instance may wait for.
const MAX_ROLL_UPS: u64 = 32;

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    if !checked.typed().any(|(_, kind)| kind == Kind::Schedule) {
        return;
    }
    for (object, _) in checked.typed().filter(|(_, kind)| kind.is_runnable()) {
        let Some(own) = period_of(checked, object) else { continue };
        for field in ["dependsOn", "input"] {
            for target in object.references(field) {
                roll_up(checked, (object, own), (field, target), problems);
            }
        }
    }
}

fn roll_up(
    checked: &CheckedDefinition<'_>,
    (object, own): (&Resolved<'_>, Period),
    (field, target): (&'static str, &ObjectId),
    problems: &mut Problems,
) {
    let Some(shorter) = checked.object(target).and_then(|target| period_of(checked, target)) else { return };
    let count = own.duration().as_secs() / shorter.duration().as_secs().max(1);
    if count > MAX_ROLL_UPS {
        let message = format!(
            "'{id}' runs every {own} and '{target}' every {shorter}, so '{id}' would wait for {count} instances at \
             once; at most {MAX_ROLL_UPS} are allowed",
            id = object.id()
        );
        problems.error(object.id(), Some(field), "LIMIT_EXCEEDED", message);
    }
}

/// Returns the period of the object's schedule, if it is known.
fn period_of(checked: &CheckedDefinition<'_>, object: &Resolved<'_>) -> Option<Period> {
    let schedule = checked.object(object.reference("schedule")?)?;
    let texts = checked.previewed(schedule, schedule.string("period")?)?;
    Period::parse(texts.first()?).ok()
}
