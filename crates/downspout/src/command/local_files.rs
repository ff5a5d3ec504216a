//! Chooses the loads of a definition for which there are local files: for a dry run, or to look at the files alone.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use definition::kind::secret_reference::MY_PASSWORD_SECRET;
use definition::kind::{Group, Kind};
use definition::render::render;
use definition::schedule::Interval;
use definition::{Definition, FieldKey, PipelineObject, expression};
use ec2_worker::RdsInstances;
use ec2_worker::by_hand::TableLoad;
use ec2_worker::node::NodeKind;
use jiff::Timestamp;

use super::by_hand;

/// The pipeline id in the names of objects that never exist.
const PIPELINE: &str = "df-DRY-RUN";
/// Fields that an object may have or inherit from Default, and that a load does not use.
const NOT_OF_LOADS: [&str; 6] =
    ["pipelineLogUri", "myRejectsPath", "workerGroup", "role", "resourceRole", "selectQuery"];

/// The purpose for which a command reads the loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// They run, and so they need their database.
    Run,
    /// Their files are read, and nothing else.
    Look,
}

/// The loads with local files, in the order of a run.
pub(super) struct Plan {
    /// The loads, each with its files.
    pub(super) loads: Vec<(TableLoad, Vec<PathBuf>)>,
    /// Sentences about the work that is not tried.
    pub(super) left_out: Vec<String>,
}

impl Plan {
    /// Returns the loads of `definition` for which `files` has files: texts as `FILE` or `NODE=FILE`.
    ///
    /// # Errors
    ///
    /// If a file is not there or belongs to no input, or if a load has a field that cannot be used.
    pub(super) fn of(
        definition: &Definition,
        files: &[String],
        purpose: Purpose,
        rds: &RdsInstances,
        scratch: &Path,
    ) -> anyhow::Result<Self> {
        let now = Timestamp::now();
        let rendered = render(definition, &[], Some(Interval { start: now, end: now }));
        let objects: HashMap<String, PipelineObject> = rendered
            .objects
            .iter()
            .map(|object| (object.id.to_string(), with_database(with_location(object), purpose)))
            .collect();
        let objects = rds.located(&objects);
        let mut left_out = Vec::new();
        let (mut loads, mut problems) = (Vec::new(), Vec::new());
        for id in in_order(&rendered) {
            let Some(work) = objects.get(&id) else { continue };
            match Kind::of(work) {
                Some(Kind::CopyActivity) => match read(work, &objects, definition, scratch)? {
                    Some((load, problem)) => {
                        problems.extend(problem.map(|problem| (load.activity.clone(), problem)));
                        loads.push((load, Vec::new()));
                    }
                    None => {
                        left_out.push(format!("{id} was not tried: it does not load files into a table."))
                    }
                },
                Some(kind) if kind.name().ends_with("Activity") => {
                    left_out.push(format!("{id} was not tried: a dry run does not run a {}.", kind.name()));
                }
                _ => {}
            }
        }
        anyhow::ensure!(
            !loads.is_empty(),
            "the definition has no CopyActivity from an S3DataNode to a SqlDataNode, so there is nothing to try"
        );
        for text in files {
            give(text, &mut loads)?;
        }
        let (loads, without): (Vec<_>, Vec<_>) = loads.into_iter().partition(|(_, files)| !files.is_empty());
        let is_tried = |activity: &String| loads.iter().any(|(load, _)| load.activity == *activity);
        if let Some((_, problem)) = problems.into_iter().find(|(activity, _)| is_tried(activity)) {
            return Err(problem);
        }
        left_out.extend(without.iter().map(|(load, _)| {
            format!("{} was not tried: --with {}=FILE gives it a file.", load.activity, load.input)
        }));
        Ok(Self { loads, left_out })
    }
}

/// Returns an S3DataNode with a location that can be read even if a part of it is known only in a run. Other objects stay
/// as they are.
fn with_location(object: &PipelineObject) -> PipelineObject {
    let mut object = object.clone();
    if Kind::of(&object) == Some(Kind::S3DataNode) {
        for key in ["filePath", "directoryPath"] {
            let name = object
                .string(key)
                .map(|text| text.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
            let location = name.map(|name| format!("s3://dry-run/{name}"));
            location.into_iter().for_each(|location| object.set(key, location));
        }
    }
    object
}

/// Returns a database with an address that can be read, and without a password, if it is not used. Other objects stay as they
/// are.
fn with_database(mut object: PipelineObject, purpose: Purpose) -> PipelineObject {
    let is_database = Kind::of(&object).is_some_and(|kind| kind.group() == Group::Database);
    if purpose == Purpose::Look && is_database {
        object.fields.retain(|field| !field.key.is_secret() && field.key.as_str() != MY_PASSWORD_SECRET);
        object.set("connectionString", "jdbc:postgresql://unused/unused");
        object.set("username", "unused");
    }
    object
}

/// Returns the ids of all objects, each after the objects that it depends on.
fn in_order(definition: &Definition) -> Vec<String> {
    fn visit(id: &str, definition: &Definition, seen: &mut HashSet<String>, order: &mut Vec<String>) {
        if !seen.insert(id.to_owned()) {
            return;
        }
        if let Some(object) = definition.object(id) {
            for earlier in object.references("dependsOn") {
                visit(earlier.as_str(), definition, seen, order);
            }
        }
        order.push(id.to_owned());
    }
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for object in &definition.objects {
        visit(object.id.as_str(), definition, &mut seen, &mut order);
    }
    order
}

/// Reads a CopyActivity. Returns `None` if it does not load files into a table. The second value is a problem that matters
/// only if the load is tried.
fn read(
    work: &PipelineObject,
    objects: &HashMap<String, PipelineObject>,
    definition: &Definition,
    scratch: &Path,
) -> anyhow::Result<Option<(TableLoad, Option<anyhow::Error>)>> {
    let kind = |key: &str| NodeKind::of(objects.get(work.reference(key)?.as_str())?).ok();
    if (kind("input"), kind("output")) != (Some(NodeKind::S3), Some(NodeKind::Sql)) {
        return Ok(None);
    }
    let (mut needed, mut problem) = (HashMap::new(), None);
    let mut work = work.clone();
    // A dry run writes neither logs nor refused rows.
    work.fields.retain(|field| !matches!(field.key.as_str(), "pipelineLogUri" | "myRejectsPath"));
    let mut open = vec![work.clone()];
    while let Some(mut object) = open.pop() {
        let revealed = by_hand::reveal(&mut object, definition);
        problem = problem.or(unknown(&object, &work)).or(revealed.err());
        open.extend(by_hand::links(&object).filter_map(|id| objects.get(id.as_str())).cloned());
        needed.insert(object.id.to_string(), object);
    }
    let read = TableLoad::read(&needed, needed.get(work.id.as_str()).unwrap_or(&work), PIPELINE, scratch);
    match (read, problem) {
        (Ok(load), problem) => Ok(load.map(|load| (load, problem))),
        (Err(_), Some(problem)) => Err(problem),
        (Err(failure), None) => Err(failure).with_context(|| format!("reading {}", work.id)),
    }
}

/// Returns the first field of `object` that the load of `work` needs and whose value is not known.
fn unknown(object: &PipelineObject, work: &PipelineObject) -> Option<anyhow::Error> {
    if Kind::of(object) == Some(Kind::S3DataNode) {
        return None;
    }
    let is_needed = |key: &FieldKey| {
        let is_own = object.id == work.id && !key.as_str().starts_with("my");
        !key.is_secret() && !is_own && !NOT_OF_LOADS.contains(&key.as_str())
    };
    object.fields.iter().filter(|field| is_needed(&field.key)).find_map(|field| {
        let key = field.key.as_str();
        let text = object.string(key).filter(|text| expression::is_in(text))?;
        Some(anyhow::anyhow!(
            "object '{}', field '{key}': the value of {text} is not known: give the parameter with --set myKey=value",
            object.id
        ))
    })
}

/// Gives the file that `text` names to its load.
fn give(text: &str, loads: &mut [(TableLoad, Vec<PathBuf>)]) -> anyhow::Result<()> {
    let nodes = || {
        let node =
            |(load, _): &(TableLoad, Vec<PathBuf>)| format!("{} ({})", load.input, load.at.file_name());
        loads.iter().map(node).collect::<Vec<_>>().join(", ")
    };
    let named = text.split_once('=').filter(|(node, _)| loads.iter().any(|(load, _)| load.input == *node));
    let (path, input) = match named {
        Some((node, path)) => (PathBuf::from(path), node.to_owned()),
        None => {
            let path = PathBuf::from(text);
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let fits: Vec<&str> = loads
                .iter()
                .filter(|(load, _)| !load.is_directory && load.at.file_name() == name)
                .map(|(load, _)| load.input.as_str())
                .collect();
            let all: HashSet<&str> = loads.iter().map(|(load, _)| load.input.as_str()).collect();
            let input = match (&fits[..], all.len()) {
                ([first, ..], _) => (*first).to_owned(),
                ([], 1) => loads[0].0.input.clone(),
                ([], _) => anyhow::bail!(
                    "{text} belongs to no input by its name; write --with NODE=FILE. The inputs are: {}",
                    nodes()
                ),
            };
            (path, input)
        }
    };
    let mut found = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))? {
            let entry = entry?;
            let is_data = !entry.file_name().to_string_lossy().starts_with(['_', '.']);
            if is_data && entry.path().is_file() {
                found.push(entry.path());
            }
        }
        found.sort();
        anyhow::ensure!(!found.is_empty(), "{} has no files", path.display());
    } else {
        std::fs::File::open(&path).with_context(|| format!("reading {}", path.display()))?;
        found.push(path);
    }
    for (load, files) in loads.iter_mut().filter(|(load, _)| load.input == input) {
        anyhow::ensure!(
            load.is_directory || files.len() + found.len() == 1,
            "{input} is one file (a filePath), but --with gives it several: give one of them"
        );
        files.extend(found.iter().cloned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use definition::file;

    use super::*;

    fn plan(files: &[&str]) -> anyhow::Result<Vec<String>> {
        let text = r##"{"objects": [
            {"id": "B", "type": "CopyActivity", "input": {"ref": "BFile"}, "output": {"ref": "Table"}, "dependsOn": {"ref": "Sql"}},
            {"id": "Sql", "type": "SqlActivity", "database": {"ref": "Db"}, "script": "SELECT 1", "dependsOn": {"ref": "A"}},
            {"id": "A", "type": "CopyActivity", "input": {"ref": "AFile"}, "output": {"ref": "Table"}},
            {"id": "AFile", "type": "S3DataNode", "filePath": "s3://#{myBucket}/in/#{myDay}/a.csv"},
            {"id": "BFile", "type": "S3DataNode", "directoryPath": "s3://b/in/b"},
            {"id": "Table", "type": "SqlDataNode", "database": {"ref": "Db"}, "table": "t"},
            {"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/d", "username": "u", "*password": "#{*myPw}"}],
            "parameters": [{"id": "myBucket"}, {"id": "myDay"}, {"id": "*myPw"}], "values": {"*myPw": "hush"}}"##;
        let files: Vec<String> = files.iter().map(ToString::to_string).collect();
        let plan = Plan::of(
            &file::parse(text).expect("a definition"),
            &files,
            Purpose::Run,
            &RdsInstances::default(),
            Path::new("/tmp"),
        )?;
        let loads = plan.loads.iter().map(|(load, files)| format!("{} {}", load.activity, files.len()));
        Ok(loads.chain(plan.left_out).collect())
    }

    #[test]
    fn files_go_to_the_inputs_of_their_names_and_loads_keep_the_order_of_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.csv", "1.csv", "_SUCCESS"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (a, b) = (at("a.csv"), format!("BFile={}", at("")));
        let sql = "Sql was not tried: a dry run does not run a SqlActivity.";
        assert_eq!(plan(&[&b, &a]).expect("a plan"), ["A 1", "B 2", sql]);
        let without = "B was not tried: --with BFile=FILE gives it a file.";
        assert_eq!(plan(&[&a]).expect("a plan"), ["A 1", sql, without]);
        let odd = plan(&[&at("1.csv")]).expect_err("no input has this name").to_string();
        assert!(odd.contains("write --with NODE=FILE") && odd.contains("AFile (a.csv)"), "{odd}");
        let gone = format!("{:#}", plan(&[&at("a.csv"), "AFile=/nowhere/a.csv"]).expect_err("no file"));
        assert!(gone.contains("/nowhere/a.csv"), "{gone}");
    }
}
