//! Resources: a machine of its own for an activity, which is a worker process on this machine while the resource runs.

use std::process::Command;

use e2e::definitions::Definitions;
use e2e::program::Up;
use e2e::until::until;

use crate::PROGRAM;
use crate::clients::bash;

/// Two machines, and one place: the second machine is needed while the first is at work, which goes on until the file `go`
/// exists.
const DEFINITION: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/machines", "maximumRetries": "0"},
    {"id": "One", "type": "Ec2Resource", "terminateAfter": "1 hour"},
    {"id": "Two", "type": "Ec2Resource", "terminateAfter": "1 hour"},
    {"id": "First", "type": "ShellCommandActivity", "runsOn": {"ref": "One"},
     "command": "touch 'FOLDER/begun'; until [ -e 'FOLDER/go' ]; do sleep 0.1; done"},
    {"id": "Begun", "type": "ShellCommandActivity", "workerGroup": "downspout",
     "command": "until [ -e 'FOLDER/begun' ]; do sleep 0.1; done"},
    {"id": "Second", "type": "ShellCommandActivity", "runsOn": {"ref": "Two"}, "command": "true",
     "dependsOn": {"ref": "Begun"}}
]}"##;

/// Returns the worker processes of resources in the data directory of the stack.
fn workers(up: &Up) -> Vec<String> {
    let listed = Command::new("ps").args(["-eo", "pid=,args="]).output().expect("listing processes");
    let folder = up.data_dir().display().to_string();
    let is_ours = |line: &&str| line.contains("resource-worker") && line.contains(&folder);
    String::from_utf8_lossy(&listed.stdout).lines().filter(is_ours).map(str::to_owned).collect()
}

/// Creates, puts and activates a pipeline, and returns its id.
fn activated(up: &Up, definition: &str) -> String {
    let file = up.data_dir().join("machines.json");
    let definition = definition.replace("FOLDER", &up.data_dir().display().to_string());
    std::fs::write(&file, definition).expect("writing the definition");
    bash(
        up,
        &format!(
            "id=$(aws datapipeline create-pipeline --name machines --unique-id m --query pipelineId --output text)
             aws datapipeline put-pipeline-definition --pipeline-id $id --pipeline-definition file://{} >&2
             aws datapipeline activate-pipeline --pipeline-id $id
             echo -n $id",
            file.display()
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_process_of_a_resource_outlives_neither_the_resource_nor_the_stack() {
    let definitions = Definitions::uncapped();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--resources", "1"]).await;
    let pipeline = activated(&up, DEFINITION);
    let shown = |up: &Up| String::from_utf8_lossy(&up.downspout(&["show", &pipeline]).stdout).into_owned();
    let begun = up.data_dir().join("begun");
    until("the first is at work", async || if begun.exists() { Ok(()) } else { Err(shown(&up)) }).await;
    assert_eq!(workers(&up).len(), 1, "{}", shown(&up));
    let waits = "which is being created: waits for a place, because at most 1 resource runs at a time";
    until("the second says why it waits", async || {
        let shown = shown(&up);
        if shown.contains(waits) { Ok(()) } else { Err(shown) }
    })
    .await;

    up.kill();
    until("no worker outlives the stack", async || {
        let left = workers(&up);
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
    std::fs::remove_file(&begun).expect("it had begun");
    up.start_again().await;
    until("the first is at work again", async || if begun.exists() { Ok(()) } else { Err(shown(&up)) }).await;
    assert_eq!(workers(&up).len(), 1, "the first has its place again: {}", shown(&up));
    std::fs::write(up.data_dir().join("go"), "").expect("telling it to go on");
    // `maximumRetries` is 0: the run would have failed if the kill had counted as an attempt.
    until("the run is over", async || {
        let shown = shown(&up);
        if shown.contains("(FINISHED") { Ok(()) } else { Err(shown) }
    })
    .await;
    assert_eq!(workers(&up), Vec::<String>::new());
    assert!(up.stop().await.success());
}

/// One machine. A failed attempt of the machine, or of the work on it, is retried once after a second.
const ONE_MACHINE: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "role": "r", "resourceRole": "r", "maximumRetries": "1",
     "retryDelay": "1 second", "pipelineLogUri": "s3://downspout-logs/machines"},
    {"id": "One", "type": "Ec2Resource", "terminateAfter": "1 hour"},
    {"id": "Work", "type": "ShellCommandActivity", "runsOn": {"ref": "One"},
     "command": "touch 'FOLDER/begun'; until [ -e 'FOLDER/go' ]; do sleep 0.1; done"}
]}"##;

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_whose_worker_was_killed_is_created_again_and_its_work_retried() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let pipeline = activated(&up, ONE_MACHINE);
    let shown = || String::from_utf8_lossy(&up.downspout(&["show", &pipeline]).stdout).into_owned();
    let begun = up.data_dir().join("begun");
    let is_begun = async || if begun.exists() { Ok(()) } else { Err(shown()) };
    until("the work is begun", is_begun).await;
    std::fs::remove_file(&begun).expect("it had begun");
    let running = workers(&up);
    let [worker] = running.as_slice() else { panic!("one worker: {running:?}") };
    let pid = worker.split_whitespace().next().expect("its process id");
    assert!(Command::new("kill").args(["-KILL", pid]).status().is_ok_and(|status| status.success()));
    until("the work is begun again", is_begun).await;
    std::fs::write(up.data_dir().join("go"), "").expect("telling it to go on");
    let ended = until("the run is over", async || {
        let shown = shown();
        if shown.contains("(FINISHED") { Ok(shown) } else { Err(shown) }
    })
    .await;
    let lost =
        "the machine disappeared while it was in use: its worker process ended with signal: 9 (SIGKILL)";
    assert!(ended.contains(&format!("One, attempt 1: FAILED: {lost}")), "{ended}");
    assert!(ended.contains("Work, attempt 1: FAILED: its resource"), "{ended}");
    assert_eq!(workers(&up), Vec::<String>::new());
}

/// Two machines that wait for each other's work, in five intervals at once.
const BACKUP: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "cron", "schedule": {"ref": "Daily"}, "failureAndRerunMode": "CASCADE",
     "role": "r", "resourceRole": "r", "maximumRetries": "0"},
    {"id": "Daily", "type": "Schedule", "period": "1 day", "startDateTime": "2026-01-01T00:00:00", "occurrences": "5"},
    {"id": "One", "type": "Ec2Resource", "terminateAfter": "1 hour"},
    {"id": "Two", "type": "Ec2Resource", "terminateAfter": "1 hour"},
    {"id": "Init", "type": "ShellCommandActivity", "command": "true", "runsOn": {"ref": "One"}},
    {"id": "Part1", "type": "ShellCommandActivity", "command": "true", "runsOn": {"ref": "One"},
     "dependsOn": {"ref": "Init"}},
    {"id": "Part2", "type": "ShellCommandActivity", "command": "true", "runsOn": {"ref": "Two"},
     "dependsOn": {"ref": "Init"}},
    {"id": "Finalize", "type": "ShellCommandActivity", "command": "true", "runsOn": {"ref": "One"},
     "dependsOn": [{"ref": "Part1"}, {"ref": "Part2"}]}
]}"##;

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_wait_for_each_other_get_their_places_together() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--resources", "4"]).await;
    let pipeline = activated(&up, BACKUP);
    let most = until("every interval is over", async || {
        let running = workers(&up).len();
        assert!(running <= 4, "{running} workers");
        let shown = String::from_utf8_lossy(&up.downspout(&["show", &pipeline]).stdout).into_owned();
        if shown.contains("(FINISHED") { Ok(shown) } else { Err(shown) }
    })
    .await;
    assert_eq!(most.matches("Finalize 2026-01-0").count(), 5, "{most}");
    assert_eq!(workers(&up), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_that_nobody_here_can_run_is_refused_before_anything_starts() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let file = up.data_dir().join("cluster.json");
    let definition = r##"{"objects": [
        {"id": "Default", "scheduleType": "ondemand", "role": "r", "resourceRole": "r"},
        {"id": "Farm", "type": "EmrCluster"},
        {"id": "Step", "type": "EmrActivity", "step": "s3://b/x.jar", "runsOn": {"ref": "Farm"}},
        {"id": "Box", "type": "Ec2Resource"},
        {"id": "Rds", "type": "RdsDatabase", "rdsInstanceId": "i", "username": "me", "*password": "x"},
        {"id": "Mysql", "type": "JdbcDatabase", "connectionString": "jdbc:#{myKind}://h/d", "username": "me",
         "*password": "x", "jdbcDriverClass": "org.Driver"},
        {"id": "OnBox", "type": "SqlActivity", "script": "SELECT 1", "database": {"ref": "Rds"},
         "runsOn": {"ref": "Box"}},
        {"id": "InGroup", "type": "SqlActivity", "script": "SELECT 1", "database": {"ref": "Mysql"},
         "workerGroup": "downspout"},
        {"id": "Elsewhere", "type": "SqlActivity", "script": "SELECT 1", "database": {"ref": "Rds"},
         "workerGroup": "mine"}
    ], "parameters": [{"id": "myKind", "type": "String"}], "values": {"myKind": "mysql"}}"##;
    std::fs::write(&file, definition).expect("writing the definition");
    let said = bash(
        &up,
        &format!(
            "id=$(aws datapipeline create-pipeline --name farm --unique-id f --query pipelineId --output text)
             aws datapipeline put-pipeline-definition --pipeline-id $id --pipeline-definition file://{}
             aws datapipeline activate-pipeline --pipeline-id $id 2>&1 || true
             '{PROGRAM}' --data-dir '{}' show $id",
            file.display(),
            up.data_dir().display()
        ),
    );
    let (warned, refused) = said.split_once("InvalidRequestException").expect("it is refused");
    assert!(warned.contains("NO_HOST"), "{said}");
    for named in [
        "object `Step`, field `runsOn`: `Farm` is an EmrCluster, and `ec2-worker` cannot do an EmrActivity",
        "object `Rds`, field `type`: it is RdsDatabase",
        "object `Mysql`, field `connectionString`: it is for `mysql`; ec2-worker speaks PostgreSQL only",
    ] {
        assert_eq!(refused.matches(named).count(), 1, "{named}: {said}");
    }
    assert!(!refused.contains("ec2-worker --worker-group"), "advice that would not help: {said}");
    assert!(refused.contains("(PENDING, never activated)"), "{said}");
}
