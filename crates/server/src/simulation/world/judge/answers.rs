//! Checks the answers against the disk: an acknowledged change is stored, and the runner that has a task is not
//! refused.

use engine::attempt::Status as AttemptStatus;
use engine::{Attempt, InstanceId, PipelineId, PipelineState, Status, TaskId};
use serde_json::Value;
use store::{DefinitionVersion, Pipeline, Store};

use super::super::World;
use super::super::faulty_store::SIMULATED;
use super::PipelineRecord;
use crate::error::ServiceError;
use crate::ops::Operation;

/// A request that reached a server, with the state at that time.
pub(in crate::simulation) struct Request {
    operation: Operation,
    body: Value,
    pipeline: Option<PipelineId>,
    task: Option<TaskId>,
    /// The attempt of the task, as it was when the request reached the server.
    attempt: Option<Attempt>,
    /// The rerun generations of the objects of a SetStatus.
    generations: Vec<(InstanceId, u32)>,
    /// The number of this command among the commands for the pipeline, from 1; 0 if the request is not a command.
    command: u64,
}

/// The answer of a server: a body, or an error.
pub(in crate::simulation) type Answer = Result<Value, ServiceError>;

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_default()
}

fn is_command(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::PutPipelineDefinition
            | Operation::ActivatePipeline
            | Operation::DeactivatePipeline
            | Operation::DeletePipeline
            | Operation::SetStatus
    )
}

/// Records a request that reaches a server. The caller passes the result to [`answered`].
pub(in crate::simulation) fn ask(world: &World, operation: Operation, body: &Value) -> Request {
    let judge = &mut *world.judge();
    let pipeline = body["pipelineId"].as_str().map(PipelineId::from);
    let task = body["taskId"].as_str().and_then(TaskId::parse);
    let attempt = task.as_ref().and_then(|task| judge.attempt(task)).map(|(_, attempt)| attempt.clone());
    let mut request = Request {
        operation,
        body: body.clone(),
        pipeline,
        task,
        attempt,
        generations: Vec::new(),
        command: 0,
    };
    if operation == Operation::SetTaskStatus {
        let ends = judge.requests.ends.entry(text(body, "taskId").to_owned()).or_default();
        ends.insert(text(body, "taskStatus").to_owned());
    }
    let Some(id) = request.pipeline.clone().filter(|_| is_command(operation)) else { return request };
    if operation == Operation::SetStatus {
        let ids = body["objectIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for object in ids {
            let instance = judge.runs_of(id.as_str()).find_map(|run| run.instance(object));
            request.generations.extend(instance.map(|it| (it.id.clone(), it.generation)));
            if text(body, "status") == "MARK_FINISHED" {
                judge.requests.marked.insert((id.clone(), InstanceId::from(object)));
            }
        }
        if text(body, "status") == "RERUN" {
            judge.requests.reruns.insert(id.clone());
        }
    }
    let record = judge.pipelines.entry(id).or_default();
    record.commands += 1;
    record.under_way += 1;
    request.command = record.commands;
    match operation {
        Operation::ActivatePipeline => {
            record.activations_received += 1;
            record.is_disturbed |= record.activations_received > 1 || body.get("startTimestamp").is_some();
        }
        Operation::DeactivatePipeline | Operation::DeletePipeline => record.is_disturbed = true,
        Operation::PutPipelineDefinition => record.is_disturbed |= record.activations_received > 0,
        _ => {}
    }
    request
}

/// Checks the answer to a request. `answer` is `None` if the server died before it answered.
pub(in crate::simulation) async fn answered(world: &World, request: &Request, answer: Option<&Answer>) {
    let checked = match answer {
        Some(Ok(body)) => acknowledged(world, request, body).await,
        Some(Err(error)) => refused(world, request, error),
        None => Ok(()),
    };
    let judge = &mut *world.judge();
    let record =
        request.pipeline.as_ref().filter(|_| request.command > 0).and_then(|id| judge.pipelines.get_mut(id));
    if let Some(record) = record {
        record.under_way -= 1;
        if matches!(answer, Some(Ok(_))) && request.operation == Operation::ActivatePipeline {
            record.activations_acknowledged += 1;
        }
    }
    world.check(checked.map_err(|text| format!("{}: {text}", request.operation.as_str())));
}

async fn acknowledged(world: &World, request: &Request, answer: &Value) -> Result<(), String> {
    match request.operation {
        Operation::CreatePipeline => {
            let id = PipelineId::from(text(answer, "pipelineId"));
            let is_there = pipeline(world, &id).await.is_some();
            let judge = &mut *world.judge();
            judge.pipelines.entry(id.clone()).or_default();
            match is_there || judge.deleted.contains(&id) {
                true => Ok(()),
                false => Err(format!("{id} was created and is not stored")),
            }
        }
        Operation::PollForTask => polled(world, request, answer),
        Operation::ReportTaskProgress | Operation::SetTaskStatus => reported(world, request, answer),
        operation if is_command(operation) => commanded(world, request).await,
        _ => Ok(()),
    }
}

fn polled(world: &World, request: &Request, answer: &Value) -> Result<(), String> {
    let Some(text) = answer["taskObject"]["taskId"].as_str() else { return Ok(()) };
    let Some(task) = TaskId::parse(text) else { return Err(format!("`{text}` is not a task")) };
    let judge = &mut *world.judge();
    if !judge.requests.handed.insert(text.to_owned()) {
        return Err(format!("{text} was handed out twice"));
    }
    if judge.deleted.contains(&task.pipeline) {
        return Ok(());
    }
    let Some((_, attempt)) = judge.attempt(&task) else { return Err(format!("{text} is not stored")) };
    if attempt.handouts < task.handout {
        return Err(format!("{text} was handed out, and that is not stored"));
    }
    match request.body["workerGroup"] == attempt.group.as_str() {
        true => Ok(()),
        false => Err(format!("{text} is for {}, not for {}", attempt.group, request.body["workerGroup"])),
    }
}

fn reported(world: &World, request: &Request, answer: &Value) -> Result<(), String> {
    let judge = world.judge();
    let Some(task) = request.task.as_ref().filter(|task| !judge.deleted.contains(&task.pipeline)) else {
        return Ok(());
    };
    let Some((_, now)) = judge.attempt(task) else { return Err(format!("{task} is not stored")) };
    if answer["canceled"] == true {
        // A report on a canceled task has no effect.
        return match now.status.is_settled() {
            true => Ok(()),
            false => Err(format!("{task} is told to stop, and its attempt has not ended")),
        };
    }
    let is_over =
        request.attempt.as_ref().is_none_or(|attempt| attempt.handouts != task.handout || attempt.is_free());
    if is_over {
        return Err(format!("{task} was taken from its runner, whose report was accepted all the same"));
    }
    if request.operation == Operation::ReportTaskProgress {
        let is_kept = now.handouts > task.handout || now.reported_at.is_some() || now.status.is_settled();
        return match is_kept {
            true => Ok(()),
            false => Err(format!("{task} reported progress, and that is not stored")),
        };
    }
    let is_kept = match text(&request.body, "taskStatus") {
        "FINISHED" => matches!(now.status, AttemptStatus::Finished | AttemptStatus::Canceled),
        "FAILED" => matches!(now.status, AttemptStatus::Failed(_) | AttemptStatus::Canceled),
        // The precondition may be checked again by now.
        _ => now.checks > 0 || now.status.is_settled(),
    };
    match is_kept {
        true => Ok(()),
        false => Err(format!("{task} ended {}, and is {:?}", request.body["taskStatus"], now.status)),
    }
}

async fn pipeline(world: &World, id: &PipelineId) -> Option<Pipeline> {
    world.disk.pipeline(id).await.expect("the disk reads")
}

async fn commanded(world: &World, request: &Request) -> Result<(), String> {
    let Some(id) = &request.pipeline else { return Ok(()) };
    let stored = pipeline(world, id).await;
    let latest = world.disk.definition(id, DefinitionVersion::Latest).await.expect("the disk reads");
    let judge = world.judge();
    let is_deleted = judge.deleted.contains(id);
    if request.operation == Operation::DeletePipeline {
        return if stored.is_none() { Ok(()) } else { Err(format!("{id} was deleted and is there")) };
    }
    // The effect of the command must be stored, unless another command may have undone it.
    let is_alone = |record: &PipelineRecord| record.under_way == 1 && record.commands == request.command;
    let Some(stored) = stored.filter(|_| !is_deleted) else { return Ok(()) };
    if !judge.pipelines.get(id).is_some_and(is_alone) {
        return Ok(());
    }
    match request.operation {
        Operation::PutPipelineDefinition => {
            let put = |objects: &Value| {
                let default = objects.as_array()?.iter().find(|object| object["id"] == "Default")?;
                let put = default["fields"].as_array()?.iter().find(|field| field["key"] == "myPut")?;
                Some(put["stringValue"].as_str()?.to_owned())
            };
            let kept = latest.and_then(|it| Some(it.object("Default")?.string("myPut")?.to_owned()));
            match kept == put(&request.body["pipelineObjects"]) {
                true => Ok(()),
                false => Err(format!("{id} has definition {kept:?}")),
            }
        }
        Operation::ActivatePipeline => {
            match matches!(stored.state, PipelineState::Scheduled | PipelineState::Finished) {
                true => Ok(()),
                false => Err(format!("{id} was activated and is {}", stored.state)),
            }
        }
        Operation::DeactivatePipeline => match stored.state {
            PipelineState::Scheduled => Err(format!("{id} was deactivated and is {}", stored.state)),
            _ => Ok(()),
        },
        _ => status_set(&judge, request, &stored),
    }
}

fn status_set(judge: &super::Judge, request: &Request, stored: &Pipeline) -> Result<(), String> {
    let status = text(&request.body, "status");
    let components = request.body["objectIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if matches!(status, "PAUSE" | "RESUME") {
        let wrong = components.into_iter().find(|id| stored.paused.contains(*id) != (status == "PAUSE"));
        return wrong.map_or(Ok(()), |id| Err(format!("{status} of {id} is not stored")));
    }
    for (id, generation) in &request.generations {
        let instance = judge.runs_of(stored.id.as_str()).find_map(|run| run.instance(id.as_str()));
        let Some(instance) = instance else { return Err(format!("{id} is not stored")) };
        let is_kept = match status {
            "RERUN" => instance.generation > *generation,
            "MARK_FINISHED" => instance.wire_status() == Status::Finished,
            // A runner at work learns of the cancellation from the answer to its next report.
            _ => instance.is_final() || instance.canceling.is_some(),
        };
        if !is_kept {
            return Err(format!("{status} of {id} is not stored: it is {}", instance.wire_status()));
        }
    }
    Ok(())
}

fn refused(world: &World, request: &Request, error: &ServiceError) -> Result<(), String> {
    if let ServiceError::Internal(cause) = error {
        let text = format!("{cause:#}");
        // Every internal error must have a cause that the simulation made.
        return if is_made_up(&text) {
            Ok(())
        } else {
            Err(format!("the simulation did not cause this: {text}"))
        };
    }
    let (ServiceError::TaskNotFound(text), Some(task)) = (error, &request.task) else { return Ok(()) };
    let judge = world.judge();
    let holds = |attempt: &Attempt| {
        attempt.handouts == task.handout && !attempt.is_free() && attempt.runner().is_some()
    };
    let now = judge.attempt(task).is_some_and(|(_, attempt)| holds(attempt));
    match request.attempt.as_ref().is_some_and(holds) && now {
        true => Err(format!("{task} was refused to the runner that has it: {text}")),
        false => Ok(()),
    }
}

/// Returns whether the text of an error shows that the simulation caused the error: a simulated error, or the error of
/// SQLite when the simulated disk is full.
pub(in crate::simulation) fn is_made_up(text: &str) -> bool {
    text.contains(SIMULATED) || text.contains("database or disk is full")
}
