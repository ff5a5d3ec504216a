//! The situations of `docs/patterns.md`, each of which happens as the page says.

use serde_json::{Value, json};

use super::scene::Scene;

const PAGE: &str = include_str!("../../../docs/patterns.md");

/// A situation of the page: its title, the objects of its definition, and a line for each file.
struct Situation {
    title: String,
    objects: Value,
    lines: Vec<String>,
}

fn situations() -> Vec<Situation> {
    let sections = PAGE.split("\n## ").skip(1);
    let numbered = sections.filter(|section| section.starts_with(|first: char| first.is_ascii_digit()));
    let block = |section: &str, kind: &str| {
        let (_, rest) = section.split_once(&format!("```{kind}\n"))?;
        rest.split_once("```").map(|(block, _)| block.to_owned())
    };
    numbered
        .map(|section| Situation {
            title: section.lines().next().unwrap_or_default().to_owned(),
            objects: serde_json::from_str(&block(section, "json").expect("objects")).expect("JSON"),
            lines: block(section, "text").expect("files").lines().map(str::to_owned).collect(),
        })
        .collect()
}

/// Returns a whole definition with the objects of a situation.
fn definition(objects: &Value) -> String {
    let mut objects = objects.as_array().cloned().expect("a list of objects");
    let common = json!({"name": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE",
        "pipelineLogUri": "s3://logs/orders", "role": "r", "resourceRole": "r"});
    for (key, value) in common.as_object().expect("an object") {
        objects[0][key] = value.clone();
    }
    objects.push(json!({"id": "Say", "type": "ShellCommandActivity", "command": "true", "workerGroup": "w"}));
    json!({"objects": objects, "parameters": [{"id": "myDropBucket"}, {"id": "myDay"}]}).to_string()
}

/// Returns what happened, in the words of the page.
fn sentence(scene: &Scene, decision: &Value) -> String {
    let set = decision["set"].as_str().unwrap_or_default();
    let missing: Vec<_> =
        decision["missing"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match decision["decision"].as_str().unwrap_or_default() {
        "incomplete" => format!("waits for {}", missing.join(", ")),
        "started" => format!("starts {set} with {}", scene.names_of_head("orders", set).join(", ")),
        "next" => format!("is next in {set}"),
        "behind" => "is behind another set".to_owned(),
        "failed" => format!("stops {set}"),
        "unmatched" => match decision["reason"].as_str().unwrap_or_default().split_once(" of orders: ") {
            Some((_, why)) => format!("nearly matches: {why}"),
            None => "is ignored".to_owned(),
        },
        other => format!("{other}: {decision}"),
    }
}

#[test]
fn every_situation_of_the_page_happens_as_it_says() {
    let situations = situations();
    assert!(situations.len() >= 12, "the page teaches by a dozen situations");
    for Situation { title, objects, lines } in situations {
        let mut scene = Scene::with(&definition(&objects));
        for (number, line) in lines.into_iter().enumerate() {
            if line.starts_with('(') {
                scene.world.end_all_runs();
                scene.advance(61);
                scene.sweep_whole();
                scene.world.end_all_runs();
                scene.sweep_whole();
                continue;
            }
            let (file, expected) = line.split_once("  ").expect("a key and what happens to it");
            let (key, body) = match file.strip_suffix(" (empty)") {
                Some(key) => (key, String::new()),
                None => (file, format!("content {number}")),
            };
            let decisions = scene.drop_key(key, &body);
            let [decision] = decisions.as_array().expect("decisions").as_slice() else {
                panic!("{title}, {file}: one decision: {decisions}");
            };
            let (sentence, expected) = (sentence(&scene, decision), expected.trim());
            assert!(
                sentence.starts_with(expected),
                "{title}, {file}\n  page: {expected}\n  code: {sentence}\n{decision}"
            );
        }
        assert_eq!(scene.world.violations(), Vec::<String>::new(), "{title}");
    }
}
