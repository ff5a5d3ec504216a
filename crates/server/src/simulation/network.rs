//! The network of a simulation, with faults: a request is lost, late, or delivered twice, or its answer is lost.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;

use super::world::World;
use super::world::judge::{self, Answer};
use crate::error::ServiceError;
use crate::ops;
use crate::ops::Operation;

/// How long a client waits for an answer, unless it polls for work.
const PATIENCE: Duration = Duration::from_secs(70);

/// The reply to a request, as the client knows it.
#[derive(Debug)]
pub(super) enum Reply {
    Done(Value),
    /// The service refuses the request.
    Refused,
    /// The client does not know whether the service carried the request out.
    Unknown,
}

impl World {
    /// Sends a request. After `patience` without an answer, the reply is unknown.
    pub(super) async fn call(
        self: &Arc<Self>,
        operation: Operation,
        body: Value,
        patience: Duration,
    ) -> Reply {
        let reply = tokio::time::timeout(patience, self.send(operation, body)).await;
        reply.unwrap_or_else(|_| {
            self.note("a client gives up", operation.as_str().to_owned());
            Reply::Unknown
        })
    }

    /// Sends a request again until the reply is known, but at most six times. Clients of AWS also repeat requests.
    pub(super) async fn insist(self: &Arc<Self>, operation: Operation, body: Value) -> Reply {
        for attempt in 0..6u32 {
            match self.call(operation, body.clone(), PATIENCE).await {
                Reply::Unknown => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
                reply => return reply,
            }
        }
        Reply::Unknown
    }

    async fn send(self: &Arc<Self>, operation: Operation, body: Value) -> Reply {
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
            // The request arrives even if the client gives up meanwhile.
            let (world, late) = (Arc::clone(self), self.dice.seconds(1, 300));
            let under_way = tokio::spawn(async move {
                tokio::time::sleep(late).await;
                world.deliver(operation, body).await
            });
            return under_way.await.unwrap_or(Reply::Unknown);
        }
        let reply = self.deliver(operation, body).await;
        if self.dice.chance(chances.answer_lost) {
            self.note("fault: answer lost", name.to_owned());
            return std::future::pending().await;
        }
        reply
    }

    /// Delivers a request to one of the servers that are up.
    async fn deliver(self: &Arc<Self>, operation: Operation, body: Value) -> Reply {
        let up = self.up();
        if up.is_empty() {
            self.trace().count("no server is up");
            return Reply::Unknown;
        }
        let number = *self.dice.one_of(&up);
        let server = self.server(number, |it| (Arc::clone(&it.service), it.died.clone()));
        let Some((service, died)) = server else { return Reply::Unknown };
        let bytes = Bytes::from(body.to_string());
        let request = judge::ask(self, operation, &body);
        let answer = tokio::select! {
            biased;
            () = died.cancelled() => None,
            answer = ops::serve(&service, operation, bytes) => Some(answer.and_then(|body| read(&body))),
        };
        judge::answered(self, &request, answer.as_ref()).await;
        self.reply(number, operation, &body, answer)
    }

    fn reply(&self, number: usize, operation: Operation, body: &Value, answer: Option<Answer>) -> Reply {
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
                // The trace has no lines for polls without a task, because they are most of the polls.
                if operation != Operation::PollForTask || !task.is_empty() {
                    self.line(format!("{line}{rest} -> ok {task}"));
                }
                Reply::Done(answer)
            }
            Some(Err(error)) => {
                self.note(&format!("{} {}", operation.as_str(), error.code()), format!("{line}: {error}"));
                match error {
                    ServiceError::Internal(_) => Reply::Unknown,
                    _ => Reply::Refused,
                }
            }
            None => {
                self.line(format!("{line} -> its server died"));
                Reply::Unknown
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
