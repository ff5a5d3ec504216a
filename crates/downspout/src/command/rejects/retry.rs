//! `rejects retry`: loads mended rows.

use anyhow::Context;
use definition::counted::counted;
use ec2_worker::by_hand::TableLoad;
use ec2_worker::database::Pool;
use ec2_worker::etl::load::retry::{Mended, Retried};
use ec2_worker::etl::rejected::RefusedFile;
use ec2_worker::storage::Storage;
use serde_json::json;

use super::super::output::{self, Style};
use super::super::run_view::{InstanceView, RunView};
use super::super::{Exit, by_hand};
use super::{RetryArgs, file, selection};
use crate::local::stack::Endpoints;

pub(super) async fn run(endpoints: &Endpoints, args: &RetryArgs) -> anyhow::Result<Exit> {
    let name = args.from.to_string();
    let mended = file::mended(&name, &args.from.read(endpoints).await?, &args.run)?;
    let run = RunView::load(&endpoints.datapipeline(), &args.run).await?;
    let run = run.with_context(|| {
        format!(
            "there is no pipeline {}: `downspout runs` lists the pipelines; without its definition, its rows cannot be loaded",
            args.run
        )
    })?;
    let instance = instance(&run, &args.activity)?;
    let scratch = tempfile::tempdir()?;
    let load =
        by_hand::of_run(endpoints, &run, instance, &args.settings, &args.databases, scratch.path()).await?;
    let load = load.with_context(|| {
        format!("{} does not load files into a table, so it has no refused rows to retry", instance.component)
    })?;
    ensure_own(endpoints, args, &run, (instance, &load), &mended).await?;
    let storage = Storage::new(endpoints.s3());
    let retried = load.retry(&storage, &mended, args.over_newer, &Pool::default()).await;
    let retried = retried.with_context(|| format!("retrying rows of {}", instance.component))?;
    match args.json {
        true => output::json(&json!({
            "table": retried.table,
            "loaded": retried.loaded,
            "refused": retried.refused,
            "notes": retried.notes,
        }))?,
        false => output::print(&text(&retried))?,
    }
    Ok(if retried.refused.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Fails if the file has rows that another activity of the run refused. The message names that activity.
async fn ensure_own(
    endpoints: &Endpoints,
    args: &RetryArgs,
    run: &RunView,
    (instance, load): (&InstanceView, &TableLoad),
    mended: &[Mended],
) -> anyhow::Result<()> {
    let pool = Pool::default();
    let own = load.files(&pool, Some(&args.run)).await?;
    let has = |files: &[RefusedFile], row: &Mended| files.iter().any(|file| file.file == row.row.file);
    let Some(foreign) = mended.iter().find(|row| !has(&own, row)) else { return Ok(()) };
    for other in run.instances.iter().filter(|other| other.id != instance.id && other.status == "FINISHED") {
        let scratch = tempfile::tempdir()?;
        let load = by_hand::of_run(endpoints, run, other, &args.settings, &args.databases, scratch.path());
        // An activity that cannot be read hides only itself.
        let Ok(Some(load)) = load.await else { continue };
        if load.files(&pool, Some(&args.run)).await.is_ok_and(|files| has(&files, foreign)) {
            let (other, wanted) = (&other.component, &args.activity);
            anyhow::bail!(
                "{}: this row is one of {other}, not of {wanted}: retry its rows with `--activity {other}`, each activity with a \
                 file of its own, which `downspout rejects export` writes with `--activity`",
                foreign.place
            );
        }
    }
    Ok(())
}

/// Returns the instance that refused the rows.
fn instance<'a>(run: &'a RunView, id: &str) -> anyhow::Result<&'a InstanceView> {
    let found: Vec<&InstanceView> =
        run.instances.iter().filter(|instance| selection::is(instance, id)).collect();
    let instance = match found[..] {
        [instance] => instance,
        [] => {
            let names = run.instances.iter().filter(|instance| instance.kind == "CopyActivity");
            let names: Vec<&str> = names.map(|instance| instance.component.as_str()).collect();
            anyhow::bail!("{} has no activity {id}; its loads are: {}", run.pipeline_id, names.join(", "))
        }
        [_, _, ..] => {
            let ids: Vec<&str> = found.iter().map(|instance| instance.id.as_str()).collect();
            anyhow::bail!("{id} ran several times; give one of its instances: {}", ids.join(", "))
        }
    };
    anyhow::ensure!(
        instance.status == "FINISHED",
        "{id} of {} is {}, so none of its rows are in the table: mend the file itself, and use `downspout rerun {}`",
        run.pipeline_id,
        instance.status,
        run.pipeline_id
    );
    Ok(instance)
}

fn text(retried: &Retried) -> String {
    let Retried { table, loaded, refused, notes } = retried;
    let mut lines = vec![format!("{} loaded into {table}", counted(output::count(*loaded), "row"))];
    if !refused.is_empty() {
        let count = output::count(refused.len() as u64);
        lines.push(output::paint(&format!("{count} refused again:"), Style::Warn));
    }
    lines.extend(refused.iter().map(|row| {
        let column = row.column_name.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
        output::harmless(&format!("  {}, line {}{column}: {}", row.file, row.line, row.reason))
    }));
    lines.extend(notes.iter().map(|note| format!("note: {}", output::harmless(note))));
    lines.into_iter().map(|line| line + "\n").collect()
}
