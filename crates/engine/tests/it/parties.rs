//! Parties: resources whose work waits for each other while they run, so that all of them must run at once.

use definition::ObjectId;

use crate::harness::{STARTED, scheduled, shell, started_with};

fn machines(ids: &[&str]) -> String {
    let machine =
        |id: &&str| format!(r#"{{"id": "{id}", "type": "Ec2Resource", "role": "r", "resourceRole": "r"}}"#);
    ids.iter().map(machine).collect::<Vec<_>>().join(", ")
}

/// Returns an activity that runs on `machine` and depends on `after`.
fn on(machine: &str, id: &str, after: &[&str]) -> String {
    let after: Vec<_> = after.iter().map(|id| format!(r#"{{"ref": "{id}"}}"#)).collect();
    shell(id, &format!(r#", "runsOn": {{"ref": "{machine}"}}, "dependsOn": [{}]"#, after.join(", ")))
}

/// Returns the party of every machine: its first component and its size.
fn parties(machine_ids: &[&str], work: &[String]) -> Vec<String> {
    let run = started_with("", &format!("{}, {}", machines(machine_ids), work.join(", "))).run;
    let party = |id: &&str| {
        let instance = run.instance_of_component(&ObjectId::from(*id)).unwrap();
        let party = run.party_of(&instance.id).unwrap();
        format!("{} {}", party.first, party.size).replace(&format!("_{STARTED}"), "")
    };
    machine_ids.iter().map(party).collect()
}

#[test]
fn machines_that_wait_for_each_other_while_they_run_are_one_party() {
    let work = [
        on("One", "Init", &[]),
        on("One", "Part1", &["Init"]),
        on("Two", "Part2", &["Init"]),
        on("One", "Finalize", &["Part1", "Part2"]),
    ];
    assert_eq!(parties(&["One", "Two"], &work), ["@One 2", "@One 2"]);
}

#[test]
fn machines_that_follow_each_other_or_are_unrelated_each_form_a_party() {
    let chain = [
        on("One", "A", &[]),
        on("Two", "B", &["A"]),
        on("Two", "C", &["B"]),
        on("Three", "D", &["C"]),
        on("Four", "Alone", &[]),
    ];
    let alone = ["@One 1", "@Two 1", "@Three 1", "@Four 1"];
    assert_eq!(parties(&["One", "Two", "Three", "Four"], &chain), alone);
    // The second machine runs before the first one is done.
    let early = [on("One", "A", &[]), on("Two", "B", &["A"]), on("Two", "Early", &[])];
    assert_eq!(parties(&["One", "Two"], &early), ["@One 2", "@One 2"]);
}

#[test]
fn a_party_is_joined_through_other_machines_and_through_work_that_runs_elsewhere() {
    let between = |id: &str, after: &str| {
        shell(id, &format!(r#", "workerGroup": "g", "dependsOn": {{"ref": "{after}"}}"#))
    };
    let work = [
        on("One", "A1", &[]),
        between("X", "A1"),
        on("Two", "B1", &["X"]),
        between("Y", "B1"),
        on("One", "A2", &["Y"]),
        on("Three", "C1", &[]),
        on("Three", "C2", &["B1"]),
    ];
    assert_eq!(parties(&["One", "Two", "Three"], &work), ["@One 3", "@One 3", "@One 3"]);
}

#[test]
fn machines_of_many_intervals_for_which_one_machine_waits_are_made_one_by_one() {
    let schedule = |id: &str, period: &str| {
        format!(
            r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "2030-01-31T00:00:00"}}"#
        )
    };
    let of = |schedule: &str| format!(r#", "schedule": {{"ref": "{schedule}"}}"#);
    let default = r#"{"id": "Default", "scheduleType": "cron"}"#.to_owned();
    let hourly = shell("Hour", &format!(r#", "runsOn": {{"ref": "One"}}{}"#, of("Hourly")));
    let daily = shell(
        "Day",
        &format!(r#", "runsOn": {{"ref": "Two"}}, "dependsOn": {{"ref": "Hour"}}{}"#, of("Daily")),
    );
    let objects =
        [default, schedule("Hourly", "1 hour"), schedule("Daily", "1 day"), machines(&["One", "Two"])];
    let run = scheduled(&format!("{}, {hourly}, {daily}", objects.join(", "))).run;
    assert_eq!(run.instances().iter().filter(|it| it.component == "One").count(), 24);
    assert_eq!(run.largest_party().len(), 1);
}

#[test]
fn an_instance_that_is_no_resource_has_no_party() {
    let run = started_with("", &shell("Work", "")).run;
    assert_eq!(run.party_of(&run.instances()[0].id), None);
    assert!(run.largest_party().is_empty());
}
