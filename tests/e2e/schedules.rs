//! A pipeline with a schedule and preconditions, put by the AWS CLI as the README describes.

use e2e::definitions::Definitions;
use e2e::program::Up;

use crate::PROGRAM;
use crate::clients::{bash, json};

/// A schedule of two hours in the past, so that no run waits for its time.
const DEFINITION: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Hourly"}, "failureAndRerunMode": "CASCADE",
     "workerGroup": "downspout", "pipelineLogUri": "s3://downspout-logs/reports", "role": "r", "resourceRole": "r",
     "maxActiveInstances": "1"},
    {"id": "Hourly", "type": "Schedule", "period": "1 hour", "startDateTime": "2026-01-31T22:00:00",
     "occurrences": "2"},
    {"id": "Landed", "type": "S3KeyExists", "s3Key": "#{node.filePath}"},
    {"id": "List", "type": "S3DataNode", "filePath": "s3://downspout-drop/lists/list.txt",
     "precondition": {"ref": "Landed"}},
    {"id": "Asked", "type": "ShellCommandPrecondition", "command": "test -e /bin/bash"},
    {"id": "There", "type": "Exists"},
    {"id": "Copied", "type": "S3DataNode", "filePath": "s3://downspout-results/lists/list.txt",
     "precondition": {"ref": "There"}},
    {"id": "Copy", "type": "CopyActivity", "input": {"ref": "List"}, "output": {"ref": "Copied"},
     "precondition": {"ref": "Asked"}},
    {"id": "Say", "type": "ShellCommandActivity", "input": {"ref": "Copied"},
     "command": "echo the hour to #{@scheduledEndTime}", "stdout": "s3://downspout-results/said/#{@scheduledStartTime}"}
]}"##;

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_puts_an_hourly_pipeline_that_makes_up_for_the_past() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let file = up.data_dir().join("reports.json");
    std::fs::write(&file, DEFINITION).expect("writing the definition");
    let said = bash(
        &up,
        &format!(
            "echo a | aws s3 cp --quiet - s3://downspout-drop/lists/list.txt
             id=$(aws datapipeline create-pipeline --name reports --unique-id reports --query pipelineId --output text)
             aws datapipeline put-pipeline-definition --pipeline-id $id --pipeline-definition file://{} >&2
             aws datapipeline activate-pipeline --pipeline-id $id
             for try in $(seq 600); do
                 state=$(aws datapipeline describe-pipelines --pipeline-ids $id --output text \\
                     --query 'pipelineDescriptionList[0].fields[?key==`@pipelineState`].stringValue')
                 [ \"$state\" = FINISHED ] && break
                 sleep 0.2
             done
             aws datapipeline query-objects --pipeline-id $id --sphere INSTANCE --output json
             aws s3 cp --quiet s3://downspout-results/said/2026-01-31T22:00:00 -
             aws s3 cp --quiet s3://downspout-results/said/2026-01-31T23:00:00 -",
            file.display()
        ),
    );
    let (list, words) = said.split_once("\nthe hour").expect("the output of the activities follows the list");
    assert_eq!(words, " to 2026-01-31T23:00:00\nthe hour to 2026-02-01T00:00:00\n", "{}", up.log());
    let ids: Vec<String> = json(list)["ids"]
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| id.as_str().expect("text").to_owned())
        .collect();
    let of_hour = |hour: &str| -> Vec<&str> { ids.iter().filter_map(|id| id.strip_suffix(hour)).collect() };
    let expected =
        ["@List_", "@Landed_List_", "@Copied_", "@There_Copied_", "@Copy_", "@Asked_Copy_", "@Say_"];
    assert_eq!(of_hour("2026-01-31T22:00:00"), expected);
    assert_eq!(of_hour("2026-01-31T23:00:00"), expected);
}
