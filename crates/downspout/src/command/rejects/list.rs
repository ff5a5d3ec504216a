//! `rejects list` and `rejects show`.

use ec2_worker::etl::rejected::{RefusedFile, RefusedRow};
use serde::Serialize;

use super::super::Exit;
use super::super::output::{self, Style};
use super::ShowArgs;
use super::selection::{RejectsSource, Selection};
use crate::local::stack::Endpoints;

/// The refused rows of one activity of one run, or of one table.
#[derive(Serialize)]
struct Listed {
    pipeline_id: Option<String>,
    activity: Option<String>,
    table: String,
    /// The CSV file of the run with all its refused rows.
    quarantine: Option<String>,
    /// The reason why the rows cannot be read: the load failed, or its database cannot be reached.
    problem: Option<String>,
    files: Vec<RefusedFile>,
}

pub(super) async fn list(
    endpoints: &Endpoints,
    selection: &Selection,
    is_json: bool,
) -> anyhow::Result<Exit> {
    let mut listed = Vec::new();
    for source in selection.sources(endpoints).await? {
        listed.push(of(&source, source.files(selection).await?));
    }
    listed.retain(|listed| !listed.files.is_empty() || listed.problem.is_some());
    if is_json {
        output::json(&listed)?;
    } else if listed.is_empty() {
        output::line(&selection.nothing())?;
    } else {
        output::print(&listed.iter().map(text).collect::<String>())?;
    }
    Ok(Exit::Done)
}

fn of(source: &RejectsSource, files: Vec<RefusedFile>) -> Listed {
    let (run, instance) = source.of_run.as_ref().map(|(run, instance)| (run, instance)).unzip();
    Listed {
        pipeline_id: run.map(|run| run.pipeline_id.clone()),
        activity: instance.map(|instance| instance.component.clone()),
        table: source.table.clone(),
        quarantine: instance.and_then(|instance| instance.text("rejectsFile")).map(str::to_owned),
        problem: source.why_unreadable().map(str::to_owned),
        files,
    }
}

fn text(listed: &Listed) -> String {
    let of_run = listed.pipeline_id.as_ref().zip(listed.activity.as_ref());
    let of_run = of_run.map(|(run, activity)| format!("{run}  {activity}  ")).unwrap_or_default();
    let mut lines = vec![output::paint(&format!("{of_run}{}", listed.table), Style::Bold)];
    lines.extend(listed.problem.as_ref().map(|why| format!("  {}", output::harmless(why))));
    for file in &listed.files {
        let run =
            if listed.pipeline_id.is_none() { format!("{}  ", file.pipeline_id) } else { String::new() };
        let retried = match file.retried {
            0 => String::new(),
            count => format!(", {} loaded by a retry", counted(count)),
        };
        lines.push(format!(
            "  {run}{}: {} refused{retried}",
            output::harmless(&file.file),
            counted(file.refused)
        ));
        let reason = |(reason, count): &(String, i64)| {
            format!("    {} x {}", counted(*count), output::harmless(reason).replace('\n', " "))
        };
        lines.extend(file.reasons.iter().map(reason));
    }
    lines.extend(listed.quarantine.as_ref().map(|at| format!("  quarantine: {at}")));
    lines.into_iter().map(|line| line + "\n").collect()
}

fn counted(number: i64) -> String {
    output::count(u64::try_from(number).unwrap_or_default())
}

pub(super) async fn show(endpoints: &Endpoints, args: &ShowArgs) -> anyhow::Result<Exit> {
    args.selection.must_select("show")?;
    anyhow::ensure!(args.limit > 0, "--limit is {}: give a number from 1", args.limit);
    let mut rows: Vec<RefusedRow> = Vec::new();
    for source in args.selection.sources(endpoints).await? {
        rows.extend(source.rows(&args.selection, !args.all, Some(args.limit + 1)).await?);
    }
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let has_more = rows.len() > most;
    rows.truncate(most);
    if args.json {
        output::json(&rows)?;
    } else if rows.is_empty() {
        output::line(&args.selection.nothing())?;
    } else {
        output::print(&rows.iter().map(|row| shown(row, args.selection.run.is_none())).collect::<String>())?;
        if has_more {
            output::line(&format!("and more: --limit shows more than {}", args.limit))?;
        }
    }
    Ok(Exit::Done)
}

fn shown(row: &RefusedRow, has_run: bool) -> String {
    let run = if has_run { format!("{}  ", row.pipeline_id) } else { String::new() };
    let column = row.column_name.as_ref().map(|column| format!(", column {column}")).unwrap_or_default();
    let retried =
        row.retried_at.as_ref().map(|at| format!(" (loaded by a retry at {at})")).unwrap_or_default();
    let text = output::harmless(&row.raw_line).replace('\n', "\\n");
    let line = format!("{run}{}, line {}{column}: {}{retried}", row.file, row.line, row.reason);
    format!("{}\n    {text}\n", output::harmless(&line).replace('\n', " "))
}
