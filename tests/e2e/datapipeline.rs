//! The Data Pipeline service, which boto3 and the AWS CLI drive over a real socket: every operation, exception and paginator, and the
//! flows of the programs of others.

use e2e::{definitions::Definitions, program::Up};

use crate::PROGRAM;
use crate::clients::bash;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_plays_the_flows_of_other_programs_and_gets_every_exception() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let said = bash(&up, concat!("python '", env!("CARGO_MANIFEST_DIR"), "/e2e/datapipeline.py'"));
    assert_eq!(said.trim(), "done", "{}", up.log());
}

/// Every operation by its command. The last line of each command shows the part of the answer that the next ones use.
const COMMANDS: &str = r##"
cat > "$folder/greet.json" <<'JSON'
{"objects": [
  {"id": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE", "workerGroup": "mine",
   "pipelineLogUri": "s3://downspout-logs/greet", "role": "r", "resourceRole": "r"},
  {"id": "Greet", "type": "ShellCommandActivity", "command": "echo #{myName}"}],
 "parameters": [{"id": "myName", "type": "string", "default": "#{myWord}"}, {"id": "myWord"}],
 "values": {"myWord": "hello"}}
JSON
dp() { aws datapipeline "$@" --output text; }
id=$(dp create-pipeline --name greet --unique-id greet --tags key=a,value=1 --query pipelineId)
aws datapipeline get-pipeline-definition --pipeline-id $id --output json > "$folder/empty.json"
dp validate-pipeline-definition --pipeline-id $id --query errored     --pipeline-objects '[{"id": "Default", "name": "Default", "fields": [{"key": "scheduleType", "stringValue": "ondemand"}]}]'
dp put-pipeline-definition --pipeline-id $id --pipeline-definition "file://$folder/greet.json" --query errored
aws datapipeline get-pipeline-definition --pipeline-id $id --output json > "$folder/back.json"
python -c 'import json, sys; print(json.load(open(sys.argv[1]))["values"])' "$folder/back.json"
dp activate-pipeline --pipeline-id $id
dp list-pipelines --query 'pipelineIdList[].name'
state() { dp describe-pipelines --pipeline-ids $id --query 'pipelineDescriptionList[0].fields[?key==`@pipelineState`].stringValue'; }
state
instance=$(dp query-objects --pipeline-id $id --sphere INSTANCE --query 'ids[0]')
dp describe-objects --pipeline-id $id --object-ids $instance --evaluate-expressions     --query 'pipelineObjects[0].fields[?key==`command`].stringValue'
dp evaluate-expression --pipeline-id $id --object-id $instance --expression '#{myName}, #{myWord}' --query evaluatedExpression
dp report-task-runner-heartbeat --taskrunner-id me --worker-group mine --query terminate
task=$(dp poll-for-task --worker-group mine --hostname me --query taskObject.taskId)
dp report-task-progress --task-id "$task" --query canceled
dp set-task-status --task-id "$task" --task-status FINISHED
state
aws datapipeline list-runs --pipeline-id $id | grep -c FINISHED
dp activate-pipeline --pipeline-id $id --parameter-values myWord=again
dp set-status --pipeline-id $id --object-ids Greet --status PAUSE
dp add-tags --pipeline-id $id --tags key=b,value=2
dp remove-tags --pipeline-id $id --tag-keys a
dp describe-pipelines --pipeline-ids $id --query 'pipelineDescriptionList[0].tags[].key'
dp deactivate-pipeline --pipeline-id $id
state
dp delete-pipeline --pipeline-id $id
# A command of a busy machine may come after the moment in which the pipeline is DELETING.
(state 2>&1 || true) | grep -o 'DELETING\|PipelineDeletedException' | sed 's/PipelineDeletedException/DELETING/'
"##;

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_has_a_command_for_every_operation() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let folder = up.data_dir().join("cli");
    std::fs::create_dir_all(&folder).expect("a folder");
    let said = bash(&up, &format!("folder='{}'\n{COMMANDS}", folder.display()));
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "False",
        "False",
        "{'myWord': 'hello'}",
        "greet",
        "SCHEDULED",
        "echo hello",
        "hello, hello",
        "False",
        "False",
        "FINISHED",
        "1",
        "b",
        "INACTIVE",
        "DELETING",
    ];
    assert_eq!(lines, expected, "{said}\n{}", up.log());
}
