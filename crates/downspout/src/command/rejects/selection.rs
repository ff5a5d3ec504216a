//! The refused rows that a command is about, and the places where they are.

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
    #[command(flatten)]
    databases: by_hand::Databases,
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
    /// A load whose refused rows cannot be read, and why.
    Unreadable(String),
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
            let why = failed(run, instance, &table);
            return RejectsSource::new(of_run, table, SourceKind::Unreadable(why)).map(Some);
        }
        let scratch = tempfile::tempdir()?;
        let load =
            match by_hand::of_run(endpoints, run, instance, &self.settings, &self.databases, scratch.path())
                .await
            {
                Ok(Some(load)) => load,
                Ok(None) => return Ok(None),
                // One run that cannot be read does not hide the others.
                Err(error) if self.run.is_none() => {
                    let kind = SourceKind::Unreadable(format!("{error:#}"));
                    return RejectsSource::new(of_run, table, kind).map(Some);
                }
                Err(error) => return Err(error),
            };
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
            SourceKind::Unreadable(why) => anyhow::bail!("{why}"),
        })
    }

    /// Returns the refused rows by file; none if they cannot be read.
    pub(super) async fn files(&self, selection: &Selection) -> anyhow::Result<Vec<RefusedFile>> {
        let pipeline = self.of_run.as_ref().map(|(run, _)| run.pipeline_id.clone());
        let pipeline = pipeline.or_else(|| selection.run.clone());
        Ok(match &self.kind {
            SourceKind::Load(load) => load.files(&self.pool, pipeline.as_deref()).await?,
            SourceKind::Table(url) => {
                let wanted = Wanted { pipeline, open: false, limit: Some(0) };
                worker::refused_rows(url, (None, &self.table), &wanted, &self.pool).await?.0
            }
            SourceKind::Unreadable(_) => Vec::new(),
        })
    }

    /// Returns why the refused rows cannot be read, if so.
    pub(super) fn why_unreadable(&self) -> Option<&str> {
        match &self.kind {
            SourceKind::Unreadable(why) => Some(why),
            SourceKind::Load(_) | SourceKind::Table(_) => None,
        }
    }
}

/// Returns why the refused rows of a load that failed cannot be shown or retried.
fn failed(run: &RunView, instance: &InstanceView, table: &str) -> String {
    let message = instance.error_message.as_deref().unwrap_or_default();
    let at = message.rsplit_once("the refused rows are in ").map(|(_, at)| at.trim_end());
    let at = at.map(|at| format!("; its refused rows are in {at} (`downspout get`)")).unwrap_or_default();
    format!(
        "{} of {} ended as {}, so none of its rows are in {table}{at}; mend the file itself, and use `downspout rerun {}`",
        instance.component, run.pipeline_id, instance.status, run.pipeline_id
    )
}
