//! Activity types that a program adds to the worker.

use std::sync::atomic::{AtomicBool, Ordering};

use ec2_worker::{Activities, Activity, Config, Failure, Reader, TaskContext, TaskOutcome};

use super::stack::{Stack, config, object, string, value};

/// The example, unchanged.
#[path = "../../examples/hive_activity.rs"]
#[expect(dead_code, reason = "a program of its own, whose `main` is not called here")]
mod hive_activity;

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_does_a_type_that_a_program_adds() {
    let stack = Stack::without_worker().await;
    let config =
        Config { activities: hive_activity::activities(), ..config(&stack.folder.path().join("scratch")) };
    tokio::spawn(ec2_worker::run(config, stack.clients.clone(), stack.shutdown.clone()));
    let query = object("Query", vec![string("type", "HiveActivity"), string("hiveScript", "SELECT 1")]);
    let attempt = stack.run(vec![query]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(value(&attempt, "queryLength"), "8");
}

#[test]
fn a_type_that_a_program_adds_says_what_hinders_it() {
    let work = definition::PipelineObject {
        id: "Query".into(),
        name: "Query".to_owned(),
        fields: vec![
            definition::Field::string("type", "HiveActivity"),
            definition::Field::string("hiveScript", "CREATE TABLE t (a int) CLUSTERED BY (a) INTO 8 BUCKETS"),
        ],
    };
    let found = hive_activity::activities().hindrances(&work, None, |_| None);
    assert_eq!(found.iter().map(|it| it.field).collect::<Vec<_>>(), ["hiveScript"]);
    let found = Activities::default().hindrances(&work, None, |_| None);
    assert!(found[0].what.starts_with("is HiveActivity; ec2-worker does"), "{found:?}");
}

#[test]
fn the_service_recommends_the_worker_only_for_types_that_it_does() {
    let done: Vec<_> = Activities::default().names().collect();
    for kind in server::EC2_WORKER_DOES {
        assert!(done.contains(&kind.name()), "{}", kind.name());
    }
}

/// An activity that panics.
struct Panicking {
    on_a_thread: bool,
}

static PANICS_IN_READ: AtomicBool = AtomicBool::new(false);

impl Activity for Panicking {
    const TYPE: &'static str = "HiveActivity";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        assert!(!PANICS_IN_READ.load(Ordering::SeqCst), "no luck in reading");
        Ok(Self { on_a_thread: reader.attempt().string("hiveScript") == Some("thread") })
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        if self.on_a_thread {
            let thread = tokio::task::spawn_blocking(|| panic!("no luck on a thread"));
            thread.await.expect("the thread ends");
        }
        panic!("no luck with {}", context.component)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_attempt_at_once_and_the_worker_goes_on() {
    let stack = Stack::without_worker().await;
    let config = Config {
        activities: Activities::default().with::<Panicking>(),
        concurrency: 1,
        ..config(&stack.folder.path().join("scratch"))
    };
    tokio::spawn(ec2_worker::run(config, stack.clients.clone(), stack.shutdown.clone()));
    let query =
        |script: &str| object("Query", vec![string("type", "HiveActivity"), string("hiveScript", script)]);
    for (script, in_read, says) in [
        ("SELECT 1", false, "the worker panicked while doing the task; this is a bug: no luck with Query"),
        ("thread", false, "no luck on a thread"),
        ("SELECT 1", true, "the worker panicked while reading the task; this is a bug: no luck in reading"),
    ] {
        PANICS_IN_READ.store(in_read, Ordering::SeqCst);
        let attempt = stack.run(vec![query(script)]).await;
        assert_eq!(value(&attempt, "errorId"), "Worker:Panic", "{attempt:?}");
        assert!(value(&attempt, "errorMessage").contains(says), "{attempt:?}");
    }
    let say = vec![string("type", "ShellCommandActivity"), string("command", "true")];
    let attempt = stack.run(vec![object("Say", say)]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
}
