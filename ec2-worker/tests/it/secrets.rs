//! Passwords in Secrets Manager and Systems Manager, which the server of moto stands in for (`tests/setup` installs it).

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_datapipeline::types::PipelineObject;
use e2e::until::until;
use ec2_worker::Secrets;

use super::World;
use super::stack::{BUCKET, Stack, config, object, refers, string, value};

const PASSWORD: &str = "correct-horse-42";

/// Moto with the password in several secrets. It ends with this process: its standard input closes.
struct Moto {
    secrets: Secrets,
    managed: String,
    _process: (Child, ChildStdin),
}

impl Moto {
    fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = folder.join("../target/venv/bin/python");
        assert!(python.exists(), "Python with moto is missing: run `tests/setup`");
        let mut process = Command::new(python)
            .args([folder.join("tests/it/secrets_stand_in.py").as_os_str(), PASSWORD.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starting Python");
        let (stdin, stdout) = (process.stdin.take().expect("a pipe"), process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let said: serde_json::Value = serde_json::from_str(&line).expect("moto says where it is");
        let text = |key: &str| said[key].as_str().expect("a text").to_owned();
        let credentials = Credentials::new("AKIATEST", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(text("url"))
            .build();
        Self { secrets: Secrets::new(&config), managed: text("managed"), _process: (process, stdin) }
    }
}

/// Returns a PostgreSQL that asks `loader` for the password, and all other users for one that nobody knows.
async fn guarded() -> World {
    let world = World::new(&format!(
        "CREATE TABLE items (id int PRIMARY KEY); CREATE ROLE loader SUPERUSER LOGIN PASSWORD '{PASSWORD}'; \
         CREATE ROLE stranger LOGIN PASSWORD 'other'"
    ))
    .await;
    let file = world.rows("SHOW hba_file").await;
    let rules = std::fs::read_to_string(&file).expect("the rules of PostgreSQL");
    let guarded = format!("host all loader,stranger all scram-sha-256\n{rules}");
    std::fs::write(&file, guarded).expect("written");
    world.rows("SELECT pg_reload_conf()").await;
    until("PostgreSQL asks for the password", async || {
        let url = world.postgres.url().replace("postgres@", "loader:wrong@");
        match tokio_postgres::connect(&url, tokio_postgres::NoTls).await {
            Ok(_) => Err(format!("{url} is let in")),
            Err(_) => Ok(()),
        }
    })
    .await;
    world
}

/// A load of `key` into `items`, whose database has these fields.
fn load(world: &World, key: &str, login: &[(&str, &str)]) -> Vec<PipelineObject> {
    let mut database = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", &world.postgres.url().replace("postgres@", "")),
        string("jdbcDriverClass", "org.postgresql.Driver"),
    ];
    database.extend(login.iter().map(|(key, text)| string(key, text)));
    let file = vec![
        string("type", "S3DataNode"),
        string("filePath", &format!("s3://{BUCKET}/{key}")),
        refers("dataFormat", "Csv"),
    ];
    let table = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "items")];
    let copy = vec![
        string("type", "CopyActivity"),
        refers("input", "In"),
        refers("output", "Out"),
        string("pipelineLogUri", &format!("s3://{BUCKET}/logs")),
    ];
    vec![
        object("Load", copy),
        object("In", file),
        object("Out", table),
        object("Db", database),
        object("Csv", vec![string("type", "CSV"), string("myHeader", "true")]),
    ]
}

async fn stack_with(moto: &Moto) -> Stack {
    let mut stack = Stack::without_worker().await;
    stack.clients.secrets = moto.secrets.clone();
    let config = config(&stack.folder.path().join("scratch"));
    tokio::spawn(ec2_worker::run(config, stack.clients.clone(), stack.shutdown.clone()));
    stack
}

/// Asserts that no log and no object of the service shows the password.
async fn assert_silent(stack: &Stack, attempts: &[Vec<(String, String)>]) {
    for attempt in attempts {
        assert!(!format!("{attempt:?}").contains(PASSWORD), "{attempt:?}");
    }
    let keys = until("every log is there", async || {
        let listed = stack.clients.s3.list_objects_v2().bucket(BUCKET).prefix("logs/").send().await;
        let listed = listed.map_err(|error| format!("{error:?}"))?;
        let keys: Vec<String> =
            listed.contents().iter().filter_map(|it| it.key()).map(str::to_owned).collect();
        if keys.len() == attempts.len() { Ok(keys) } else { Err(format!("{keys:?}")) }
    })
    .await;
    for key in keys {
        let packed = stack.get(&key).await;
        let mut log = String::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut log).expect("a packed text");
        assert!(!log.is_empty() && !log.contains(PASSWORD), "{key}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_with_the_password_of_a_secret() {
    let (world, moto) = (guarded().await, Moto::start());
    let stack = stack_with(&moto).await;
    let managed = moto.managed.as_str();
    let logins: [&[(&str, &str)]; 4] = [
        // The secret of RDS names its user, who wins over that of the definition.
        &[("username", "stranger"), ("myPasswordSecret", managed)],
        &[("username", "loader"), ("myPasswordSecret", "secretsmanager:prod/plain")],
        &[("username", "loader"), ("myPasswordSecret", "ssm:/prod/db")],
        // AWS Data Pipeline asks for a password, which the secret replaces.
        &[("username", "loader"), ("*password", "placeholder"), ("myPasswordSecret", "ssm:/prod/db")],
    ];
    let mut attempts = Vec::new();
    for (number, login) in logins.iter().enumerate() {
        let key = format!("{number}.csv");
        stack.put(&key, format!("id\n{number}\n")).await;
        let attempt = stack.run(load(&world, &key, login)).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{login:?}: {attempt:?}");
        attempts.push(attempt);
    }
    assert_eq!(world.rows("SELECT id FROM items ORDER BY id").await, "0 1 2 3");
    assert_silent(&stack, &attempts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_read_fails_the_task_in_words() {
    let (world, moto) = (World::new("CREATE TABLE items (id int)").await, Moto::start());
    let stack = stack_with(&moto).await;
    stack.put("in.csv", "id\n1\n").await;
    for (secret, id, message) in [
        (
            "secretsmanager:prod/none",
            "BadInput:NoSuchSecret",
            "Secrets Manager has no secret `prod/none` in us-east-1",
        ),
        ("ssm:/none", "BadInput:NoSuchSecret", "Systems Manager has no parameter `/none` in us-east-1"),
        (
            "secretsmanager:prod/token",
            "BadInput:Secret",
            "the secret `prod/token` is JSON without a text `password`",
        ),
        (
            "secretsmanager:prod/bytes",
            "BadInput:Secret",
            "the secret `prod/bytes` has no text; the worker reads no bytes",
        ),
    ] {
        let attempt =
            stack.run(load(&world, "in.csv", &[("username", "u"), ("myPasswordSecret", secret)])).await;
        let told = (value(&attempt, "errorId"), value(&attempt, "errorMessage"));
        assert_eq!(told, (id, format!("object `Db`, field `myPasswordSecret`: {message}").as_str()));
        assert!(!format!("{attempt:?}").contains(PASSWORD), "{attempt:?}");
    }
}
