//! The database of the stack: clients may connect at any time, and cannot harm a run.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
};

use e2e::{
    definitions::Definitions, postgres, postgres::NativePostgres, program::Up, samples::Samples, until::until,
};

use crate::PROGRAM;
use crate::clients::bash;

/// Returns a `psql` on the database of the stack.
pub(crate) fn psql(up: &Up) -> Command {
    let bin =
        postgres::programs().expect("psql is missing: run `tests/setup`, or `apt-get install -y postgresql`");
    let mut command = Command::new(bin.join("psql"));
    command.arg(&up.endpoints.postgres).args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]);
    command
}

/// Returns what `psql` prints for a query.
pub(crate) fn ask(up: &Up, query: &str) -> String {
    let output = psql(up).args(["-c", query]).output().expect("starting psql");
    assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Starts a psql that has answered its first statement and stays open.
fn left_open(up: &Up) -> Child {
    let mut child = psql(up).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starting psql");
    child.stdin.as_mut().expect("piped").write_all(b"SELECT 'here';\n").expect("typing into psql");
    let mut answer = [0; 4];
    child.stdout.as_mut().expect("piped").read_exact(&mut answer).expect("psql's answer");
    assert_eq!(&answer, b"here");
    child
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_connects_at_any_time_and_no_client_harms_a_run() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let mut open = left_open(&up);

    let first = Samples::small(21, 2_000);
    up.drop_set("2026-04-01", &first).await;
    // psql gets an answer while the run goes on, and after it.
    assert_eq!(ask(&up, "SELECT 1"), "1");
    up.mail_of("2026-04-01").await;
    assert_eq!(ask(&up, "SELECT count(*) FROM staging.orders"), "2000");

    // The psql that stayed open still answers.
    open.stdin.as_mut().expect("piped").write_all(b"SELECT count(*) FROM staging.orders;\n").expect("typing");
    let mut answer = [0; 5];
    open.stdout.as_mut().expect("piped").read_exact(&mut answer).expect("psql's answer");
    assert_eq!(&answer, b"\n2000");

    // A psql that is killed in the middle of COPY leaves no rows, and its session is free again.
    let mut copying = psql(&up)
        .args(["-c", "COPY staging.reviews FROM STDIN"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("starting psql");
    copying.stdin.as_mut().expect("piped").write_all(&b"5\tP01\n".repeat(20_000)).expect("rows");
    copying.kill().expect("killing psql");
    copying.wait().expect("its end");
    assert_eq!(ask(&up, "SELECT count(*) FROM staging.reviews"), "800");

    // A client of another protocol connects to the port.
    let port =
        up.endpoints.postgres.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port");
    let mut http = TcpStream::connect(format!("127.0.0.1:{port}")).expect("connecting");
    http.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").expect("an HTTP request");
    let mut rest = Vec::new();
    let _ = http.read_to_end(&mut rest);
    assert_eq!(ask(&up, "SELECT 1"), "1");

    let second = Samples::small(22, 300);
    up.drop_set("2026-04-02", &second).await;
    up.mail_of("2026-04-02").await;
    assert_eq!(up.staging_rows().await, second.rows());
    open.kill().expect("closing psql");
    open.wait().expect("its end");
}

/// Blocks every load of orders in its first row, as long as the connection lives.
struct Blocker(tokio_postgres::Client);

impl Blocker {
    async fn of_orders(postgres: &NativePostgres) -> Self {
        let (client, connection) =
            tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.expect("connecting");
        tokio::spawn(connection);
        let sql = "CREATE FUNCTION staging.wait_for_story() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END $$; \
                   CREATE TRIGGER wait_for_story BEFORE INSERT ON staging.orders \
                   FOR EACH ROW EXECUTE FUNCTION staging.wait_for_story(); \
                   SELECT pg_advisory_lock(1)";
        client.batch_execute(sql).await.expect("making loads wait");
        Self(client)
    }

    async fn until_a_row_waits(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ec2-worker' \
                   AND query LIKE 'COPY%' AND wait_event = 'advisory'";
        until("a load waits in its first row", async || {
            let row = self.0.query_one(sql, &[]).await.map_err(|error| error.to_string())?;
            let waiting: i64 = row.get(0);
            if waiting > 0 { Ok(()) } else { Err("no COPY waits".to_owned()) }
        })
        .await;
    }
}

/// Listens on the port of a database that is down, and waits until clients have connected `times` times. Each connection is
/// closed at once.
async fn must_be_tried_in_vain(postgres: &NativePostgres, times: usize) {
    let listener = TcpListener::bind(("127.0.0.1", postgres.port())).expect("the port of the database");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let mut tried = 0;
    until("the database that is down is tried again", async || {
        while listener.accept().is_ok() {
            tried += 1;
        }
        if tried >= times { Ok(()) } else { Err(format!("tried {tried} times")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_waits_for_a_database_that_is_away_for_a_while() {
    let postgres = NativePostgres::start();
    let definitions = Definitions::uncapped();
    let up =
        Up::start(PROGRAM, &["--definitions", definitions.path(), "--database-url", &postgres.url()]).await;
    let first = Samples::small(31, 300);
    up.drop_set("2026-05-01", &first).await;
    up.mail_of("2026-05-01").await;

    // The database stops in the middle of the load: the load has begun and is still in its first row.
    let blocker = Blocker::of_orders(&postgres).await;
    let second = Samples::small(32, 60_000);
    up.drop_set("2026-05-02", &second).await;
    blocker.until_a_row_waits().await;
    postgres.down();
    must_be_tried_in_vain(&postgres, 3).await;
    postgres.up();
    let mail = up.mail_of("2026-05-02").await;
    assert_eq!(mail.subject, "orders 2026-05-02: 144000 rows loaded, 0 refused", "{}", mail.body);
    assert_eq!(up.staging_rows().await, second.rows());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_good_gives_one_notice() {
    let postgres = NativePostgres::start();
    let definitions = Definitions::uncapped();
    definitions.edit(|_, default| {
        default.insert("maximumRetries".to_owned(), "0".into());
    });
    let up =
        Up::start(PROGRAM, &["--definitions", definitions.path(), "--database-url", &postgres.url()]).await;
    postgres.down();
    up.drop_set("2026-05-03", &Samples::small(33, 100)).await;
    let mail = up.mail_of("2026-05-03").await;
    assert!(mail.subject.contains("FAILED"), "{mail:#?}");
    assert!(mail.body.contains("127.0.0.1"), "the notice names the database: {}", mail.body);
    assert_eq!(up.mails().len(), 1, "{:#?}", up.mails());
}

/// A definition as people have it on AWS: the database is an instance of RDS, on a worker group and on a machine.
const ON_RDS: &str = r#"{"objects": [
  {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "pipelineLogUri": "s3://downspout-logs/rds",
   "role": "r", "resourceRole": "r"},
  {"id": "Db", "type": "RdsDatabase", "rdsInstanceId": "shop-db", "databaseName": "postgres", "username": "USER", "*password": "x"},
  {"id": "Machine", "type": "Ec2Resource", "terminateAfter": "1 hour"},
  {"id": "Make", "type": "SqlActivity", "database": {"ref": "Db"}, "workerGroup": "downspout",
   "script": "CREATE TABLE of_rds (n int)"},
  {"id": "Fill", "type": "SqlActivity", "database": {"ref": "Db"}, "runsOn": {"ref": "Machine"}, "dependsOn": {"ref": "Make"},
   "script": "INSERT INTO of_rds VALUES (1), (2)"}
]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_rds_is_found_by_the_address_given_to_up() {
    let postgres = NativePostgres::start();
    let definitions = Definitions::uncapped();
    let instance = format!("shop-db=127.0.0.1:{}", postgres.port());
    let up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--rds-instance", &instance]).await;
    let (client, connection) =
        tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.expect("connecting");
    tokio::spawn(connection);
    let user: String = client.query_one("SELECT current_user::text", &[]).await.expect("a query").get(0);
    let file = up.data_dir().join("rds.json");
    std::fs::write(&file, ON_RDS.replace("USER", &user)).expect("writing the definition");
    bash(
        &up,
        &format!(
            "id=$(aws datapipeline create-pipeline --name rds --unique-id rds --query pipelineId --output text)
             aws datapipeline put-pipeline-definition --pipeline-id $id --pipeline-definition file://{}
             aws datapipeline activate-pipeline --pipeline-id $id",
            file.display()
        ),
    );
    until("the rows of the script", async || {
        let count = client
            .query_one("SELECT count(*) FROM of_rds", &[])
            .await
            .map_err(|error| format!("{error:?}"))?;
        let count: i64 = count.get(0);
        if count == 2 { Ok(()) } else { Err(format!("{count} rows\n{}", up.log())) }
    })
    .await;
}
