//! Finds objects that would wait for more instances of another object at once than AWS allows.

use super::problems::Problems;
use super::subject::Subject;
use crate::inherit::Resolved;
use crate::period::Period;
use crate::{ObjectId, kind::Kind};

/// AWS's quota: how many instances with shorter intervals one instance may wait for.
const MAX_ROLL_UPS: u64 = 32;

pub(super) fn check(subject: &Subject<'_>, problems: &mut Problems) {
    if !subject.typed().any(|(_, kind)| kind == Kind::Schedule) {
        return;
    }
    for (object, _) in subject.typed().filter(|(_, kind)| kind.is_runnable()) {
        let Some(own) = period_of(subject, object) else { continue };
        for field in ["dependsOn", "input"] {
            for target in object.references(field) {
                roll_up(subject, (object, own), (field, target), problems);
            }
        }
    }
}

fn roll_up(
    subject: &Subject<'_>,
    (object, own): (&Resolved<'_>, Period),
    (field, target): (&'static str, &ObjectId),
    problems: &mut Problems,
) {
    let Some(shorter) = subject.object(target).and_then(|target| period_of(subject, target)) else { return };
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
fn period_of(subject: &Subject<'_>, object: &Resolved<'_>) -> Option<Period> {
    let schedule = subject.object(object.reference("schedule")?)?;
    let texts = subject.previewed(schedule, schedule.string("period")?)?;
    Period::parse(texts.first()?).ok()
}
