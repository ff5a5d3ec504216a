//! Speed of definitions: reading, validating and rendering a whole file, and evaluating expressions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use definition::expression::{self, Scope, Value};
use definition::render::render;
use definition::schedule::Interval;
use definition::{file, validate};
use jiff::Timestamp;

use crate::{Figure, median};

const SMALL: usize = 100;
const LARGE: usize = 10_000;
const EXPRESSIONS: usize = 1_000_000;

pub(crate) fn figures() -> Result<Vec<Figure>> {
    let small = time_of(&definition_of(SMALL), 400)?;
    let large = time_of(&definition_of(LARGE), 9)?;
    let per_object = |time: Duration, objects: usize| time.as_secs_f64() / objects as f64;
    let scaling = per_object(large, LARGE) / per_object(small, SMALL);
    println!("definition of {SMALL} objects {small:.2?}, of {LARGE} objects {large:.2?}");
    Ok(vec![
        Figure::new("definition_100_objects", small.as_secs_f64() * 1_000.0, "ms"),
        Figure::new("definition_scaling", scaling, "x"),
        Figure::new("expressions_per_second", expressions_per_second()?, "1/s"),
    ])
}

/// Returns the median time of reading, validating and rendering `text`.
fn time_of(text: &str, rounds: usize) -> Result<Duration> {
    let start: Timestamp = "2030-01-31T22:00:00Z".parse()?;
    let interval = Interval { start, end: start };
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let definition = file::parse(black_box(text))?;
        let report = validate::validate(&definition);
        black_box(render(&definition, &[], Some(interval)));
        times.push(begun.elapsed().as_secs_f64());
        // The only error of the large definition is that it has more objects than AWS allows.
        let is_expected = report.errors.iter().all(|problem| problem.code == "LIMIT_EXCEEDED");
        ensure!(is_expected && report.warnings.is_empty(), "{report:?}");
    }
    Ok(Duration::from_secs_f64(median(&mut times)))
}

/// Returns a definition of loads and reports as people write them, with parents, references, expressions and values.
fn definition_of(objects: usize) -> String {
    let mut all = vec![
        r##"{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r",
            "resourceRole": "r", "pipelineLogUri": "s3://#{myLogs}/x", "workerGroup": "#{myGroup}",
            "maximumRetries": "2", "retryDelay": "10 minutes", "attemptTimeout": "2 hours",
            "onFail": {"ref": "Failed"}}"##
            .to_owned(),
        r##"{"id": "Failed", "type": "SnsAlarm", "topicArn": "arn", "subject": "#{node.@status}",
            "message": "#{node.errorMessage}"}"##
            .to_owned(),
        r##"{"id": "Db", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/d", "username": "u",
            "jdbcDriverClass": "org.postgresql.Driver", "*password": "#{*myPassword}"}"##
            .to_owned(),
        r##"{"id": "Csv", "type": "CSV", "myHeader": "true"}"##.to_owned(),
        r##"{"id": "Load", "myLoadMode": "replace", "myMaxRejects": "1%"}"##.to_owned(),
    ];
    let mut before = "null".to_owned();
    for number in 0..(objects - all.len()).div_ceil(5) {
        let depends =
            if number == 0 { String::new() } else { format!(r#""dependsOn": {{"ref": "{before}"}},"#) };
        all.push(format!(
            r##"{{"id": "In{number}", "type": "S3DataNode", "dataFormat": {{"ref": "Csv"}},
                "filePath": "s3://bucket/#{{myDay}}/#{{format(@scheduledStartTime, 'YYYY-MM-dd')}}/{number}.csv"}}"##
        ));
        all.push(format!(
            r##"{{"id": "Table{number}", "type": "SqlDataNode", "table": "t{number}", "database": {{"ref": "Db"}},
                "selectQuery": "select * from #{{table}} where day = '#{{myDay}}'"}}"##
        ));
        all.push(format!(
            r##"{{"id": "Copy{number}", "type": "CopyActivity", "parent": {{"ref": "Load"}}, {depends}
                "input": {{"ref": "In{number}"}}, "output": {{"ref": "Table{number}"}}}}"##
        ));
        all.push(format!(
            r##"{{"id": "Build{number}", "type": "SqlActivity", "database": {{"ref": "Db"}},
                "dependsOn": {{"ref": "Copy{number}"}}, "script": "insert into s select #{{myNumber}}, '#{{myDay}}'",
                "myNumber": "{number}", "scriptArgument": ["#{{myDay}}", "a"]}}"##
        ));
        all.push(format!(
            r##"{{"id": "Say{number}", "type": "ShellCommandActivity", "dependsOn": {{"ref": "Build{number}"}},
                "command": "echo ${{HOME}} #{{id}} #{{plusDays(@scheduledStartTime, 1)}}"}}"##
        ));
        before = format!("Say{number}");
    }
    all.truncate(objects);
    format!(
        r##"{{"objects": [{}], "parameters": [{{"id": "myDay"}}, {{"id": "myLogs"}}, {{"id": "myGroup"}},
            {{"id": "*myPassword"}}],
            "values": {{"myDay": "2030-01-31", "myLogs": "logs", "myGroup": "g", "*myPassword": "p"}}}}"##,
        all.join(",\n")
    )
}

/// The names that the expressions below use.
struct Names {
    at: Value,
}

impl Scope for Names {
    fn value(&self, name: &str) -> Option<Value> {
        match name {
            "@scheduledStartTime" => Some(self.at.clone()),
            "myDay" => Some(Value::String("2030-01-31".to_owned())),
            "myCount" => Some(Value::Integer(7)),
            _ => None,
        }
    }

    fn follow(&self, _name: &str) -> Option<Box<dyn Scope + '_>> {
        None
    }
}

/// Returns how many texts with expressions are parsed and evaluated in a second.
fn expressions_per_second() -> Result<f64> {
    const TEXTS: [&str; 4] = [
        "s3://bucket/#{myDay}/orders.csv",
        "#{myCount * 2 + 1}",
        "#{format(@scheduledStartTime, 'YYYY-MM-dd')}",
        "#{minusDays(@scheduledStartTime, 1)}",
    ];
    let names = Names { at: Value::time("2030-01-31T22:00:00Z".parse()?) };
    let begun = Instant::now();
    for number in 0..EXPRESSIONS {
        black_box(expression::evaluate(black_box(TEXTS[number % TEXTS.len()]), &names)?);
    }
    Ok(EXPRESSIONS as f64 / begun.elapsed().as_secs_f64())
}
