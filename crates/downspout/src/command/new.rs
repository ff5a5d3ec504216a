//! `new`: reads data files and writes a pipeline that loads files like them.

mod definition;
mod names;
mod pattern;
mod table;
mod tables;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ::definition::counted::counted;
use anyhow::{Context, bail, ensure};
use clap::Args;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::inspect::report::Report;
use ec2_worker::etl::inspect::verdict::SqlType;
use ec2_worker::etl::inspect::verify::{self, Trial};
use ec2_worker::etl::table::rejects_name;
use ec2_worker::etl::value_rules::ValueRules;

use super::{Exit, definition_file, inspect, output, validate};
use pattern::DropPattern;
use table::FileTable;

const AFTER_HELP: &str = "\
Examples:
  downspout new shop orders.csv customers.csv            shop.json and shop/tables.sql, in this folder
  downspout new shop orders_2026-01-31.csv               the date in the name becomes {day} of the drop pattern
  downspout new shop orders.csv --daily --into pipes     files in incoming/<day>/, and the pipeline in the folder pipes

Then:
  downspout validate shop.json                           check it
  downspout up --definitions .                           run it
  downspout drop orders.csv --wait                       load a file

The whole of each file is read. A column gets a type other than text only if every value of the file has this type and one \
meaning; comments in tables.sql say why. NOT NULL and primary keys are only suggested. Each run adds the rows of its files; \
set myLoadMode in the definition to replace them. Files that exist are never overwritten.

Exit codes: 0 the pipeline is written; 1 a file cannot be read or exists; 2 wrong usage.";

/// Arguments of `new`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct NewArgs {
    /// Name of the pipeline: letters, digits, - and _
    name: String,
    /// Files as they will be dropped; each becomes a table
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Expect the files of each day in a folder, incoming/<day>/, as `downspout drop` uploads them
    #[arg(long)]
    daily: bool,
    /// Folder for the pipeline
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
    /// Name or number of the sheet of workbooks [default: the first]
    #[arg(long)]
    sheet: Option<String>,
}

pub(super) async fn run(args: &NewArgs) -> anyhow::Result<Exit> {
    check_name(&args.name)?;
    let definition = args.into.join(format!("{}.json", args.name));
    let script = args.into.join(&args.name).join("tables.sql");
    for path in [&definition, &script] {
        // An error before the files are read saves time. The writing checks it again.
        ensure!(!path.exists(), "{} exists; choose another name, or remove it", path.display());
    }
    let schema = names::plain(&args.name, "data");
    let mut files = Vec::new();
    for (path, pattern) in patterns(&args.files, args.daily)? {
        let inspection = inspect::of(path, args.sheet.as_deref()).await?;
        files.push(FileTable::of(pattern, inspection, args.sheet.clone()));
    }
    check_tables(&files)?;
    for (index, path) in args.files.iter().enumerate() {
        try_load(path, &args.name, &schema, &mut files, index).await?;
    }
    let text = definition::text(&args.name, &schema, &files)?;
    write(&script, &tables::script(&args.name, &schema, &files))?;
    if let Err(error) = write(&definition, &text) {
        // Without its definition, the script has no use.
        let _ = std::fs::remove_file(&script);
        return Err(error);
    }
    let written = definition_file::read(&definition, &[])?;
    if written.diagnosis.findings.iter().any(|finding| finding.is_error) {
        output::complain!("{}", validate::describe(&written).trim_end());
        bail!("{} is written, but is not fit to run", definition.display());
    }
    print_summary(args, &definition, &script, &files)?;
    Ok(Exit::Done)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_legal = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        && name.len() <= 100;
    ensure!(
        is_legal,
        "`{name}` cannot be the name of a pipeline: use letters, digits, - and _, as in shop-orders"
    );
    ensure!(
        name != "values",
        "`values` cannot be the name of a pipeline: values.json has values for all definitions"
    );
    Ok(())
}

/// Returns the pattern for each file. All patterns must have the same names in braces.
fn patterns(files: &[PathBuf], daily: bool) -> anyhow::Result<Vec<(&Path, DropPattern)>> {
    let mut patterns: Vec<(&Path, DropPattern)> = Vec::new();
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).with_context(|| {
            format!("{} has no name in UTF-8, which the pattern of dropped files needs", path.display())
        })?;
        let pattern = DropPattern::of(name, daily).map_err(anyhow::Error::msg)?;
        if let Some((first, known)) = patterns.first() {
            ensure!(
                known.captures == pattern.captures,
                "the names of {} and {} do not both have a date, or a time, so no day connects them; rename a file, use \
                 --daily, or make a pipeline for each",
                first.display(),
                path.display()
            );
        }
        if let Some((first, _)) = patterns.iter().find(|(_, known)| known.key == pattern.key) {
            bail!(
                "{} and {} have the same drop pattern, {}; name one of them",
                first.display(),
                path.display(),
                pattern.key
            );
        }
        patterns.push((path, pattern));
    }
    if patterns.len() > 1 && patterns[0].1.captures.contains("time") {
        bail!(
            "the names of the files have times, so no two files belong together; make a pipeline for each of them"
        );
    }
    Ok(patterns)
}

fn check_tables(files: &[FileTable]) -> anyhow::Result<()> {
    let mut tables = BTreeSet::new();
    for file in files {
        let (table, name) = (&file.table, &file.inspection.name);
        ensure!(
            tables.insert(table),
            "{name}: another file makes the table `{table}`, too; rename one of them"
        );
        // PostgreSQL has this limit.
        let count = file.columns.len();
        ensure!(count <= 1600, "{name}: it has {count} columns; PostgreSQL allows 1,600");
    }
    for file in files {
        let rejects = rejects_name(&file.table);
        if let Some(other) = files.iter().find(|other| other.table == rejects) {
            bail!(
                "{}: its table `{rejects}` would have the name of the table for the refused rows of {}; rename one of the files",
                other.inspection.name,
                file.inspection.name
            );
        }
    }
    Ok(())
}

/// Reads a file as the load will do, and turns each column into text if the load would refuse one of its values.
async fn try_load(
    path: &Path,
    name: &str,
    schema: &str,
    files: &mut [FileTable],
    index: usize,
) -> anyhow::Result<()> {
    let definition = ::definition::file::parse(&definition::text(name, schema, files)?)?;
    let file = &files[index];
    let ids = definition::Ids::of(&file.table);
    let object = |id: &str| definition.object(id).with_context(|| format!("object `{id}` is missing"));
    let (activity, format) = (object(&ids.load)?, object(&ids.format)?);
    let rules =
        ValueRules::read(activity, Some(format)).map_err(|hindrance| anyhow::anyhow!("{hindrance:?}"))?;
    let rows = &file.inspection.rows;
    let mut nulls = rows.dialect.nulls.clone();
    nulls.extend(ValueRules::nulls(activity, Some(format)).into_iter().map(String::into_bytes));
    let trial = Trial {
        dialect: Dialect { detects: false, nulls, ..rows.dialect.clone() },
        has_header: rows.header.is_some(),
        columns: file.load_columns(),
        rules,
    };
    for (column, reason) in verify::refusals(path, trial).await? {
        files[index].inspection.verdicts[column].obstacle = Some(reason);
    }
    Ok(())
}

/// Writes a new file; an existing one is an error.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let written = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().with_context(|| format!("writing {}", path.display()))
}

fn print_summary(
    args: &NewArgs,
    definition: &Path,
    script: &Path,
    files: &[FileTable],
) -> anyhow::Result<()> {
    output::line(&definition.display().to_string())?;
    output::line(&script.display().to_string())?;
    for file in files {
        let report = Report::of(&file.inspection);
        let rows = counted(output::count(report.rows), "row");
        let columns = counted(file.columns.len(), "column");
        output::line(&format!("  {}: {rows}, {columns}, dropped as {}", report.file, file.pattern.key))?;
        if report.header && !report.header_is_sure {
            output::line(&format!("    {}: the header is a guess; see tables.sql", report.file))?;
        }
        if report.rows == 0 {
            output::line(&format!("    {}: no rows, so every column is text", report.file))?;
        }
        if let Some(doubt) = file.pattern.doubt() {
            output::line(&format!("    {}: {doubt}", report.file))?;
        }
        for found in report.suspicious.iter().filter(|found| found.kind.contains("encoding")) {
            let words = output::harmless(&tables::words(found));
            output::line(&format!("    {}: {}: {words}", report.file, found.message))?;
        }
        for (verdict, name) in file.inspection.verdicts.iter().zip(&file.columns) {
            if let Some(obstacle) = verdict.obstacle.as_ref().filter(|_| verdict.likely != SqlType::Text) {
                output::line(&format!(
                    "    {}: text, because {}",
                    output::harmless(name),
                    output::harmless(obstacle)
                ))?;
            }
        }
        let refused = report.suspicious.iter().filter(|found| matches!(found.kind, "width" | "text"));
        for found in refused {
            output::line(&format!(
                "    a load refuses {}: {}; `downspout inspect` shows where",
                counted(found.count, "record"),
                found.message
            ))?;
        }
    }
    let prefix = if args.daily { "" } else { " --prefix incoming" };
    let names: Vec<String> = args.files.iter().map(|path| path.display().to_string()).collect();
    output::line("")?;
    output::line("Next:")?;
    output::line(&format!("  downspout up --definitions {}", args.into.display()))?;
    output::line(&format!("  downspout drop{prefix} --wait {}", names.join(" ")))?;
    Ok(())
}
