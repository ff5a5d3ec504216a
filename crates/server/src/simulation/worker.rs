//! Task runners, good and bad: they work, fail, hang, die, come back, and say things twice.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::definitions::GROUPS;
use super::network::Told;
use super::server::OWN_RUNNERS;
use super::world::World;
use crate::ops::Operation;

/// What a task runner does with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Works,
    Fails,
    /// Bad data, which no retry makes better.
    FailsForGood,
    /// Ends without having reported progress.
    Hurries,
    /// Reports progress for the first time when the task may have gone to another.
    Dawdles,
    /// Takes the task and is never seen again.
    Vanishes,
    /// Is not heard of for long, and comes back as if nothing had been.
    Hangs,
    /// Works for longer than any limit.
    Lingers,
    /// Says twice how it ended.
    Repeats,
    /// Says first that it is done, and then that it failed.
    Contradicts,
    /// Goes on when it is told to stop.
    Ignores,
}

const BAD: [Manner; 13] = [
    Manner::Fails,
    Manner::Fails,
    Manner::Fails,
    Manner::Fails,
    Manner::FailsForGood,
    Manner::Hurries,
    Manner::Dawdles,
    Manner::Vanishes,
    Manner::Hangs,
    Manner::Lingers,
    Manner::Repeats,
    Manner::Contradicts,
    Manner::Ignores,
];

/// Polls for as long as the world stands.
pub(super) async fn work(world: Arc<World>, number: usize) {
    // Some belong to a server's process; they are at work on one thing and have nothing of their own to lose.
    let is_own = number % 3 == 2;
    let name = format!("{}{number}", if is_own { OWN_RUNNERS } else { "runner-" });
    let group = GROUPS[number % GROUPS.len()];
    loop {
        let body = json!({ "workerGroup": group, "hostname": name });
        // Clients give up after a while; a hasty one may do so just when there is work.
        let is_hasty = world.dice.chance(world.chances().worker / 4);
        let patience = if is_hasty { world.dice.seconds(0, 100) } else { Duration::from_secs(700) };
        let told = world.call(Operation::PollForTask, body, patience).await;
        let Told::Done(answer) = told else {
            tokio::time::sleep(world.dice.seconds(1, 15)).await;
            continue;
        };
        let Some(task) = answer["taskObject"]["taskId"].as_str() else {
            tokio::time::sleep(world.dice.seconds(0, 40)).await;
            continue;
        };
        let is_bad = world.dice.chance(world.chances().worker);
        let manner = if is_bad { *world.dice.one_of(&BAD) } else { Manner::Works };
        if is_bad {
            world.note(&format!("worker {manner:?}"), task.to_owned());
        }
        let job = Job { world: Arc::clone(&world), task: task.to_owned(), is_look: is_look(&answer) };
        if manner == Manner::Vanishes {
            tokio::time::sleep(world.dice.seconds(10, 600)).await;
            continue;
        }
        job.take(manner).await;
    }
}

fn is_look(answer: &Value) -> bool {
    let id = &answer["taskObject"]["attemptId"];
    let object = id.as_str().map(|id| &answer["taskObject"]["objects"][id]);
    let fields = object.and_then(|object| object["fields"].as_array());
    let kind = fields.into_iter().flatten().find(|field| field["key"] == "type");
    matches!(kind.and_then(|kind| kind["stringValue"].as_str()), Some("ShellCommandPrecondition" | "Exists"))
}

struct Job {
    world: Arc<World>,
    task: String,
    is_look: bool,
}

impl Job {
    async fn take(self, manner: Manner) {
        let dice = &self.world.dice;
        match manner {
            Manner::Hurries => return self.end("FINISHED", None).await,
            Manner::Dawdles => tokio::time::sleep(dice.seconds(100, 400)).await,
            _ => {}
        }
        if self.report().await && manner != Manner::Ignores {
            return;
        }
        match manner {
            Manner::Hangs => tokio::time::sleep(dice.seconds(120, 3_000)).await,
            Manner::Lingers => {
                if self.is_told_to_stop(60, 60).await {
                    return;
                }
            }
            _ => {
                let minutes = 1 + dice.below(6);
                if self.is_told_to_stop(minutes, 60).await && manner != Manner::Ignores {
                    return;
                }
            }
        }
        match manner {
            Manner::Fails => self.end("FAILED", Some("Oops")).await,
            Manner::FailsForGood => self.end("FAILED", Some("BadInput:Header")).await,
            Manner::Repeats => {
                self.end("FINISHED", None).await;
                tokio::time::sleep(dice.seconds(0, 600)).await;
                self.end("FINISHED", None).await;
            }
            Manner::Contradicts => {
                self.end("FINISHED", None).await;
                self.end("FAILED", Some("Oops")).await;
            }
            _ if self.is_look && !self.world.is_calm() && dice.chance(500) => self.end("FALSE", None).await,
            _ => self.end("FINISHED", None).await,
        }
    }

    /// Works for so many spans with a report after each; returns whether it is to stop.
    async fn is_told_to_stop(&self, times: usize, seconds: u64) -> bool {
        for _ in 0..times {
            tokio::time::sleep(self.world.dice.seconds(seconds / 2, seconds)).await;
            if self.report().await {
                return true;
            }
            if self.world.is_calm() {
                return false;
            }
        }
        false
    }

    /// Reports progress; returns whether the task is not ours any more.
    async fn report(&self) -> bool {
        let body = json!({ "taskId": self.task, "fields": [{ "key": "note", "stringValue": "at work" }] });
        match self.world.insist(Operation::ReportTaskProgress, body).await {
            Told::Done(answer) => answer["canceled"] == true,
            Told::Refused => true,
            Told::Nothing => false,
        }
    }

    async fn end(&self, status: &str, error: Option<&str>) {
        let mut body = json!({ "taskId": self.task, "taskStatus": status });
        if let Some(error) = error {
            body["errorId"] = error.into();
            body["errorMessage"] = "it did not work".into();
        }
        self.world.insist(Operation::SetTaskStatus, body).await;
    }
}
