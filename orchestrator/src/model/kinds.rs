//! Any order of events for every kind of pattern: stars, dates, optional files, markers, packed files, names in any case,
//! and empty objects that come first.
//!
//! After any order, each set that the bucket holds was run with the files that it holds now, and no content was run again
//! except after a failure or after other content of the set.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Happening;
use super::scene::Scene;
use super::world::Activation;
use crate::report::Verdict;

/// A kind of patterns: the fields of `Default`, further objects, and keys that people drop.
struct Kind {
    fields: &'static str,
    objects: &'static str,
    keys: [&'static str; 6],
}

const ALL_OF_STAR: &str =
    r#", {"id": "In", "type": "S3DataNode", "filePath": "s3://drop/in/{day}/a_*.csv", "myMatch": "all"}"#;
const ONE_OF_STAR: &str =
    r#", {"id": "In", "type": "S3DataNode", "filePath": "s3://drop/in/{day}/a_*.csv", "myMatch": "one"}"#;
const STARS: [&str; 6] =
    ["in/1/a_1.csv", "in/1/a_2.csv", "in/1/b.csv", "in/2/a_1.csv", "in/2/b.csv", "in/1/a_3.csv.part"];

const KINDS: [Kind; 9] = [
    Kind { fields: r#""myDropFile": ["in/{day}/a_*.csv", "in/{day}/b.csv"]"#, objects: "", keys: STARS },
    Kind {
        fields: r#""myDropFile": ["in/{day}/a_*.csv", "in/{day}/b.csv"]"#,
        objects: ALL_OF_STAR,
        keys: STARS,
    },
    Kind {
        fields: r#""myDropFile": ["in/{day}/a_*.csv", "in/{day}/b.csv"]"#,
        objects: ONE_OF_STAR,
        keys: STARS,
    },
    Kind {
        fields: r#""myDropFile": ["a_{day:yyyyMMdd}.csv", "b-{day:yyyy-MM-dd}.csv"]"#,
        objects: "",
        keys: [
            "a_20260101.csv",
            "b-2026-01-01.csv",
            "a_20260102.csv",
            "b-2026-01-02.csv",
            "a_20261301.csv",
            "A_20260101.csv",
        ],
    },
    Kind {
        fields: r#""myDropFile": "in/{day}/a.csv", "myDropFileOptional": "in/{day}/b.csv""#,
        objects: "",
        keys: ["in/1/a.csv", "in/1/b.csv", "in/2/a.csv", "in/2/b.csv", "in/3/b.csv", "in/1/x/a.csv"],
    },
    Kind {
        fields: r#""myDropFile": "in/{day}/part-*", "myDropMarker": "in/{day}/_SUCCESS", "myAllowEmpty": "true""#,
        objects: r##", {"id": "In", "type": "S3DataNode", "directoryPath": "s3://drop/in/#{myDay}"}"##,
        keys: [
            "in/1/part-0",
            "in/1/part-1",
            "in/1/_SUCCESS",
            "in/2/part-0",
            "in/2/_SUCCESS",
            "in/2/part-0.tmp",
        ],
    },
    Kind {
        fields: r#""myDropFile": ["in/{day}/a.csv", "in/{day}/b.csv"], "myCompressed": "true", "myIgnoreCase": "true""#,
        objects: "",
        keys: ["in/1/a.csv", "in/1/A.CSV.gz", "in/1/b.csv.zst", "in/1/B.csv", "in/2/a.csv", "in/2/b.csv"],
    },
    Kind {
        fields: r#""myDropFile": "in/{day}/a_*.csv", "myDropMarker": "in/{day}/END", "myCompressed": "true", "myIgnoreCase": "true""#,
        objects: r##", {"id": "In", "type": "S3DataNode", "directoryPath": "s3://drop/in/#{myDay}"}"##,
        keys: ["in/1/a_1.csv", "in/1/A_1.csv.gz", "in/1/a_2.csv", "in/1/END", "in/2/a_1.csv.zst", "in/2/END"],
    },
    Kind {
        fields: r#""myDropFile": ["a_*.csv", "b.csv"], "mySettle": "0 seconds""#,
        objects: "",
        keys: ["a_1.csv", "a_2.csv", "b.csv", "a_.csv", "x.csv", "a_1.csv~"],
    },
];

impl Kind {
    fn definition(&self) -> String {
        let Self { fields, objects, .. } = self;
        format!(
            r##"{{"objects": [
    {{"id": "Default", "name": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE",
     "pipelineLogUri": "s3://logs/orders", "role": "r", "resourceRole": "r", {fields}}},
    {{"id": "Say", "type": "ShellCommandActivity", "command": "true", "workerGroup": "w"}}{objects}
  ], "parameters": [{{"id": "myDay"}}]}}"##
        )
    }
}

/// Asserts that each set has run with the files that the bucket holds, or cannot run.
fn assert_all_sets_ran(scene: &Scene, kind: &Kind) {
    for key in kind.keys {
        for decision in scene.status(key) {
            let may_stay = match decision.verdict {
                // `myMatch` is `one`, and two files match.
                Verdict::Failed => kind.objects == ONE_OF_STAR,
                Verdict::Duplicate | Verdict::Incomplete | Verdict::Unmatched => true,
                _ => false,
            };
            assert!(may_stay, "{key}: {decision:#?}");
        }
    }
}

fn assert_no_content_ran_twice(runs: &[Activation]) {
    let mut last: BTreeMap<&str, &Activation> = BTreeMap::new();
    for run in runs {
        if let Some(before) = last.insert(&run.name, run) {
            assert!(before.failed || before.run_key != run.run_key, "{} ran twice: {runs:#?}", run.name);
        }
    }
}

fn play(kind: &Kind, happenings: &[(Happening, usize, u8)]) {
    let mut scene = Scene::with(&kind.definition());
    for (happening, key, content) in happenings {
        match happening {
            Happening::Drop { .. } => {
                let body = if *content == 0 { String::new() } else { format!("content {content}") };
                scene.put_key(kind.keys[*key], &body);
            }
            other => scene.happen(other),
        }
    }
    scene.calm_down();
    assert_eq!(scene.world.violations(), Vec::<String>::new());
    assert_all_sets_ran(&scene, kind);
    assert_no_content_ran_twice(&scene.world.activations());
    let notices = scene.world.notices();
    let mut messages = BTreeMap::new();
    for notice in &notices {
        let message = messages.entry(&notice.id).or_insert(&notice.message);
        assert_eq!(*message, &notice.message, "an id stands for one notice: {notices:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 1_000, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_kind_of_pattern_runs_each_set_once(
        kind in 0..KINDS.len(),
        happenings in prop::collection::vec((super::happening(), 0..6usize, 0..3u8), 20..150),
    ) {
        play(&KINDS[kind], &happenings);
    }
}
