//! What is acknowledged is stored, and who holds a task is not refused: answers, held against the disk.

use engine::attempt::Status as Stand;
use engine::{Attempt, InstanceId, PipelineId, PipelineState, Status, TaskId};
use serde_json::Value;
use store::{DefinitionVersion, Pipeline, Store};

use super::super::disk::SIMULATED;
use super::super::world::World;
use super::Book;
use crate::error::ServiceError;
use crate::ops::Operation;

/// A request as it reached a server, and how things stood then.
pub(in super::super) struct Asked {
    operation: Operation,
    body: Value,
    pipeline: Option<PipelineId>,
    task: Option<TaskId>,
    /// The task's attempt, as it was.
    held: Option<Attempt>,
    /// Of the objects of a SetStatus, the rerun generation.
    generations: Vec<(InstanceId, u32)>,
    /// Which command on the pipeline this is.
    command: u64,
}

/// What a server answered: a body, or a refusal.
pub(in super::super) type Answer = Result<Value, ServiceError>;

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

/// Notes that a request reaches a server.
pub(in super::super) fn ask(world: &World, operation: Operation, body: &Value) -> Asked {
    let judge = &mut *world.judge();
    let pipeline = body["pipelineId"].as_str().map(PipelineId::from);
    let task = body["taskId"].as_str().and_then(TaskId::parse);
    let held = task.as_ref().and_then(|task| judge.attempt(task)).map(|(_, attempt)| attempt.clone());
    let mut asked =
        Asked { operation, body: body.clone(), pipeline, task, held, generations: Vec::new(), command: 0 };
    if operation == Operation::SetTaskStatus {
        let ends = judge.heard.ends.entry(text(body, "taskId").to_owned()).or_default();
        ends.insert(text(body, "taskStatus").to_owned());
    }
    let Some(id) = asked.pipeline.clone().filter(|_| is_command(operation)) else { return asked };
    if operation == Operation::SetStatus {
        let ids = body["objectIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for object in ids {
            let instance = judge.runs_of(id.as_str()).find_map(|run| run.instance(object));
            asked.generations.extend(instance.map(|it| (it.id.clone(), it.generation)));
            if text(body, "status") == "MARK_FINISHED" {
                judge.heard.marked.insert((id.clone(), InstanceId::from(object)));
            }
        }
        if text(body, "status") == "RERUN" {
            judge.heard.reruns.insert(id.clone());
        }
    }
    let book = judge.pipelines.entry(id).or_default();
    book.commands += 1;
    book.under_way += 1;
    asked.command = book.commands;
    match operation {
        Operation::ActivatePipeline => {
            book.activations_heard += 1;
            book.is_disturbed |= book.activations_heard > 1 || body.get("startTimestamp").is_some();
        }
        Operation::DeactivatePipeline | Operation::DeletePipeline => book.is_disturbed = true,
        Operation::PutPipelineDefinition => book.is_disturbed |= book.activations_heard > 0,
        _ => {}
    }
    asked
}

/// Checks the answer to a request; `None` if its server died over it.
pub(in super::super) async fn answered(world: &World, asked: &Asked, answer: Option<&Answer>) {
    let checked = match answer {
        Some(Ok(body)) => acknowledged(world, asked, body).await,
        Some(Err(error)) => refused(world, asked, error),
        None => Ok(()),
    };
    let judge = &mut *world.judge();
    let book =
        asked.pipeline.as_ref().filter(|_| asked.command > 0).and_then(|id| judge.pipelines.get_mut(id));
    if let Some(book) = book {
        book.under_way -= 1;
        if matches!(answer, Some(Ok(_))) && asked.operation == Operation::ActivatePipeline {
            book.activations_acknowledged += 1;
        }
    }
    world.check(checked.map_err(|text| format!("{}: {text}", asked.operation.as_str())));
}

async fn acknowledged(world: &World, asked: &Asked, answer: &Value) -> Result<(), String> {
    match asked.operation {
        Operation::CreatePipeline => {
            let id = PipelineId::from(text(answer, "pipelineId"));
            let is_there = pipeline(world, &id).await.is_some();
            let judge = &mut *world.judge();
            judge.pipelines.entry(id.clone()).or_default();
            match is_there || judge.deleted.contains(&id) {
                true => Ok(()),
                false => Err(format!("{id} was created and is not there")),
            }
        }
        Operation::PollForTask => polled(world, asked, answer),
        Operation::ReportTaskProgress | Operation::SetTaskStatus => reported(world, asked, answer),
        operation if is_command(operation) => commanded(world, asked).await,
        _ => Ok(()),
    }
}

fn polled(world: &World, asked: &Asked, answer: &Value) -> Result<(), String> {
    let Some(text) = answer["taskObject"]["taskId"].as_str() else { return Ok(()) };
    let Some(task) = TaskId::parse(text) else { return Err(format!("`{text}` is no task")) };
    let judge = &mut *world.judge();
    if !judge.heard.handed.insert(text.to_owned()) {
        return Err(format!("{text} was handed out to two"));
    }
    if judge.deleted.contains(&task.pipeline) {
        return Ok(());
    }
    let Some((_, attempt)) = judge.attempt(&task) else { return Err(format!("{text} is not stored")) };
    if attempt.leases < task.lease {
        return Err(format!("{text} was handed out, and nothing of it is stored"));
    }
    match asked.body["workerGroup"] == attempt.group.as_str() {
        true => Ok(()),
        false => Err(format!("{text} is for {}, not for {}", attempt.group, asked.body["workerGroup"])),
    }
}

fn reported(world: &World, asked: &Asked, answer: &Value) -> Result<(), String> {
    let judge = world.judge();
    let Some(task) = asked.task.as_ref().filter(|task| !judge.deleted.contains(&task.pipeline)) else {
        return Ok(());
    };
    let Some((_, now)) = judge.attempt(task) else { return Err(format!("{task} is not stored")) };
    if answer["canceled"] == true {
        // Its word does not count, whoever it is.
        return match now.status.is_settled() {
            true => Ok(()),
            false => Err(format!("{task} is told to stop, and goes on")),
        };
    }
    let is_over = asked.held.as_ref().is_none_or(|held| held.leases != task.lease || held.is_free());
    if is_over {
        return Err(format!("{task} had been taken from its holder, whose word counts all the same"));
    }
    if asked.operation == Operation::ReportTaskProgress {
        let is_kept = now.leases > task.lease || now.reported_at.is_some() || now.status.is_settled();
        return match is_kept {
            true => Ok(()),
            false => Err(format!("{task} reported, and nothing of it is stored")),
        };
    }
    let is_kept = match text(&asked.body, "taskStatus") {
        "FINISHED" => matches!(now.status, Stand::Finished | Stand::Canceled),
        "FAILED" => matches!(now.status, Stand::Failed(_) | Stand::Canceled),
        // Somebody may be looking again by now.
        _ => now.checks > 0 || now.status.is_settled(),
    };
    match is_kept {
        true => Ok(()),
        false => Err(format!("{task} ended {}, and is {:?}", asked.body["taskStatus"], now.status)),
    }
}

async fn pipeline(world: &World, id: &PipelineId) -> Option<Pipeline> {
    world.disk.pipeline(id).await.expect("the disk reads")
}

async fn commanded(world: &World, asked: &Asked) -> Result<(), String> {
    let Some(id) = &asked.pipeline else { return Ok(()) };
    let stored = pipeline(world, id).await;
    let latest = world.disk.definition(id, DefinitionVersion::Latest).await.expect("the disk reads");
    let judge = world.judge();
    let is_deleted = judge.deleted.contains(id);
    if asked.operation == Operation::DeletePipeline {
        return if stored.is_none() { Ok(()) } else { Err(format!("{id} was deleted and is there")) };
    }
    // Another command may have undone it since.
    let is_alone = |book: &Book| book.under_way == 1 && book.commands == asked.command;
    let Some(stored) = stored.filter(|_| !is_deleted) else { return Ok(()) };
    if !judge.pipelines.get(id).is_some_and(is_alone) {
        return Ok(());
    }
    match asked.operation {
        Operation::PutPipelineDefinition => {
            let put = |objects: &Value| {
                let default = objects.as_array()?.iter().find(|object| object["id"] == "Default")?;
                let put = default["fields"].as_array()?.iter().find(|field| field["key"] == "myPut")?;
                Some(put["stringValue"].as_str()?.to_owned())
            };
            let kept = latest.and_then(|it| Some(it.object("Default")?.string("myPut")?.to_owned()));
            match kept == put(&asked.body["pipelineObjects"]) {
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
        _ => status_set(&judge, asked, &stored),
    }
}

fn status_set(judge: &super::Judge, asked: &Asked, stored: &Pipeline) -> Result<(), String> {
    let status = text(&asked.body, "status");
    let components = asked.body["objectIds"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if matches!(status, "PAUSE" | "RESUME") {
        let wrong = components.into_iter().find(|id| stored.paused.contains(*id) != (status == "PAUSE"));
        return wrong.map_or(Ok(()), |id| Err(format!("{status} of {id} is not stored")));
    }
    for (id, generation) in &asked.generations {
        let instance = judge.runs_of(stored.id.as_str()).find_map(|run| run.instance(id.as_str()));
        let Some(instance) = instance else { return Err(format!("{id} is not stored")) };
        let is_kept = match status {
            "RERUN" => instance.generation > *generation,
            "MARK_FINISHED" => instance.word() == Status::Finished,
            // What is at work is told by its next report.
            _ => instance.is_final() || instance.canceling.is_some(),
        };
        if !is_kept {
            return Err(format!("{status} of {id} is not stored: it is {}", instance.word()));
        }
    }
    Ok(())
}

fn refused(world: &World, asked: &Asked, error: &ServiceError) -> Result<(), String> {
    if let ServiceError::Internal(cause) = error {
        let text = format!("{cause:#}");
        // A fault of ours has a cause of ours.
        return if is_made_up(&text) { Ok(()) } else { Err(format!("nobody caused this: {text}")) };
    }
    let (ServiceError::TaskNotFound(text), Some(task)) = (error, &asked.task) else { return Ok(()) };
    let judge = world.judge();
    let holds =
        |attempt: &Attempt| attempt.leases == task.lease && !attempt.is_free() && attempt.runner().is_some();
    let now = judge.attempt(task).is_some_and(|(_, attempt)| holds(attempt));
    match asked.held.as_ref().is_some_and(holds) && now {
        true => Err(format!("{task} was refused to its holder: {text}")),
        false => Ok(()),
    }
}

/// Returns whether an error is one that the simulation made up, or the full disk that it brought about.
pub(in super::super) fn is_made_up(text: &str) -> bool {
    text.contains(SIMULATED) || text.contains("database or disk is full")
}
