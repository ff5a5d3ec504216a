//! The operator of one pipeline: creates and activates it, and uses every other operation on it at any time.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definitions::Recipe;
use super::network::Reply;
use super::world::World;
use crate::ops::Operation;

/// An action of the operator on the pipeline.
#[derive(Clone, Copy, Debug)]
enum OperatorAction {
    Activate,
    ActivateLater,
    Deactivate,
    DeactivateGently,
    Change,
    Delete,
    Read,
    Cancel,
    TryCancel,
    Rerun,
    MarkFinished,
    Pause,
    Resume,
}

const ACTIONS: [OperatorAction; 17] = [
    OperatorAction::Activate,
    OperatorAction::Activate,
    OperatorAction::ActivateLater,
    OperatorAction::Deactivate,
    OperatorAction::DeactivateGently,
    OperatorAction::Change,
    OperatorAction::Delete,
    OperatorAction::Read,
    OperatorAction::Cancel,
    OperatorAction::TryCancel,
    OperatorAction::Rerun,
    OperatorAction::Rerun,
    OperatorAction::Rerun,
    OperatorAction::MarkFinished,
    OperatorAction::Pause,
    OperatorAction::Resume,
    OperatorAction::Resume,
];

/// The largest number of tries to resume everything. Without a limit, the operator would never end if every activation
/// is refused.
const MOST_RESUMES: usize = 30;

struct Operator {
    world: Arc<World>,
    pipeline: String,
    recipe: Recipe,
    puts: usize,
}

/// Creates a pipeline, does at most `actions` actions on it, waits until all faults have ended, and resumes everything.
pub(super) async fn operate(world: Arc<World>, number: usize, actions: usize) {
    let recipe = Recipe::new(&world.dice, None);
    let name = format!("p{number}");
    let pipeline = loop {
        let body = json!({ "name": name, "uniqueId": name });
        match world.insist(Operation::CreatePipeline, body).await {
            Reply::Done(answer) => break answer["pipelineId"].as_str().unwrap_or_default().to_owned(),
            reply => world.line(format!("no pipeline yet: {reply:?}")),
        }
    };
    let mut operator = Operator { world, pipeline, recipe, puts: 0 };
    operator.put().await;
    let start = operator.world.dice.chance(150).then(|| operator.some_start());
    operator.activate(start).await;
    for _ in 0..actions {
        tokio::time::sleep(operator.world.dice.seconds(5, 1_500)).await;
        if operator.world.is_calm() {
            break;
        }
        let action = *operator.world.dice.one_of(&ACTIONS);
        operator.world.note(&format!("operator {action:?}"), operator.pipeline.clone());
        operator.act(action).await;
    }
    while !operator.world.is_calm() {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    operator.resume_all().await;
}

impl Operator {
    async fn act(&mut self, action: OperatorAction) {
        match action {
            OperatorAction::Activate => self.activate(None).await,
            OperatorAction::ActivateLater => self.activate(Some(self.some_start())).await,
            OperatorAction::Deactivate | OperatorAction::DeactivateGently => {
                let cancel = matches!(action, OperatorAction::Deactivate);
                let body = json!({ "pipelineId": self.pipeline, "cancelActive": cancel });
                self.send(Operation::DeactivatePipeline, body).await;
            }
            OperatorAction::Change => {
                let recipe = Recipe::new(&self.world.dice, Some(&self.recipe));
                self.recipe = recipe;
                self.put().await;
            }
            // Deletions are rare, because nothing happens to a deleted pipeline. The other deletions only read.
            OperatorAction::Delete if self.world.dice.chance(200) => {
                self.send(Operation::DeletePipeline, json!({ "pipelineId": self.pipeline })).await;
            }
            OperatorAction::Delete | OperatorAction::Read => self.read().await,
            OperatorAction::Cancel => self.set_status("CANCEL").await,
            OperatorAction::TryCancel => self.set_status("TRY_CANCEL").await,
            OperatorAction::Rerun => self.set_status("RERUN").await,
            OperatorAction::MarkFinished => self.set_status("MARK_FINISHED").await,
            OperatorAction::Pause => self.pause_or_resume("PAUSE").await,
            OperatorAction::Resume => self.pause_or_resume("RESUME").await,
        }
    }

    async fn send(&self, operation: Operation, body: Value) -> Reply {
        self.world.insist(operation, body).await
    }

    async fn put(&mut self) {
        self.puts += 1;
        let body = json!({ "pipelineId": self.pipeline, "pipelineObjects": self.recipe.objects(self.puts) });
        if let Reply::Done(answer) = self.send(Operation::PutPipelineDefinition, body).await
            && answer["errored"] == true
            && self.puts == 1
        {
            // The first definition must be valid. A later one may be refused, because AWS forbids some changes of
            // an activated definition.
            self.world.rule_broken(format!("the simulation made a definition with errors: {answer}"));
        }
    }

    async fn activate(&self, start: Option<i64>) {
        let mut body = json!({ "pipelineId": self.pipeline });
        if let Some(start) = start {
            body["startTimestamp"] = start.into();
        }
        self.send(Operation::ActivatePipeline, body).await;
    }

    /// Returns a time up to an hour before or after now, in seconds since 1970.
    fn some_start(&self) -> i64 {
        let ahead = self.world.dice.seconds(0, 7_200).as_secs();
        self.world.now().as_second() + i64::try_from(ahead).unwrap_or_default() - 3_600
    }

    /// Returns the ids of one or two instances of the pipeline, by chance. All of them are final if `are_final` is true,
    /// otherwise none is. Returns no ids if there are no such instances.
    fn some_instances(&self, are_final: bool) -> Vec<String> {
        let judge = self.world.judge();
        let instances = judge.runs_of(&self.pipeline).flat_map(|run| run.instances());
        let of_kind = instances.filter(|it| it.is_final() == are_final).map(|it| it.id.to_string());
        let mut ids: Vec<_> = of_kind.collect();
        drop(judge);
        let dice = &self.world.dice;
        let wanted = 1 + dice.below(2);
        while ids.len() > wanted {
            ids.swap_remove(dice.below(ids.len()));
        }
        ids
    }

    async fn set_status(&self, status: &str) {
        let are_final = match status {
            "RERUN" => true,
            "MARK_FINISHED" => self.world.dice.chance(500),
            _ => false,
        };
        let ids = self.some_instances(are_final);
        if !ids.is_empty() {
            self.send_status(status, ids).await;
        }
    }

    async fn send_status(&self, status: &str, ids: Vec<String>) {
        let body = json!({ "pipelineId": self.pipeline, "objectIds": ids, "status": status });
        self.send(Operation::SetStatus, body).await;
    }

    async fn pause_or_resume(&self, status: &str) {
        let component = self.world.dice.one_of(&self.recipe.components).clone();
        self.send_status(status, vec![component]).await;
    }

    async fn read(&self) {
        let body = json!({ "pipelineId": self.pipeline, "sphere": "INSTANCE" });
        let Reply::Done(answer) = self.send(Operation::QueryObjects, body).await else { return };
        let ids: Vec<_> = answer["ids"].as_array().into_iter().flatten().take(20).cloned().collect();
        if !ids.is_empty() {
            let body = json!({ "pipelineId": self.pipeline, "objectIds": ids });
            self.send(Operation::DescribeObjects, body).await;
        }
        self.send(Operation::DescribePipelines, json!({ "pipelineIds": [self.pipeline] })).await;
    }

    /// Resumes all paused components and suspended runs, because these runs would never end otherwise. A failed request is
    /// repeated, because the disk may still be full for some time.
    async fn resume_all(&self) {
        let id = engine::PipelineId::from(self.pipeline.as_str());
        for _ in 0..MOST_RESUMES {
            let stored = store::Store::pipeline(&self.world.disk, &id).await.expect("the disk reads");
            let paused: Vec<_> = stored.into_iter().flat_map(|stored| stored.paused).collect();
            let has_suspended_run =
                self.world.judge().runs_of(&self.pipeline).any(|run| run.header().is_suspended);
            if paused.is_empty() && !has_suspended_run {
                break;
            }
            for component in paused {
                self.send_status("RESUME", vec![component.to_string()]).await;
            }
            if has_suspended_run {
                self.activate(None).await;
            }
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
    }
}
