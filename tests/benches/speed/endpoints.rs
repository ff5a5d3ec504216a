//! The endpoints beside others that speak the same protocol: Data Pipeline and S3 beside the servers of moto, S3 also beside
//! s3s-fs, and `pgbench` through the front beside a session without it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_s3::primitives::ByteStream;
use e2e::program::Up;
use tokio::runtime::Runtime;

use crate::native::Turns;
use crate::{Figure, PROGRAM};

/// The calls of one round, one after another, as a client makes them.
const CALLS: usize = 300;
const SMALL: usize = 4 * 1024;
const LARGE: usize = 100 * 1024 * 1024;
const BUCKET: &str = "bench";
/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// How long `pgbench` runs in each turn.
const SECONDS: &str = "5";

/// A process that is killed when the value is dropped.
pub(crate) struct Server(pub(crate) Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server of moto, for all services.
pub(crate) struct Moto {
    pub(crate) url: String,
    _server: Server,
}

impl Moto {
    pub(crate) fn start(target: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let program = target.join("venv/bin/moto_server");
        let command = Command::new(&program)
            .args(["-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = command.with_context(|| format!("{}: run tests/setup", program.display()))?;
        let moto = Self { url: format!("http://127.0.0.1:{port}"), _server: Server(server) };
        listens("moto", port)?;
        Ok(moto)
    }
}

/// Waits until a program listens on a port.
pub(crate) fn listens(name: &str, port: u16) -> Result<()> {
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(started.elapsed() < START, "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Measures DescribePipelines, and PutObject and GetObject of small and large objects.
pub(crate) fn figures(target: &Path, runtime: &Runtime) -> Result<Vec<Figure>> {
    let moto = Moto::start(target)?;
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let mut figures = vec![describe(&up, &moto, runtime)?];
    let own = up.s3();
    let of = |url: &str| aws_sdk_s3::Client::from_conf(own.config().to_builder().endpoint_url(url).build());
    let (s3s_url, _s3s) = s3s_fs(target, &up)?;
    let rivals = [("moto", of(&moto.url)), ("s3s-fs", of(&s3s_url))];
    for client in [&own, &rivals[0].1, &rivals[1].1] {
        runtime.block_on(client.create_bucket().bucket(BUCKET).send())?;
    }
    for (rival, theirs) in &rivals {
        figures.extend(objects(&own, theirs, rival, runtime)?);
    }
    Ok(figures)
}

/// Measures PutObject and GetObject in turns with another S3.
fn objects(
    own: &aws_sdk_s3::Client,
    theirs: &aws_sdk_s3::Client,
    rival: &'static str,
    runtime: &Runtime,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (name, size, calls) in [
        ("s3_put_4k", SMALL, CALLS),
        ("s3_get_4k", SMALL, CALLS),
        ("s3_put_100m", LARGE, 1),
        ("s3_get_100m", LARGE, 1),
    ] {
        let is_put = name.starts_with("s3_put");
        let work = |client: &aws_sdk_s3::Client| {
            let start = Instant::now();
            runtime.block_on(async {
                for number in 0..calls {
                    if is_put { put(client, number, size).await? } else { get(client, number, size).await? }
                }
                anyhow::Ok(())
            })?;
            Ok(start.elapsed().as_secs_f64())
        };
        let turns = Turns::of(3, name, || work(own), || work(theirs))?;
        let value = turns.own * 1_000.0 / calls as f64;
        figures.push(Figure { name, value, unit: "ms", rival: Some(rival), ratio: Some(turns.ratio) });
    }
    Ok(figures)
}

/// Starts s3s-fs on a folder of its own, which takes the keys of the stack, and returns its URL.
fn s3s_fs(target: &Path, up: &Up) -> Result<(String, (Server, tempfile::TempDir))> {
    let folder = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let program = target.join("rivals-of-s3/bin/s3s-fs");
    let command = Command::new(&program)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(["--access-key", &up.endpoints.access_key_id, "--secret-key", &up.endpoints.secret_access_key])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = Server(command.with_context(|| format!("{}: run tests/setup rivals", program.display()))?);
    listens("s3s-fs", port)?;
    Ok((format!("http://127.0.0.1:{port}"), (server, folder)))
}

async fn put(client: &aws_sdk_s3::Client, number: usize, size: usize) -> Result<()> {
    let body = ByteStream::from(vec![b'x'; size]);
    client.put_object().bucket(BUCKET).key(format!("{size}/{number}")).body(body).send().await?;
    Ok(())
}

async fn get(client: &aws_sdk_s3::Client, number: usize, size: usize) -> Result<()> {
    let got = client.get_object().bucket(BUCKET).key(format!("{size}/{number}")).send().await?;
    let found = got.body.collect().await?.into_bytes().len();
    ensure!(found == size, "an object of {size} bytes came back with {found}");
    Ok(())
}

/// Measures DescribePipelines of 25 pipelines, the most that one call may name.
fn describe(up: &Up, moto: &Moto, runtime: &Runtime) -> Result<Figure> {
    let own = up.datapipeline();
    let theirs =
        aws_sdk_datapipeline::Client::from_conf(own.config().to_builder().endpoint_url(&moto.url).build());
    let make = async |client: &aws_sdk_datapipeline::Client| {
        let mut ids = Vec::new();
        for number in 0..25 {
            let name = format!("bench-{number}");
            let created = client.create_pipeline().name(&name).unique_id(&name).send().await?;
            ids.push(created.pipeline_id().to_owned());
        }
        anyhow::Ok(ids)
    };
    let (ids, their_ids) =
        runtime.block_on(async { anyhow::Ok((make(&own).await?, make(&theirs).await?)) })?;
    let work = |client: &aws_sdk_datapipeline::Client, ids: &[String]| {
        let start = Instant::now();
        runtime.block_on(async {
            for _ in 0..CALLS {
                let described =
                    client.describe_pipelines().set_pipeline_ids(Some(ids.to_vec())).send().await?;
                ensure!(described.pipeline_description_list().len() == ids.len(), "a pipeline is missing");
            }
            Ok(())
        })?;
        Ok(start.elapsed().as_secs_f64())
    };
    let turns = Turns::of(3, "DescribePipelines", || work(&own, &ids), || work(&theirs, &their_ids))?;
    let (value, rival) = (turns.own * 1_000.0 / CALLS as f64, Some("moto"));
    Ok(Figure { name: "describe_pipelines", value, unit: "ms", rival, ratio: Some(turns.ratio) })
}

/// Measures the transactions of `pgbench` through the front, in turns with those of a session of the same server without the
/// front.
pub(crate) fn pgbench(runtime: &Runtime) -> Result<Figure> {
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let folder = tempfile::tempdir()?;
    // By this name, libpq finds the socket in the folder.
    let socket = folder.path().join(".s.PGSQL.5432");
    let server = Command::new(PROGRAM)
        .arg("database-server")
        .args([&folder.path().join("data"), &socket])
        // The server ends when its standard input does.
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let _server = Server(server);
    let started = Instant::now();
    while !fs::exists(&socket)? {
        ensure!(started.elapsed() < START, "the embedded PostgreSQL does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    let direct = format!("host={} user=postgres dbname=postgres", folder.path().display());
    for target in [&up.endpoints.postgres, &direct] {
        run_pgbench(&["-i", "-q", "-s", "1"], target)?;
    }
    // The time of one transaction.
    let turn = |target: &str| Ok(1.0 / transactions(&run_pgbench(&["-n", "-T", SECONDS], target)?)?);
    let turns = Turns::of(3, "pgbench", || turn(&up.endpoints.postgres), || turn(&direct))?;
    Ok(turns.figure("pgbench_transaction", "a session without the front"))
}

fn run_pgbench(arguments: &[&str], target: &str) -> Result<String> {
    let output = Command::new("pgbench").args(arguments).arg(target).output().context("pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "pgbench: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

/// Returns the transactions in a second that `pgbench` reports.
fn transactions(report: &str) -> Result<f64> {
    let line = report.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|line| line.split(' ').next()).context("pgbench told no tps")?;
    Ok(number.parse()?)
}
