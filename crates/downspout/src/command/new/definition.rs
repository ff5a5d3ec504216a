//! Writes the definition of the pipeline.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::names;
use super::table::FileTable;

/// The ids of the objects of one file.
pub(super) struct Ids {
    pub(super) format: String,
    pub(super) load: String,
    file: String,
    table: String,
}

impl Ids {
    /// Returns the ids for a table: `LoadOrders` for `orders`.
    pub(super) fn of(table: &str) -> Self {
        let words = table.split('_').map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|first| first.to_ascii_uppercase());
            first.into_iter().collect::<String>() + letters.as_str()
        });
        let of: String = words.collect();
        Self {
            format: format!("{of}Format"),
            load: format!("Load{of}"),
            file: format!("{of}File"),
            table: format!("{of}Table"),
        }
    }
}

/// Returns the definition as a file.
pub(super) fn text(name: &str, schema: &str, files: &[FileTable]) -> anyhow::Result<String> {
    let captures: BTreeSet<&str> =
        files.iter().flat_map(|file| file.pattern.captures.iter().copied()).collect();
    let mut objects = vec![default(name, files), warehouse(), create_tables(name)];
    objects.push(json!({
        "id": "Load", "dependsOn": {"ref": "CreateTables"}, "myLoadMode": "append", "myMaxRejects": "0",
    }));
    for file in files {
        objects.extend(of_file(file));
    }
    objects.push(json!({"id": "Tables", "database": {"ref": "Warehouse"}, "schemaName": schema}));
    objects.extend(alarms(name, &captures));
    let document = json!({"objects": objects, "parameters": parameters(&captures), "values": {}});
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn default(name: &str, files: &[FileTable]) -> Value {
    let patterns: Vec<&str> = files.iter().map(|file| file.pattern.key.as_str()).collect();
    json!({
        "id": "Default",
        "name": name,
        "scheduleType": "ondemand",
        "failureAndRerunMode": "CASCADE",
        "role": "DataPipelineDefaultRole",
        "resourceRole": "DataPipelineDefaultResourceRole",
        "pipelineLogUri": format!("s3://#{{myLogsBucket}}/{name}"),
        "workerGroup": "#{myWorkerGroup}",
        "maximumRetries": "2",
        "retryDelay": "30 seconds",
        "attemptTimeout": "2 hours",
        "onSuccess": {"ref": "Succeeded"},
        "onFail": {"ref": "Failed"},
        "myDropFile": patterns,
    })
}

fn warehouse() -> Value {
    json!({
        "id": "Warehouse",
        "type": "JdbcDatabase",
        "connectionString": "#{myDatabaseUrl}",
        "jdbcDriverClass": "org.postgresql.Driver",
        "username": "#{myDatabaseUsername}",
        "*password": "#{*myDatabasePassword}",
    })
}

fn create_tables(name: &str) -> Value {
    json!({
        "id": "CreateTables",
        "type": "SqlActivity",
        "database": {"ref": "Warehouse"},
        "scriptUri": format!("s3://#{{myDefinitionsBucket}}/{name}/tables.sql"),
    })
}

fn of_file(file: &FileTable) -> [Value; 4] {
    let ids = Ids::of(&file.table);
    let key = &file.pattern.key;
    [
        file.format(&ids.format),
        json!({
            "id": ids.file,
            "type": "S3DataNode",
            "filePath": format!("s3://#{{myDropBucket}}/{key}"),
            "dataFormat": {"ref": ids.format},
        }),
        json!({"id": ids.table, "type": "SqlDataNode", "parent": {"ref": "Tables"}, "table": file.table}),
        json!({
            "id": ids.load,
            "type": "CopyActivity",
            "parent": {"ref": "Load"},
            "input": {"ref": ids.file},
            "output": {"ref": ids.table},
        }),
    ]
}

fn alarms(name: &str, captures: &BTreeSet<&str>) -> [Value; 2] {
    let values: Vec<String> =
        captures.iter().map(|capture| format!(" #{{{}}}", parameter(capture))).collect();
    let title = format!("{name}{}", values.concat());
    let alarm = |id: &str, subject: String, message: &str| {
        json!({
            "id": id,
            "type": "SnsAlarm",
            "topicArn": "#{myNotifyTopicArn}",
            "myOncePerRun": "true",
            "subject": subject,
            "message": message,
        })
    };
    [
        alarm(
            "Succeeded",
            format!("{title}: #{{node.loadedRows}} loaded, #{{node.rowsRejected}} refused"),
            "The files are in your tables. It took #{node.duration}.\n\nLoaded\n#{node.loads}\n\nNotes\n\
             #{node.notes}\n\nLogs: #{node.logs}\nPipeline: #{node.@pipelineId}",
        ),
        alarm(
            "Failed",
            format!("{title}: FAILED"),
            "The run failed after #{node.duration}.\n\nWhat went wrong\n#{node.firstError}\n\nLoaded\n\
             #{node.loads}\n\nRefused rows\n#{node.rejectReasons}\n\nNotes\n#{node.notes}\n\nWhat to do: correct the file or the definition, \
             then drop the files again.\n\nLogs: #{node.logs}\nPipeline: #{node.@pipelineId}",
        ),
    ]
}

fn parameters(captures: &BTreeSet<&str>) -> Vec<Value> {
    let text = |id: &str, description: &str| json!({"id": id, "type": "String", "description": description});
    let of_key = |capture: &&str| {
        let description = format!("The text at {{{capture}}} in the key of the dropped files");
        text(&parameter(capture), &description)
    };
    let mut parameters: Vec<Value> = captures.iter().map(of_key).collect();
    parameters.extend([
        text("myDropBucket", "Bucket into which the files were dropped"),
        text("myDefinitionsBucket", "Bucket that holds this file and its SQL"),
        text("myLogsBucket", "Bucket for the logs of the run"),
        text("myNotifyTopicArn", "SNS topic for the mail about success or failure"),
        text("myDatabaseUrl", "JDBC URL of the PostgreSQL database"),
        text("myDatabaseUsername", "User of the database"),
        text("*myDatabasePassword", "Password of the user"),
        json!({
            "id": "myWorkerGroup",
            "type": "String",
            "default": "downspout",
            "description": "Worker group that the ec2-worker polls",
        }),
    ]);
    parameters
}

/// Returns the parameter to which `{capture}` gives its value.
fn parameter(capture: &str) -> String {
    let camel = names::plain(capture, "value");
    let (first, rest) = camel.split_at(1);
    format!("my{}{rest}", first.to_uppercase())
}
