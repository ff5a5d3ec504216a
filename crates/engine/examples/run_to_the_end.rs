//! Expands a definition and steps the run to its end: `cargo run -p engine --example run_to_the_end`.

use std::sync::Arc;

use engine::{Activation, Event, Occasion, Plan, TaskOutcome, expand, time};

const DEFINITION: &str = r#"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "workerGroup": "etl"},
    {"id": "Load", "type": "ShellCommandActivity", "command": "load", "output": {"ref": "Table"}},
    {"id": "Table", "type": "S3DataNode", "filePath": "s3://bucket/table.csv"},
    {"id": "Count", "type": "ShellCommandActivity", "command": "count", "input": {"ref": "Table"}}
]}"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = Arc::new(Plan::of(definition::file::parse(DEFINITION)?)?);
    let now = time::parse("2030-01-31T22:00:00").ok_or("no time")?;
    let activation = Activation {
        pipeline: "df-1".into(),
        pipeline_name: "example".to_owned(),
        version: 1,
        at: now,
        occasion: Occasion::OnDemand { latest: None },
        paused: Default::default(),
    };
    let (mut run, first) = expand(plan, activation)?;
    println!("the driver owes {:?}", first.effects);
    // One task runner takes every attempt on offer and reports success. A real driver saves each step before it acts.
    loop {
        let Some(attempt) = run.offers().next().map(|(attempt, _)| attempt.clone()) else { break };
        run.step(Event::Claimed { attempt: attempt.clone(), runner: "laptop".into() }, now)?;
        let (handout, outcome) = (1, TaskOutcome::Finished);
        let step = run.step(Event::StatusSet { attempt: attempt.clone(), handout, outcome }, now)?;
        for instance in run.changed_instances(&step) {
            println!("{attempt} finished: {} is {}", instance.id, instance.wire_status());
        }
        println!("the driver owes {:?}", step.effects);
    }
    println!("{:?}", run.end().ok_or("the run has not ended")?.outcome);
    Ok(())
}
