//! Checks `myPublish`: if activities have `together`, one publisher must wait for all of them and must be able to put
//! their tables in place.

use super::{INVALID, problems::Problems, subject::Subject};
use crate::{
    kind::Kind,
    publication::{Publications, database, reached, waits},
};

const FIELD: Option<&str> = Some("myPublish");

pub(super) fn check(subject: &Subject<'_>, problems: &mut Problems) {
    let inheritance = subject.inheritance();
    let Publications { together, here } = Publications::of(inheritance);
    let objects = subject.objects();
    let (Some(first), publisher) = (together.first().map(|at| &objects[*at]), here.first()) else {
        for publisher in here.iter().map(|at| &objects[*at]) {
            let message =
                "'myPublish' is 'here', but no activity has 'together': there is nothing to put in place";
            problems.warning(&publisher.owner("myPublish").id, FIELD, INVALID, message);
        }
        return;
    };
    let Some(publisher) = publisher else {
        let message = "'myPublish' is 'together', but no activity puts the tables in place: add a SqlActivity with \
                       'myPublish' 'here' that depends on all the others";
        problems.error(&first.owner("myPublish").id, FIELD, INVALID, message);
        return;
    };
    let publisher_index = *publisher;
    let publisher = &objects[publisher_index];
    if let Some(other) = here.get(1).map(|at| &objects[*at]) {
        let message = format!(
            "'{}' has 'myPublish' 'here' already: one activity puts all tables in place",
            publisher.id()
        );
        problems.error(other.id(), FIELD, INVALID, message);
    }
    if publisher.kind() != Some(Kind::SqlActivity) {
        let message = "'myPublish' is 'here', which is for a SqlActivity";
        problems.error(publisher.id(), FIELD, INVALID, message);
        return;
    }
    let all_waits = waits(inheritance);
    let before = reached(&all_waits, publisher_index);
    for object in together.iter().filter(|at| !before.contains(*at)).map(|at| &objects[*at]) {
        let message = format!(
            "'{0}' puts the tables of this run in place, but does not wait for '{1}': add '{1}' to the 'dependsOn' of '{0}', \
             or give '{1}' 'myPublish' 'each'",
            publisher.id(),
            object.id()
        );
        problems.error(publisher.id(), Some("dependsOn"), INVALID, message);
    }
    for object in together.iter().map(|at| &objects[*at]) {
        if object.reference("schedule") != publisher.reference("schedule") {
            let message = format!(
                "'myPublish' is 'together', but '{}' and '{}' do not have the same 'schedule'",
                object.id(),
                publisher.id()
            );
            problems.error(object.id(), FIELD, INVALID, message);
        }
    }
    if publisher.reference("schedule").is_some() && publisher.string("maxActiveInstances") != Some("1") {
        let message = "with 'myPublish' 'together', two runs at the same time take their tables from each other: set \
                       'maxActiveInstances' of Default to 1";
        problems.warning(&first.owner("myPublish").id, FIELD, INVALID, message);
    }
    for (index, object) in objects.iter().enumerate() {
        let is_each = object.kind() == Some(Kind::SqlActivity)
            && !together.contains(&index)
            && index != publisher_index;
        let comes_before = before.contains(&index) && is_each;
        let reads = comes_before
            .then(|| reached(&all_waits, index))
            .and_then(|others| together.iter().find(|at| others.contains(*at)).copied());
        if let Some(other) = reads {
            let message = format!(
                "'{}' has 'myPublish' 'each' and waits for '{}', which has 'together': it sees and changes the old rows of the \
                 tables of this run; give it 'together', or let it depend on '{}'",
                object.id(),
                objects[other].id(),
                publisher.id()
            );
            problems.warning(object.id(), FIELD, INVALID, message);
        }
    }
    let database_at = |at: usize| database(inheritance, &objects[at]);
    let elsewhere = together.iter().filter(|at| database_at(**at) != database_at(publisher_index));
    for object in elsewhere.map(|at| &objects[*at]) {
        let message = format!(
            "'myPublish' is 'together', but '{}' and '{}' do not use the same 'database', and one transaction cannot put \
             tables of two databases in place",
            object.id(),
            publisher.id()
        );
        problems.error(object.id(), FIELD, INVALID, message);
    }
}
