//! The task runners, good and bad. They work, fail, hang, die, come back, and report twice.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::definitions::GROUPS;
use super::network::Reply;
use super::world::World;
use super::world::server::OWN_RUNNERS;
use crate::ops::Operation;

/// The way in which a task runner handles a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behavior {
    Works,
    Fails,
    /// Fails with bad data, which no retry can change.
    FailsForGood,
    /// Ends the task without having reported progress.
    Hurries,
    /// Reports progress for the first time so late that the task may have gone to another runner.
    Dawdles,
    /// Takes the task and never reports.
    Vanishes,
    /// Does not report for a long time, and then continues as if nothing had happened.
    Hangs,
    /// Works longer than any time limit.
    Lingers,
    /// Reports the end twice.
    Repeats,
    /// Reports first that the task is finished, and then that it failed.
    Contradicts,
    /// Continues when it is told to stop.
    Ignores,
}

const BAD: [Behavior; 13] = [
    Behavior::Fails,
    Behavior::Fails,
    Behavior::Fails,
    Behavior::Fails,
    Behavior::FailsForGood,
    Behavior::Hurries,
    Behavior::Dawdles,
    Behavior::Vanishes,
    Behavior::Hangs,
    Behavior::Lingers,
    Behavior::Repeats,
    Behavior::Contradicts,
    Behavior::Ignores,
];

/// Polls and works until the simulation ends.
pub(super) async fn work(world: Arc<World>, number: usize) {
    // Every third runner belongs to the process of a server and ends with it.
    let is_own = number % 3 == 2;
    let name = format!("{}{number}", if is_own { OWN_RUNNERS } else { "runner-" });
    let group = GROUPS[number % GROUPS.len()];
    loop {
        let body = json!({ "workerGroup": group, "hostname": name });
        // A hasty client may give up just when there is work.
        let is_hasty = world.dice.chance(world.chances().worker / 4);
        let patience = if is_hasty { world.dice.seconds(0, 100) } else { Duration::from_secs(700) };
        let reply = world.call(Operation::PollForTask, body, patience).await;
        let Reply::Done(answer) = reply else {
            tokio::time::sleep(world.dice.seconds(1, 15)).await;
            continue;
        };
        let Some(task) = answer["taskObject"]["taskId"].as_str() else {
            tokio::time::sleep(world.dice.seconds(0, 40)).await;
            continue;
        };
        let is_bad = world.dice.chance(world.chances().worker);
        let behavior = if is_bad { *world.dice.one_of(&BAD) } else { Behavior::Works };
        if is_bad {
            world.note(&format!("worker {behavior:?}"), task.to_owned());
        }
        let job = Job { world: Arc::clone(&world), task: task.to_owned(), is_check: is_check(&answer) };
        if behavior == Behavior::Vanishes {
            tokio::time::sleep(world.dice.seconds(10, 600)).await;
            continue;
        }
        job.take(behavior).await;
    }
}

fn is_check(answer: &Value) -> bool {
    let id = &answer["taskObject"]["attemptId"];
    let object = id.as_str().map(|id| &answer["taskObject"]["objects"][id]);
    let fields = object.and_then(|object| object["fields"].as_array());
    let kind = fields.into_iter().flatten().find(|field| field["key"] == "type");
    matches!(kind.and_then(|kind| kind["stringValue"].as_str()), Some("ShellCommandPrecondition" | "Exists"))
}

struct Job {
    world: Arc<World>,
    task: String,
    is_check: bool,
}

impl Job {
    async fn take(self, behavior: Behavior) {
        let dice = &self.world.dice;
        match behavior {
            Behavior::Hurries => return self.end("FINISHED", None).await,
            Behavior::Dawdles => tokio::time::sleep(dice.seconds(100, 400)).await,
            _ => {}
        }
        if self.report().await && behavior != Behavior::Ignores {
            return;
        }
        match behavior {
            Behavior::Hangs => tokio::time::sleep(dice.seconds(120, 3_000)).await,
            Behavior::Lingers => {
                if self.is_told_to_stop(60, 60).await {
                    return;
                }
            }
            _ => {
                let minutes = 1 + dice.below(6);
                if self.is_told_to_stop(minutes, 60).await && behavior != Behavior::Ignores {
                    return;
                }
            }
        }
        match behavior {
            Behavior::Fails => self.end("FAILED", Some("Oops")).await,
            Behavior::FailsForGood => self.end("FAILED", Some("BadInput:Header")).await,
            Behavior::Repeats => {
                self.end("FINISHED", None).await;
                tokio::time::sleep(dice.seconds(0, 600)).await;
                self.end("FINISHED", None).await;
            }
            Behavior::Contradicts => {
                self.end("FINISHED", None).await;
                self.end("FAILED", Some("Oops")).await;
            }
            _ if self.is_check && !self.world.is_calm() && dice.chance(500) => self.end("FALSE", None).await,
            _ => self.end("FINISHED", None).await,
        }
    }

    /// Works for `times` periods with a report after each. Each period lasts from half of `seconds` to `seconds`. Returns
    /// true as soon as the runner is told to stop, and false at the end or as soon as the calm has begun.
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

    /// Reports progress. Returns whether the task is canceled or gone. Without an answer, the task counts as still there.
    async fn report(&self) -> bool {
        let body = json!({ "taskId": self.task, "fields": [{ "key": "note", "stringValue": "at work" }] });
        match self.world.insist(Operation::ReportTaskProgress, body).await {
            Reply::Done(answer) => answer["canceled"] == true,
            Reply::Refused => true,
            Reply::Unknown => false,
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
