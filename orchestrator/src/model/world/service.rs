//! The pipeline service and the topic of the world.

use definition::Definition;

use super::{LISTED, Pipeline, WorldEdges, WorldState};
use crate::ledger::Facts;
use crate::ports::{
    Description, InstanceStatus, NewPipeline, Notice, Page, PipelineError, PipelineName, Pipelines, Refusal,
    Topic,
};

fn gone(id: &str) -> PipelineError {
    PipelineError::Gone(format!("Pipeline with id: {id} does not exist"))
}

impl WorldState {
    fn pipeline(&mut self, id: &str) -> Result<&mut Pipeline, PipelineError> {
        let mut existing = self.pipelines.iter_mut().filter(|pipeline| !pipeline.is_deleted);
        existing.find(|pipeline| pipeline.id == id).ok_or_else(|| gone(id))
    }

    fn activate(&mut self, id: &str) -> Result<(), PipelineError> {
        let milliseconds = self.milliseconds;
        let pipeline = self.pipeline(id)?;
        if !pipeline.has_definition {
            return Err(PipelineError::Refused("Pipeline definition is empty: ".to_owned()));
        }
        let second_time = pipeline.activated_at.is_some();
        pipeline.activated_at.get_or_insert(milliseconds);
        pipeline.state = "SCHEDULED";
        let name = pipeline.new.name.clone();
        if second_time {
            self.violations.push(format!("{id} ({name}) was activated twice"));
        }
        let definition = |name: &str| name.split('/').next().map(str::to_owned);
        let is_at_work = |it: &&Pipeline| {
            it.state == "SCHEDULED" && !it.is_deleted && definition(&it.new.name) == definition(&name)
        };
        let at_work: Vec<_> = self.pipelines.iter().filter(is_at_work).collect();
        if at_work.len() > 1 {
            let names: Vec<_> = at_work.iter().map(|it| it.new.name.as_str()).collect();
            self.violations
                .push(format!("runs of one definition are at work together: {}", names.join(", ")));
        }
        Ok(())
    }
}

impl Pipelines for WorldEdges {
    /// Lists two pipelines a page.
    async fn names_page(&self, marker: Option<String>) -> Result<Page<PipelineName>, PipelineError> {
        let from = marker.map_or(0, |marker| marker.parse().unwrap());
        let names = |world: &mut WorldState| {
            let page = world.pipelines.iter().skip(from).take(LISTED).filter(|it| !it.is_deleted);
            let page = page.map(|it| PipelineName { id: it.id.clone(), name: it.new.name.clone() });
            let has_more = world.pipelines.len() > from + LISTED;
            (page.collect(), has_more.then(|| (from + LISTED).to_string()))
        };
        Ok(self.act(names).await?)
    }

    async fn describe(&self, ids: &[String]) -> Result<Vec<Description>, PipelineError> {
        let describe = |world: &mut WorldState| {
            let existing = world.pipelines.iter().filter(|it| !it.is_deleted && ids.contains(&it.id));
            let description = |pipeline: &Pipeline| Description {
                id: pipeline.id.clone(),
                name: pipeline.new.name.clone(),
                state: pipeline.state.to_owned(),
                tags: pipeline.new.tags.clone(),
            };
            existing.map(description).collect()
        };
        Ok(self.act(describe).await?)
    }

    async fn has_failures(&self, id: &str) -> Result<bool, PipelineError> {
        self.act(|world| Ok(world.pipeline(id)?.instance_status() == "FAILED")).await?
    }

    async fn instances(&self, id: &str) -> Result<Vec<InstanceStatus>, PipelineError> {
        self.act(|world| {
            let pipeline = world.pipeline(id)?;
            let status = pipeline.instance_status().to_owned();
            let error_id = pipeline.error_id.map(str::to_owned);
            Ok(vec![InstanceStatus { id: "@Say".to_owned(), status, needs: Vec::new(), error_id }])
        })
        .await?
    }

    async fn facts(&self, id: &str) -> Result<Facts, PipelineError> {
        self.act(|world| world.pipeline(id).map(|_| Facts { rows_loaded: 1, ..Facts::default() })).await?
    }

    async fn create(&self, new: &NewPipeline) -> Result<String, PipelineError> {
        self.act(|world| {
            let mut existing = world.pipelines.iter().filter(|pipeline| !pipeline.is_deleted);
            let same = |it: &&Pipeline| it.new.name == new.name && it.new.unique_id == new.unique_id;
            if let Some(known) = existing.find(same) {
                return Ok(known.id.clone());
            }
            let id = format!("df-{}", world.pipelines.len());
            world.pipelines.push(Pipeline {
                id: id.clone(),
                new: new.clone(),
                state: "PENDING",
                is_deleted: false,
                has_definition: false,
                activated_at: None,
                failed: false,
                error_id: None,
            });
            Ok(id)
        })
        .await?
    }

    async fn put_definition(&self, id: &str, _: &Definition) -> Result<Vec<Refusal>, PipelineError> {
        self.act(|world| {
            if world.answers_no_definitions {
                return Err(PipelineError::Unanswered(anyhow::anyhow!("no answer")));
            }
            if world.refuses_definitions {
                return Ok(vec![Refusal { object: "Say".to_owned(), message: "no".to_owned() }]);
            }
            world.pipeline(id)?.has_definition = true;
            Ok(Vec::new())
        })
        .await?
    }

    async fn activate(&self, id: &str) -> Result<(), PipelineError> {
        self.act_unless_busy(|world| world.activate(id), false).await?
    }

    async fn delete(&self, id: &str) -> Result<(), PipelineError> {
        self.act(|world| {
            if let Ok(pipeline) = world.pipeline(id) {
                let is_at_work = pipeline.state == "SCHEDULED";
                pipeline.is_deleted = true;
                if is_at_work && !world.lets_runs_be_replaced {
                    world.violations.push(format!("{id} was deleted at work"));
                }
            }
        })
        .await?;
        Ok(())
    }
}

impl Topic for WorldEdges {
    async fn publish(&self, notice: &Notice) -> anyhow::Result<()> {
        self.act(|world| world.notices.push(notice.clone())).await?;
        Ok(())
    }
}
