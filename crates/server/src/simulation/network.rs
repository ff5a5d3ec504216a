//! Requests on their way: lost, late, doubled, or without an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::judge::{self, Answer};
use super::world::World;
use crate::error::ServiceError;
use crate::ops;
use crate::ops::Operation;

/// When a client gives an answer up, unless it waits for work.
const PATIENCE: Duration = Duration::from_secs(70);

/// What a client learns of its request.
#[derive(Debug)]
pub(super) enum Told {
    Done(Value),
    /// It will not be done.
    Refused,
    /// Whether it was done nobody knows.
    Nothing,
}

impl World {
    /// Sends a request and waits for the answer, for so long.
    pub(super) async fn call(
        self: &Arc<Self>,
        operation: Operation,
        body: Value,
        patience: Duration,
    ) -> Told {
        let told = tokio::time::timeout(patience, self.send(operation, body)).await;
        told.unwrap_or_else(|_| {
            self.note("a client gives up", operation.as_str().to_owned());
            Told::Nothing
        })
    }

    /// Sends a request until its answer is known, as clients of AWS do, a few times.
    pub(super) async fn insist(self: &Arc<Self>, operation: Operation, body: Value) -> Told {
        for attempt in 0..6u32 {
            match self.call(operation, body.clone(), PATIENCE).await {
                Told::Nothing => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
                told => return told,
            }
        }
        Told::Nothing
    }

    async fn send(self: &Arc<Self>, operation: Operation, body: Value) -> Told {
        let chances = self.chances();
        let name = operation.as_str();
        tokio::time::sleep(Duration::from_millis(1 + u64::try_from(self.dice.below(40)).unwrap_or(0))).await;
        if self.dice.chance(chances.request_lost) {
            self.note("fault: request lost", name.to_owned());
            return std::future::pending().await;
        }
        if self.dice.chance(chances.request_doubled) {
            self.note("fault: request doubled", name.to_owned());
            let (world, body) = (Arc::clone(self), body.clone());
            tokio::spawn(async move {
                tokio::time::sleep(world.dice.seconds(0, 300)).await;
                world.deliver(operation, body).await;
            });
        }
        if self.dice.chance(chances.request_late) {
            self.note("fault: request late", name.to_owned());
            // It goes its way when its client has given it up.
            let (world, late) = (Arc::clone(self), self.dice.seconds(1, 300));
            let under_way = tokio::spawn(async move {
                tokio::time::sleep(late).await;
                world.deliver(operation, body).await
            });
            return under_way.await.unwrap_or(Told::Nothing);
        }
        let told = self.deliver(operation, body).await;
        if self.dice.chance(chances.answer_lost) {
            self.note("fault: answer lost", name.to_owned());
            return std::future::pending().await;
        }
        told
    }

    /// Gives a request to a server that is up.
    async fn deliver(self: &Arc<Self>, operation: Operation, body: Value) -> Told {
        let up = self.up();
        if up.is_empty() {
            self.trace().count("no server is up");
            return Told::Nothing;
        }
        let number = *self.dice.one_of(&up);
        let server = self.server(number, |it| (Arc::clone(&it.service), it.died.clone()));
        let Some((service, died)) = server else { return Told::Nothing };
        let bytes = Bytes::from(body.to_string());
        let asked = judge::ask(self, operation, &body);
        let answer = tokio::select! {
            biased;
            () = died.cancelled() => None,
            answer = ops::serve(&service, operation, bytes) => Some(answer.and_then(|body| read(&body))),
        };
        judge::answered(self, &asked, answer.as_ref()).await;
        self.told(number, operation, &body, answer)
    }

    fn told(&self, number: usize, operation: Operation, body: &Value, answer: Option<Answer>) -> Told {
        let about =
            ["taskId", "pipelineId", "workerGroup", "name"].iter().find_map(|key| body[*key].as_str());
        let line = format!("{} {} to {number}", operation.as_str(), about.unwrap_or_default());
        match answer {
            Some(Ok(answer)) => {
                self.trace().count(operation.as_str());
                let task = answer["taskObject"]["taskId"].as_str().unwrap_or_default();
                let rest = [&body["taskStatus"], &body["status"], &body["objectIds"], &answer["canceled"]];
                let rest: String =
                    rest.iter().filter(|it| !it.is_null()).map(|it| format!(" {it}")).collect();
                // Polls in vain are most of what happens.
                if operation != Operation::PollForTask || !task.is_empty() {
                    self.line(format!("{line}{rest} -> ok {task}"));
                }
                Told::Done(answer)
            }
            Some(Err(error)) => {
                self.note(&format!("{} {}", operation.as_str(), error.code()), format!("{line}: {error}"));
                match error {
                    ServiceError::Internal(_) => Told::Nothing,
                    _ => Told::Refused,
                }
            }
            None => {
                self.line(format!("{line} -> its server died"));
                Told::Nothing
            }
        }
    }
}

fn read(body: &[u8]) -> Answer {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body).map_err(|error| ServiceError::Internal(error.into()))
}
