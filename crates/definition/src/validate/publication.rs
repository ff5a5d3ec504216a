//! Checks `myPublish`: if activities have `together`, one publisher must wait for all of them and must be able to put
//! their tables in place.

use super::{INVALID, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    kind::Kind,
    publication::{Publications, database, reached, waits},
};

const FIELD: Option<&str> = Some("myPublish");

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    let Publications { together, here } = Publications::of(checked.inheritance());
    let objects = checked.objects();
    match (&together[..], &here[..]) {
        ([], here) => {
            for publisher in here.iter().map(|at| &objects[*at]) {
                let message =
                    "'myPublish' is 'here', but no activity has 'together': there is nothing to put in place";
                problems.warning(&publisher.owner("myPublish").id, FIELD, INVALID, message);
            }
        }
        ([first, ..], []) => {
            let message = "'myPublish' is 'together', but no activity puts the tables in place: add a SqlActivity with \
                           'myPublish' 'here' that depends on all the others";
            problems.error(&objects[*first].owner("myPublish").id, FIELD, INVALID, message);
        }
        (together, [publisher, others @ ..]) => {
            if let Some(other) = others.first() {
                let message = format!(
                    "'{}' has 'myPublish' 'here' already: one activity puts all tables in place",
                    objects[*publisher].id()
                );
                problems.error(objects[*other].id(), FIELD, INVALID, message);
            }
            if objects[*publisher].kind() != Some(Kind::SqlActivity) {
                let message = "'myPublish' is 'here', which is for a SqlActivity";
                problems.error(objects[*publisher].id(), FIELD, INVALID, message);
                return;
            }
            order(checked, together, *publisher, problems);
            same_run(checked, together, *publisher, problems);
        }
    }
}

/// Checks that the publisher waits for every activity with `together`. Warns of a `SqlActivity` with `each` that runs after
/// one of them and before the publisher.
fn order(checked: &CheckedDefinition<'_>, together: &[usize], publisher: usize, problems: &mut Problems) {
    let objects = checked.objects();
    let publisher_id = objects[publisher].id();
    let waits = waits(checked.inheritance());
    let before = reached(&waits, publisher);
    for object in together.iter().filter(|at| !before.contains(*at)).map(|at| &objects[*at]) {
        let message = format!(
            "'{publisher_id}' puts the tables of this run in place, but does not wait for '{0}': add '{0}' to the 'dependsOn' \
             of '{publisher_id}', or give '{0}' 'myPublish' 'each'",
            object.id()
        );
        problems.error(publisher_id, Some("dependsOn"), INVALID, message);
    }
    let is_each = |at: &usize| {
        *at != publisher && !together.contains(at) && objects[*at].kind() == Some(Kind::SqlActivity)
    };
    let mut each: Vec<usize> = before.iter().copied().filter(is_each).collect();
    each.sort_unstable();
    for at in each {
        let earlier = reached(&waits, at);
        let Some(other) = together.iter().find(|other| earlier.contains(*other)) else { continue };
        let message = format!(
            "'{}' has 'myPublish' 'each' and waits for '{}', which has 'together': it sees and changes the old rows of the \
             tables of this run; give it 'together', or let it depend on '{publisher_id}'",
            objects[at].id(),
            objects[*other].id(),
        );
        problems.warning(objects[at].id(), FIELD, INVALID, message);
    }
}

/// Checks that all activities are of one run and one database.
fn same_run(checked: &CheckedDefinition<'_>, together: &[usize], publisher: usize, problems: &mut Problems) {
    let objects = checked.objects();
    let publisher_id = objects[publisher].id();
    let schedule = objects[publisher].reference("schedule");
    let database_at = |at: usize| database(checked.inheritance(), &objects[at]);
    for at in together.iter().copied() {
        let object = &objects[at];
        if object.reference("schedule") != schedule {
            let message = format!(
                "'myPublish' is 'together', but '{}' and '{publisher_id}' do not have the same 'schedule'",
                object.id()
            );
            problems.error(object.id(), FIELD, INVALID, message);
        }
        if database_at(at) != database_at(publisher) {
            let message = format!(
                "'myPublish' is 'together', but '{}' and '{publisher_id}' do not use the same 'database', and one transaction \
                 cannot put tables of two databases in place",
                object.id()
            );
            problems.error(object.id(), FIELD, INVALID, message);
        }
    }
    if schedule.is_some() && objects[publisher].string("maxActiveInstances") != Some("1") {
        let message = "with 'myPublish' 'together', two runs at the same time would replace each other's next tables, \
                       and one would fail: set \
                       'maxActiveInstances' of Default to 1";
        let first = together.first().map_or(publisher, |at| *at);
        problems.warning(&objects[first].owner("myPublish").id, FIELD, INVALID, message);
    }
}
