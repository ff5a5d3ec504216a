//! The operator of one pipeline: makes it, activates it, and interferes with it in every way that the API has.

use std::sync::Arc;

use serde_json::{Value, json};

use super::definitions::Recipe;
use super::network::Told;
use super::world::World;
use crate::ops::Operation;

/// What an operator does to a pipeline that is there.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Activate,
    ActivateLater,
    Deactivate,
    DeactivateGently,
    Change,
    Delete,
    Look,
    Cancel,
    TryCancel,
    Rerun,
    MarkFinished,
    Pause,
    Resume,
}

const DEEDS: [Deed; 17] = [
    Deed::Activate,
    Deed::Activate,
    Deed::ActivateLater,
    Deed::Deactivate,
    Deed::DeactivateGently,
    Deed::Change,
    Deed::Delete,
    Deed::Look,
    Deed::Cancel,
    Deed::TryCancel,
    Deed::Rerun,
    Deed::Rerun,
    Deed::Rerun,
    Deed::MarkFinished,
    Deed::Pause,
    Deed::Resume,
    Deed::Resume,
];

/// So often is everything let go on; an activation may be refused for good.
const LET_GO_ON: usize = 30;

struct Operator {
    world: Arc<World>,
    pipeline: String,
    recipe: Recipe,
    puts: usize,
}

/// Makes a pipeline and does things to it until the world is calm; then lets everything go on.
pub(super) async fn operate(world: Arc<World>, number: usize, deeds: usize) {
    let recipe = Recipe::new(&world.dice, None);
    let name = format!("p{number}");
    let pipeline = loop {
        let body = json!({ "name": name, "uniqueId": name });
        match world.insist(Operation::CreatePipeline, body).await {
            Told::Done(answer) => break answer["pipelineId"].as_str().unwrap_or_default().to_owned(),
            told => world.line(format!("no pipeline yet: {told:?}")),
        }
    };
    let mut operator = Operator { world, pipeline, recipe, puts: 0 };
    operator.put().await;
    let start = operator.world.dice.chance(150).then(|| operator.some_start());
    operator.activate(start).await;
    for _ in 0..deeds {
        tokio::time::sleep(operator.world.dice.seconds(5, 1_500)).await;
        if operator.world.is_calm() {
            break;
        }
        let deed = *operator.world.dice.one_of(&DEEDS);
        operator.world.note(&format!("operator {deed:?}"), operator.pipeline.clone());
        operator.act(deed).await;
    }
    while !operator.world.is_calm() {
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    operator.let_all_go_on().await;
}

impl Operator {
    async fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Activate => self.activate(None).await,
            Deed::ActivateLater => self.activate(Some(self.some_start())).await,
            Deed::Deactivate | Deed::DeactivateGently => {
                let cancel = matches!(deed, Deed::Deactivate);
                let body = json!({ "pipelineId": self.pipeline, "cancelActive": cancel });
                self.send(Operation::DeactivatePipeline, body).await;
            }
            Deed::Change => {
                let recipe = Recipe::new(&self.world.dice, Some(&self.recipe));
                self.recipe = recipe;
                self.put().await;
            }
            Deed::Delete if self.world.dice.chance(200) => {
                self.send(Operation::DeletePipeline, json!({ "pipelineId": self.pipeline })).await;
            }
            Deed::Delete | Deed::Look => self.look().await,
            Deed::Cancel => self.set_status("CANCEL").await,
            Deed::TryCancel => self.set_status("TRY_CANCEL").await,
            Deed::Rerun => self.set_status("RERUN").await,
            Deed::MarkFinished => self.set_status("MARK_FINISHED").await,
            Deed::Pause => self.pause("PAUSE").await,
            Deed::Resume => self.pause("RESUME").await,
        }
    }

    async fn send(&self, operation: Operation, body: Value) -> Told {
        self.world.insist(operation, body).await
    }

    async fn put(&mut self) {
        self.puts += 1;
        let body = json!({ "pipelineId": self.pipeline, "pipelineObjects": self.recipe.objects(self.puts) });
        if let Told::Done(answer) = self.send(Operation::PutPipelineDefinition, body).await
            && answer["errored"] == true
            && self.puts == 1
        {
            // What is made up here is meant to run.
            self.world.accuse(format!("a definition was made up that is none: {answer}"));
        }
    }

    async fn activate(&self, start: Option<i64>) {
        let mut body = json!({ "pipelineId": self.pipeline });
        if let Some(start) = start {
            body["startTimestamp"] = start.into();
        }
        self.send(Operation::ActivatePipeline, body).await;
    }

    /// Returns a time within an hour or so, past or to come.
    fn some_start(&self) -> i64 {
        let ahead = self.world.dice.seconds(0, 7_200).as_secs();
        self.world.now().as_second() + i64::try_from(ahead).unwrap_or_default() - 3_600
    }

    /// Returns one or two instances, final ones or others.
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

    async fn pause(&self, status: &str) {
        let component = self.world.dice.one_of(&self.recipe.components).clone();
        self.send_status(status, vec![component]).await;
    }

    async fn look(&self) {
        let body = json!({ "pipelineId": self.pipeline, "sphere": "INSTANCE" });
        let Told::Done(answer) = self.send(Operation::QueryObjects, body).await else { return };
        let ids: Vec<_> = answer["ids"].as_array().into_iter().flatten().take(20).cloned().collect();
        if !ids.is_empty() {
            let body = json!({ "pipelineId": self.pipeline, "objectIds": ids });
            self.send(Operation::DescribeObjects, body).await;
        }
        self.send(Operation::DescribePipelines, json!({ "pipelineIds": [self.pipeline] })).await;
    }

    /// Nothing ends that is paused, or left by a deactivation. What fails is tried again: a disk may be full for a while
    /// yet.
    async fn let_all_go_on(&self) {
        let id = engine::PipelineId::from(self.pipeline.as_str());
        for _ in 0..LET_GO_ON {
            let stored = store::Store::pipeline(&self.world.disk, &id).await.expect("the disk reads");
            let paused: Vec<_> = stored.into_iter().flat_map(|stored| stored.paused).collect();
            let is_left = self.world.judge().runs_of(&self.pipeline).any(|run| run.header().is_suspended);
            if paused.is_empty() && !is_left {
                break;
            }
            for component in paused {
                self.send_status("RESUME", vec![component.to_string()]).await;
            }
            if is_left {
                self.activate(None).await;
            }
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
        }
    }
}
