//! Which refused rows a command is about, and where they are.

use clap::Args;
use ec2_worker::by_hand::{self as worker, TableLoad};
use ec2_worker::database::Pool;
use ec2_worker::etl::rejected::{RefusedFile, RefusedRow, Wanted};

use super::super::by_hand;
use super::super::definition_file::Setting;
use super::super::run_view::{self, InstanceView, RunView};
use crate::local::stack::Endpoints;

/// The refused rows of a run, of an activity, or of a table.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Only the rows that this run refused: the id of its pipeline, `df-...`
    #[arg(long, value_name = "ID")]
    pub(super) run: Option<String>,
    /// Only the rows that this activity refused
    #[arg(long, value_name = "ID", requires = "run", conflicts_with = "table")]
    pub(super) activity: Option<String>,
    /// Only the rows of this table, of all runs, in the database of the stack; also those of deleted pipelines
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(super) table: Option<String>,
    /// Value of a parameter, such as a password; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
}

/// A table with refused rows.
pub(super) struct RejectsSource {
    /// The run and the instance, unless the source is a table of its own.
    pub(super) of_run: Option<(RunView, InstanceView)>,
    /// The table for messages.
    pub(super) table: String,
    kind: SourceKind,
    pool: Pool,
    // Holds the folder for as long as the load names it.
    _scratch: tempfile::TempDir,
}

enum SourceKind {
    /// The load of an instance.
    Load(Box<TableLoad>),
    /// A load that failed: its refused rows are in the quarantine file alone.
    Failed,
    /// A table in the database with this URL.
    Table(String),
}

impl Selection {
    /// Fails unless the command line says which rows are meant.
    pub(super) fn must_select(&self, command: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.run.is_some() || self.table.is_some(),
            "which rows? Give `downspout rejects {command}` --run ID or --table SCHEMA.TABLE: `downspout rejects list` shows both"
        );
        Ok(())
    }

    /// Returns the sentence that nothing was found.
    pub(super) fn nothing(&self) -> String {
        let of = match (&self.run, &self.table) {
            (Some(run), _) => format!(" of run {run}"),
            (None, Some(table)) => format!(" of {table}"),
            (None, None) => String::new(),
        };
        format!("there are no refused rows{of}")
    }

    /// Finds the tables with refused rows.
    pub(super) async fn sources(&self, endpoints: &Endpoints) -> anyhow::Result<Vec<RejectsSource>> {
        if let Some(table) = &self.table {
            let kind = SourceKind::Table(endpoints.postgres.clone());
            return Ok(vec![RejectsSource::new(None, table.clone(), kind)?]);
        }
        let client = endpoints.datapipeline();
        let ids = match &self.run {
            Some(run) => vec![run.clone()],
            None => run_view::list(&client).await?.into_iter().map(|(id, _)| id).collect(),
        };
        let mut sources = Vec::new();
        for id in ids {
            let Some(run) = RunView::load(&client, &id).await? else {
                // A pipeline can be deleted after it was listed.
                anyhow::ensure!(
                    self.run.is_none(),
                    "there is no pipeline {id}: `downspout runs` lists the pipelines; the rows of a deleted pipeline can be \
                     found with --table"
                );
                continue;
            };
            for instance in &run.instances {
                let is_meant = self.activity.as_ref().is_none_or(|id| is(instance, id));
                if is_meant && instance.number("rowsRejected").unwrap_or_default() > 0 {
                    sources.extend(self.source(endpoints, &run, instance).await?);
                }
            }
        }
        Ok(sources)
    }

    async fn source(
        &self,
        endpoints: &Endpoints,
        run: &RunView,
        instance: &InstanceView,
    ) -> anyhow::Result<Option<RejectsSource>> {
        let of_run = Some((run.clone(), instance.clone()));
        let table = instance.text("loadedTable").unwrap_or_default().to_owned();
        if instance.status != "FINISHED" {
            return RejectsSource::new(of_run, table, SourceKind::Failed).map(Some);
        }
        let scratch = tempfile::tempdir()?;
        let load = by_hand::of_run(endpoints, run, instance, &self.settings, scratch.path()).await?;
        let Some(load) = load else { return Ok(None) };
        let kind = SourceKind::Load(Box::new(load));
        Ok(Some(RejectsSource { of_run, table, kind, pool: Pool::default(), _scratch: scratch }))
    }
}

/// Returns whether `id` names the instance or its activity.
pub(super) fn is(instance: &InstanceView, id: &str) -> bool {
    instance.component == id || instance.id == id
}

impl RejectsSource {
    fn new(of_run: Option<(RunView, InstanceView)>, table: String, kind: SourceKind) -> anyhow::Result<Self> {
        Ok(Self { of_run, table, kind, pool: Pool::default(), _scratch: tempfile::tempdir()? })
    }

    /// Returns the refused rows. `open` leaves out those that a retry has loaded.
    pub(super) async fn rows(
        &self,
        selection: &Selection,
        open: bool,
        limit: Option<i64>,
    ) -> anyhow::Result<Vec<RefusedRow>> {
        let pipeline = self.of_run.as_ref().map(|(run, _)| run.pipeline_id.clone());
        let wanted = Wanted { pipeline: pipeline.or_else(|| selection.run.clone()), open, limit };
        Ok(match &self.kind {
            SourceKind::Load(load) => load.rows(&self.pool, &wanted).await?,
            SourceKind::Table(url) => {
                worker::refused_rows(url, (None, &self.table), &wanted, &self.pool).await?.1
            }
            SourceKind::Failed => anyhow::bail!("{}", self.failed()),
        })
    }

    /// Returns the refused rows by file. A load that failed has none in the database.
    pub(super) async fn files(&self, selection: &Selection) -> anyhow::Result<Vec<RefusedFile>> {
        let pipeline = self.of_run.as_ref().map(|(run, _)| run.pipeline_id.clone());
        let pipeline = pipeline.or_else(|| selection.run.clone());
        Ok(match &self.kind {
            SourceKind::Load(load) => load.files(&self.pool, pipeline.as_deref()).await?,
            SourceKind::Table(url) => {
                let wanted = Wanted { pipeline, open: false, limit: Some(0) };
                worker::refused_rows(url, (None, &self.table), &wanted, &self.pool).await?.0
            }
            SourceKind::Failed => Vec::new(),
        })
    }

    /// Returns why the refused rows of a load that failed cannot be shown or retried.
    pub(super) fn failed(&self) -> String {
        let Some((run, instance)) = &self.of_run else { return String::new() };
        let message = instance.error_message.as_deref().unwrap_or_default();
        let at = message.rsplit_once("the refused rows are in ").map(|(_, at)| at.trim_end());
        let at = at.map(|at| format!("; its refused rows are in {at} (`downspout get`)")).unwrap_or_default();
        format!(
            "{} of {} ended as {}, so none of its rows are in {}{at}; mend the file itself, and use `downspout rerun {}`",
            instance.component, run.pipeline_id, instance.status, self.table, run.pipeline_id
        )
    }

    /// Returns whether the load failed.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.kind, SourceKind::Failed)
    }
}
