//! Loads of files into tables that a person starts: reads them from a run or from a definition.
//!
//! The service keeps secrets to itself and its workers. So the password of a database comes from where the service got it:
//! from `--set`, from the `values.json` and the definition in the bucket for definitions, or else from PGPASSWORD. The password
//! of a database that names a secret in AWS comes from PGPASSWORD alone. No message contains it.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use aws_sdk_datapipeline::Client;
use clap::Args;
use definition::kind::secret_reference::MY_PASSWORD_SECRET;
use definition::{
    Definition, Field, FieldValue, MASK, ObjectId, ParameterValue, PipelineObject, file, inherit,
};
use ec2_worker::by_hand::TableLoad;
use ec2_worker::{RdsInstance, RdsInstances};

use super::definition_file::Setting;
use super::run_view::{InstanceView, RunView};
use crate::local::stack::Endpoints;
use crate::sdk_error::readable;

/// The environment variable with a password that no file contains.
const PASSWORD: &str = "PGPASSWORD";
/// The addresses of databases that a definition names without one.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Databases {
    /// Address of an RDS instance, for databases of the type RdsDatabase; may be repeated
    #[arg(long = "rds-instance", env = "RDS_INSTANCES", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    rds_instances: Vec<RdsInstance>,
}

impl Databases {
    /// Returns the instances.
    pub(super) fn rds(&self) -> RdsInstances {
        self.rds_instances.clone().into()
    }
}

/// The fields that lead from an activity to the objects that a load needs.
const LINKS: [&str; 4] = ["input", "output", "dataFormat", "database"];

/// Reads the load of an instance of a run. Returns `None` if the instance does not copy files to a table.
pub(super) async fn of_run(
    endpoints: &Endpoints,
    run: &RunView,
    instance: &InstanceView,
    settings: &[Setting],
    databases: &Databases,
    scratch: &Path,
) -> anyhow::Result<Option<TableLoad>> {
    let Some(attempt) = instance.attempts.last().filter(|_| instance.kind == "CopyActivity") else {
        return Ok(None);
    };
    let mut objects = described(&endpoints.datapipeline(), &run.pipeline_id, &attempt.id).await?;
    let definition = definition_of(endpoints, run, settings).await?;
    for object in objects.values_mut() {
        reveal(object, &definition)?;
    }
    let rds = databases.rds();
    let objects = rds.located(&objects);
    let work = objects.get(&attempt.id).with_context(|| format!("{} has no attempt", instance.id))?;
    let read = TableLoad::read(&objects, work, &run.pipeline_id, scratch);
    read.with_context(|| format!("reading {} of {}", instance.component, run.pipeline_id))
}

/// Returns an attempt and the objects that its load needs, by id, with their expressions evaluated.
async fn described(
    client: &Client,
    pipeline: &str,
    attempt: &str,
) -> anyhow::Result<HashMap<String, PipelineObject>> {
    let mut objects = HashMap::new();
    let mut wanted = vec![attempt.to_owned()];
    while let Some(id) = wanted.pop() {
        if objects.contains_key(&id) {
            continue;
        }
        let call = client.describe_objects().pipeline_id(pipeline).object_ids(&id).evaluate_expressions(true);
        let answer = call.send().await.map_err(readable).with_context(|| format!("describing {id}"))?;
        for object in answer.pipeline_objects() {
            let fields = object.fields().iter().map(|field| match field.ref_value() {
                Some(target) => Field::reference(field.key(), target),
                None => Field::string(field.key(), field.string_value().unwrap_or_default()),
            });
            let fields = fields.collect();
            let object = PipelineObject { id: object.id().into(), name: object.name().to_owned(), fields };
            wanted.extend(links(&object).map(ToString::to_string));
            objects.insert(id.clone(), object);
        }
    }
    Ok(objects)
}

/// Returns the ids of the objects that a load needs besides `object`.
pub(super) fn links(object: &PipelineObject) -> impl Iterator<Item = &ObjectId> {
    LINKS.into_iter().flat_map(|key| object.references(key))
}

/// Returns the definition of a run as it was put, as far as its secrets can be found, with the values of the bucket and
/// of `settings`.
async fn definition_of(
    endpoints: &Endpoints,
    run: &RunView,
    settings: &[Setting],
) -> anyhow::Result<Definition> {
    let stored = object(endpoints, &format!("{}.json", run.definition())).await;
    // A run that no drop started has no definition in the bucket.
    let mut definition = match stored {
        Some(bytes) => file::decode(&bytes).and_then(file::parse).unwrap_or_default(),
        None => Definition::default(),
    };
    let mut values = values_of(endpoints).await;
    values.extend(settings.iter().map(|Setting(value)| value.clone()));
    // The last value of an id counts: see `value_of`.
    definition.values.extend(values);
    Ok(definition)
}

/// Returns the values in the `values.json` of the stack; none if there is no such file, or if it cannot be read.
pub(super) async fn values_of(endpoints: &Endpoints) -> Vec<ParameterValue> {
    let bytes = object(endpoints, "values.json").await.unwrap_or_default();
    file::decode(&bytes).and_then(file::parse_values).unwrap_or_default()
}

async fn object(endpoints: &Endpoints, key: &str) -> Option<Vec<u8>> {
    let get =
        endpoints.s3().get_object().bucket(&endpoints.buckets.definitions).key(key).send().await.ok()?;
    Some(get.body.collect().await.ok()?.to_vec())
}

/// Puts the secrets of `object` in the place of their masks and expressions.
///
/// # Errors
///
/// If a secret cannot be found in any of the allowed places. The message names the object, and how to give the secret.
pub(super) fn reveal(object: &mut PipelineObject, definition: &Definition) -> anyhow::Result<()> {
    let id = ec2_worker::reader::component(object).to_owned();
    let environment = || std::env::var(PASSWORD).ok();
    if let Some(name) = object.string(MY_PASSWORD_SECRET).filter(|name| !name.trim().is_empty()) {
        let password = environment().with_context(|| {
            format!(
                "object '{id}', field '{MY_PASSWORD_SECRET}': the password is in the secret '{name}', which only workers \
                 read: give the password with the environment variable {PASSWORD}"
            )
        })?;
        object.fields.retain(|field| field.key.as_str() != "*password");
        object.fields.push(Field::string("*password", password));
        return Ok(());
    }
    let resolved = inherit::resolve(definition).unwrap_or_default();
    let stated = resolved.iter().find(|stated| stated.id == id.as_str());
    for field in object.fields.iter_mut().filter(|field| field.key.is_secret()) {
        let FieldValue::String(text) = &mut field.value else { continue };
        let expression = |text: &str| text.starts_with("#{") && text.ends_with('}');
        let known =
            stated.and_then(|stated| stated.string(field.key.as_str())).filter(|known| *known != MASK);
        let written = if expression(text) { Some(text.clone()) } else { known.map(str::to_owned) };
        let parameter = written.as_deref().filter(|written| expression(written));
        let parameter = parameter.map(|written| written[2..written.len() - 1].trim().to_owned());
        let found = match &parameter {
            Some(name) => value_of(definition, name),
            None => written,
        };
        let from_environment = || environment().filter(|_| field.key.as_str() == "*password");
        let Some(secret) = found.filter(|found| found != MASK).or_else(from_environment) else {
            let set = parameter.map(|name| format!("--set '{name}=...', or ")).unwrap_or_default();
            anyhow::bail!(
                "object '{id}', field '{}': the service does not show secrets, and no value was found for this one: give \
                 it with {set}the environment variable {PASSWORD}",
                field.key
            );
        };
        *text = secret;
    }
    Ok(())
}

/// Returns the value of a parameter: its last value, or else its default.
fn value_of(definition: &Definition, name: &str) -> Option<String> {
    let value =
        definition.values.iter().rev().find(|value| value.id == name).map(|value| value.value.clone());
    let parameter = || definition.parameters.iter().find(|parameter| parameter.id == name);
    value.or_else(|| parameter()?.attribute("default").map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(password: &str) -> Definition {
        let text = format!(
            r##"{{"objects": [{{"id": "Db", "type": "JdbcDatabase", "*password": "{password}"}}],
                "parameters": [{{"id": "*mySecret", "default": "from the default"}}]}}"##
        );
        file::parse(&text).expect("a definition")
    }

    fn revealed(password: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut definition = definition(password);
        let value = |(id, value): &(&str, &str)| ParameterValue { id: (*id).into(), value: (*value).into() };
        definition.values.extend(values.iter().map(value));
        let fields = vec![Field::reference("@componentParent", "Db"), Field::string("*password", MASK)];
        let mut object = PipelineObject { id: "@Db_1".into(), name: "Db".to_owned(), fields };
        reveal(&mut object, &definition)?;
        Ok(object.string("*password").unwrap_or_default().to_owned())
    }

    #[test]
    fn a_secret_comes_from_the_definition_its_values_or_its_default() {
        assert_eq!(revealed("hush", &[]).expect("literal"), "hush");
        assert_eq!(revealed("#{*mySecret}", &[]).expect("default"), "from the default");
        let values = [("*mySecret", "of the stack"), ("*mySecret", "set")];
        assert_eq!(revealed("#{*mySecret}", &values).expect("set"), "set");
    }

    #[test]
    fn the_password_of_a_named_secret_is_asked_for_by_its_variable() {
        let fields =
            vec![Field::string("myPasswordSecret", "ssm:/db"), Field::string("*password", "placeholder")];
        let mut object = PipelineObject { id: "Db".into(), name: "Db".to_owned(), fields };
        let error = reveal(&mut object, &Definition::default()).expect_err("no password").to_string();
        assert!(error.contains("'ssm:/db'") && error.contains("PGPASSWORD"), "{error}");
    }

    #[test]
    fn a_secret_that_is_nowhere_is_asked_for_by_name() {
        let error = revealed("#{*myOther}", &[]).expect_err("no value").to_string();
        assert!(error.contains("'Db'") && error.contains("--set '*myOther=...'"), "{error}");
    }
}
