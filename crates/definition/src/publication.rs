//! `myPublish`: activities with `together` fill next tables, which only the run sees. At the end of the run one
//! activity, the publisher, puts these tables in place.
//!
//! A definition file needs no publisher, because reading the file adds one. So a service gets the publisher as an
//! ordinary object of the definition, and AWS Data Pipeline can run it, too.

use foldhash::HashSet;

use crate::inherit::{DEFAULT_ID, Inheritance, Resolved};
use crate::kind::{
    Kind,
    field::{MY_PUBLISH, Publish},
};
use crate::{Definition, Field, ObjectId, PipelineObject};

/// The id of the publisher that [`complete`] adds.
pub const PUBLISHER: &str = "PublishTables";

/// The script of the publisher that [`complete`] adds. It is only a comment, because AWS demands a script.
const SCRIPT: &str = "-- The tables of this run are put in place.";

/// Adds the publisher if an activity has `myPublish` `together` and no object has `here`.
///
/// The publisher waits for every activity, except for those that wait for the publisher. Nothing is added if the
/// definition has an object with the id [`PUBLISHER`] already, or if the first activity with `together` has no
/// database. Validation then reports the problem.
pub fn complete(definition: &mut Definition) {
    if let Some(publisher) = publisher(definition) {
        definition.objects.push(publisher);
    }
}

fn publisher(definition: &Definition) -> Option<PipelineObject> {
    if definition.object(PUBLISHER).is_some() {
        return None;
    }
    let inheritance = Inheritance::of(definition);
    let publications = Publications::of(&inheritance);
    if !publications.here.is_empty() {
        return None;
    }
    let first = &inheritance.objects[*publications.together.first()?];
    let database = database(&inheritance, first)?;
    let mut fields = vec![
        Field::string("type", Kind::SqlActivity.name()),
        Field::reference("database", database.clone()),
        Field::string("script", SCRIPT),
        Field::string("myPublish", "here"),
    ];
    // The publisher inherits these fields from Default. A field that Default lacks comes from the first activity with
    // `together`, so that the publisher runs where this activity runs.
    let default = definition.object(DEFAULT_ID);
    for key in ["workerGroup", "runsOn", "schedule"] {
        let is_inherited = default.is_some_and(|default| default.values(key).next().is_some());
        let own = first.fields().filter(|field| !is_inherited && field.key == key);
        fields.extend(own.cloned());
    }
    let waits = waits(&inheritance);
    for (index, object) in inheritance.objects.iter().enumerate() {
        let names_publisher =
            |at: usize| inheritance.objects[at].references("dependsOn").any(|id| id.as_str() == PUBLISHER);
        let is_after = || reached(&waits, index).into_iter().any(names_publisher);
        if object.kind().is_some_and(Kind::is_activity) && !is_after() {
            fields.push(Field::reference("dependsOn", object.id().clone()));
        }
    }
    Some(PipelineObject { id: PUBLISHER.into(), name: PUBLISHER.to_owned(), fields })
}

/// The activities of a definition by their `myPublish`, as indices of the resolved objects.
#[derive(Debug, Default)]
pub(crate) struct Publications {
    /// The activities with `together`, except for copies without a table.
    pub(crate) together: Vec<usize>,
    /// The publishers. A valid definition has one at most.
    pub(crate) here: Vec<usize>,
}

impl Publications {
    pub(crate) fn of(inheritance: &Inheritance<'_>) -> Self {
        let mut found = Self::default();
        for (index, object) in inheritance.objects.iter().enumerate() {
            let is_read = matches!(object.kind(), Some(Kind::CopyActivity | Kind::SqlActivity));
            if !is_read || object.id() == DEFAULT_ID {
                continue;
            }
            match object.string("myPublish").and_then(|word| MY_PUBLISH.parse(word).ok()) {
                // A copy from file to file changes no table.
                Some(Publish::Together) if uses_database(inheritance, object) => found.together.push(index),
                Some(Publish::Here) => found.here.push(index),
                _ => {}
            }
        }
        found
    }
}

fn uses_database(inheritance: &Inheritance<'_>, object: &Resolved<'_>) -> bool {
    object.kind() == Some(Kind::SqlActivity) || tables(inheritance, object).next().is_some()
}

/// Returns the inputs and outputs of an activity that are not in S3, and so are tables.
fn tables<'r, 'a>(
    inheritance: &'r Inheritance<'a>,
    object: &'r Resolved<'a>,
) -> impl Iterator<Item = &'r Resolved<'a>> {
    let nodes = ["output", "input"].into_iter().flat_map(|key| object.references(key));
    let nodes =
        nodes.filter_map(|id| inheritance.indices.get(id.as_str()).map(|at| &inheritance.objects[*at]));
    nodes.filter(|node| node.kind() != Some(Kind::S3DataNode))
}

/// Returns the database of an activity: the one that its own field names, or the one of its table.
pub(crate) fn database<'a>(inheritance: &Inheritance<'a>, object: &Resolved<'a>) -> Option<&'a ObjectId> {
    object
        .reference("database")
        .or_else(|| tables(inheritance, object).find_map(|node| node.reference("database")))
}

/// Returns, for each object, the indices of the objects that it waits for.
///
/// An object with a status waits for the objects in its `dependsOn`. An activity also waits for its inputs, and a
/// data node waits for the activities that write it.
pub(crate) fn waits(inheritance: &Inheritance<'_>) -> Vec<Vec<usize>> {
    let objects = &inheritance.objects;
    let mut waits = vec![Vec::new(); objects.len()];
    for (index, object) in objects.iter().enumerate() {
        let Some(kind) = object.kind().filter(|kind| kind.is_runnable()) else { continue };
        let targets =
            |key| object.references(key).filter_map(|id| inheritance.indices.get(id.as_str()).copied());
        waits[index].extend(targets("dependsOn"));
        if kind.is_activity() {
            waits[index].extend(targets("input"));
            for node in targets("output").filter(|at| objects[*at].kind().is_some_and(Kind::is_data_node)) {
                waits[node].push(index);
            }
        }
    }
    waits
}

/// Returns `from` and every object for which it waits, directly or through others.
pub(crate) fn reached(waits: &[Vec<usize>], from: usize) -> HashSet<usize> {
    let mut found = HashSet::default();
    let mut open = vec![from];
    while let Some(index) = open.pop() {
        if found.insert(index) {
            open.extend(&waits[index]);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    fn completed(default: &str, objects: &str) -> Option<PipelineObject> {
        let text = format!(
            r#"{{"objects": [{{"id": "Default"{default}}}, {{"id": "Db", "type": "JdbcDatabase"}},
                {{"id": "File", "type": "S3DataNode"}},
                {{"id": "Table", "type": "SqlDataNode", "database": {{"ref": "Db"}}}}, {objects}]}}"#
        );
        let mut definition = file::parse(&text).expect("a definition");
        complete(&mut definition);
        definition.object(PUBLISHER).cloned()
    }

    const LOAD: &str =
        r#"{"id": "Load", "type": "CopyActivity", "input": {"ref": "File"}, "output": {"ref": "Table"}}"#;

    #[test]
    fn together_adds_a_publisher_that_waits_for_every_activity() {
        let default = r#", "workerGroup": "w", "myPublish": "Together""#;
        let others = format!(
            r#"{LOAD}, {{"id": "Tell", "type": "ShellCommandActivity", "command": "true"}},
               {{"id": "After", "type": "ShellCommandActivity", "dependsOn": {{"ref": "PublishTables"}}}},
               {{"id": "Last", "type": "ShellCommandActivity", "dependsOn": {{"ref": "After"}}}}"#
        );
        let publisher = completed(default, &others).expect("a publisher");
        let waits: Vec<_> = publisher.references("dependsOn").map(ObjectId::as_str).collect();
        assert_eq!(waits, ["Load", "Tell"], "those that wait for the publisher are left out");
        assert_eq!(publisher.reference("database").map(ObjectId::as_str), Some("Db"));
        assert_eq!(publisher.string("myPublish"), Some("here"));
        assert_eq!(publisher.string("workerGroup"), None, "Default gives it");
    }

    #[test]
    fn the_publisher_runs_where_the_first_activity_runs_if_default_does_not_say() {
        let load = LOAD.replacen('{', r#"{"workerGroup": "own", "myPublish": "together", "#, 1);
        let publisher = completed("", &load).expect("a publisher");
        assert_eq!(publisher.string("workerGroup"), Some("own"));
    }

    #[test]
    fn a_definition_that_needs_no_publisher_stays_as_it_is() {
        assert_eq!(completed("", LOAD), None);
        let own = r#"{"id": "Own", "type": "SqlActivity", "myPublish": "here"}"#;
        assert_eq!(completed(r#", "myPublish": "together""#, &format!("{LOAD}, {own}")), None);
        let files =
            r#"{"id": "Copy", "type": "CopyActivity", "input": {"ref": "File"}, "output": {"ref": "File"}}"#;
        assert_eq!(completed(r#", "myPublish": "together""#, files), None, "files have no tables");
    }
}
