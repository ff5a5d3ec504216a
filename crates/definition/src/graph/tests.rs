//! Tests of the run order of definitions, and of its pictures.

use std::time::{Duration, Instant};

use super::*;
use crate::{Definition, Field, PipelineObject, file};

const ORDERS: &str = include_str!("../../../../pipeline-definitions/orders.json");

const SMALL: &str = r#"{"objects": [
    {"id": "Default", "onFail": {"ref": "Mail"}, "schedule": {"ref": "Daily"}},
    {"id": "Daily", "type": "Schedule", "period": "1 day", "startDateTime": "2030-01-01T00:00:00"},
    {"id": "Mail", "type": "SnsAlarm", "subject": "it failed", "topicArn": "arn:aws:sns:eu-west-1:1:t"},
    {"id": "There", "type": "S3KeyExists", "s3Key": "s3://bucket/ready"},
    {"id": "Source", "type": "S3DataNode", "filePath": "s3://bucket/in.csv", "precondition": {"ref": "There"}},
    {"id": "Machine", "type": "Ec2Resource", "instanceType": "t3.small"},
    {"id": "Copy", "type": "CopyActivity", "input": {"ref": "Source"}, "output": {"ref": "Table"},
        "runsOn": {"ref": "Machine"}},
    {"id": "Table", "type": "SqlDataNode", "table": "orders", "*password": "hush", "username": "me"},
    {"id": "Report", "type": "ShellCommandActivity", "command": "echo \"done\"", "dependsOn": {"ref": "Copy"},
        "workerGroup": "here"}]}"#;

fn run_order(text: &str) -> RunOrder {
    RunOrder::of(&file::parse(text).unwrap())
}

fn of_objects(objects: &str) -> RunOrder {
    run_order(&format!(r#"{{"objects": {objects}}}"#))
}

/// Returns the edges as text. If an edge is not drawn as a plain arrow, the text says so in parentheses.
fn edges(order: &RunOrder) -> Vec<String> {
    let line = |edge: &Edge| {
        let [from, to] = [edge.from, edge.to].map(|at| &order.nodes[at].id);
        let remark = match edge.line {
            LineStyle::Forward => "",
            LineStyle::Cycle => " (cycle)",
            LineStyle::Shared => " (shared)",
        };
        format!("{from} {} {to}{remark}", edge.link.field())
    };
    order.edges.iter().map(line).collect()
}

fn ids(order: &RunOrder) -> Vec<&str> {
    order.nodes.iter().map(|node| node.id.as_str()).collect()
}

#[test]
fn data_runs_from_its_node_through_the_activity_to_the_next() {
    let order = of_objects(
        r#"[{"id": "A", "type": "CopyActivity", "input": {"ref": "In"}, "output": {"ref": "Out"}},
            {"id": "In", "type": "S3DataNode"}, {"id": "Out", "type": "S3DataNode"}]"#,
    );
    assert_eq!(edges(&order), ["In input A", "A output Out"]);
}

#[test]
fn depends_on_and_preconditions_are_drawn_from_the_object_that_must_end_first() {
    let order = of_objects(
        r#"[{"id": "B", "type": "SqlActivity", "dependsOn": [{"ref": "A"}, {"ref": "A"}, {"ref": "Gone"}]},
            {"id": "A", "type": "SqlActivity", "precondition": {"ref": "P"}},
            {"id": "P", "type": "Exists"}, {"id": "Unused", "type": "Exists"}]"#,
    );
    assert_eq!(ids(&order), ["B", "A", "P"]);
    assert_eq!(edges(&order), ["A dependsOn B", "P precondition A"]);
}

#[test]
fn inherited_links_are_drawn_and_parents_without_a_type_are_not() {
    let order = of_objects(
        r#"[{"id": "Default", "workerGroup": "w"}, {"id": "Load", "dependsOn": {"ref": "A"}},
            {"id": "A", "type": "SqlActivity"}, {"id": "B", "type": "SqlActivity", "parent": {"ref": "Load"}}]"#,
    );
    assert_eq!(ids(&order), ["A", "B"]);
    assert_eq!(edges(&order), ["A dependsOn B"]);
}

#[test]
fn a_reference_in_default_is_shown_once() {
    let order = run_order(SMALL);
    let mail = order.nodes.iter().find(|node| node.id == "Mail").unwrap();
    assert_eq!(mail.shared.iter().map(ToString::to_string).collect::<Vec<_>>(), ["onFail of every object"]);
    assert!(edges(&order).contains(&"Copy onFail Mail (shared)".to_owned()));
    // If only one object has the link, a line shows it.
    let order = of_objects(
        r#"[{"id": "Default", "onFail": {"ref": "Mail"}}, {"id": "Mail", "type": "SnsAlarm"},
            {"id": "A", "type": "SqlActivity"}]"#,
    );
    assert_eq!(edges(&order), ["A onFail Mail"]);
}

#[test]
fn a_schedule_is_drawn_only_to_the_first_objects_of_its_order() {
    let objects = |schedule: &str| {
        format!(
            r#"[{{"id": "S", "type": "Schedule", "period": "1 day"}},
            {{"id": "A", "type": "SqlActivity", "schedule": {{"ref": "S"}}}},
            {{"id": "B", "type": "SqlActivity", "schedule": {{"ref": "{schedule}"}}, "dependsOn": {{"ref": "A"}}}},
            {{"id": "T", "type": "Schedule", "period": "1 hour"}}]"#
        )
    };
    assert_eq!(edges(&of_objects(&objects("S"))), ["S schedule A", "A dependsOn B"]);
    assert_eq!(edges(&of_objects(&objects("T"))), ["S schedule A", "A dependsOn B", "T schedule B"]);
}

#[test]
fn an_edge_that_closes_a_cycle_is_marked() {
    let order = of_objects(
        r#"[{"id": "A", "type": "SqlActivity", "dependsOn": {"ref": "C"}},
            {"id": "B", "type": "SqlActivity", "dependsOn": [{"ref": "A"}, {"ref": "B"}]},
            {"id": "C", "type": "SqlActivity", "dependsOn": {"ref": "B"}}]"#,
    );
    let expected = ["C dependsOn A (cycle)", "A dependsOn B", "B dependsOn B (cycle)", "B dependsOn C"];
    assert_eq!(edges(&order), expected);
    let svg = to_svg(&order);
    assert!(svg.contains("waits in a cycle"), "{svg}");
    assert!(to_mermaid(&order).contains("linkStyle 0,2 stroke:#d64545"));
    assert!(to_dot(&order).contains(r##""C" -> "A" [color="#d64545", style=dashed"##));
}

#[test]
fn an_empty_definition_is_an_empty_picture() {
    let order = RunOrder::of(&Definition::default());
    assert_eq!(order, RunOrder::default());
    insta::assert_snapshot!(to_mermaid(&order), @"flowchart LR");
    assert!(to_dot(&order).ends_with("}\n"));
    let svg = to_svg(&order);
    assert!(roxmltree::Document::parse(&svg).is_ok() && svg.contains("Nothing runs"), "{svg}");
}

#[test]
fn any_id_can_be_drawn() {
    let id = "a \"b\" [c] {d} <e> & f' #35; `g` \\ %%{h}%% 日本 _i_ fa:fa-car";
    let mut object = PipelineObject { id: id.into(), name: id.to_owned(), fields: Vec::new() };
    object.set("type", "ShellCommandActivity");
    object.set("command", "a\n\u{1}<b>\\");
    object.fields.push(Field::reference("dependsOn", id));
    let order = RunOrder::of(&Definition { objects: vec![object], ..Definition::default() });

    let svg = to_svg(&order);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let titles: Vec<_> = document.descendants().filter(|it| it.has_tag_name("title")).collect();
    assert_eq!(titles[0].text(), Some(&*format!("{id}\nShellCommandActivity\na \u{fffd}<b>\\")));
    insta::assert_snapshot!(to_mermaid(&order).lines().nth(1).unwrap());
    insta::assert_snapshot!(to_dot(&order).lines().skip(5).collect::<Vec<_>>().join("\n"));
}

#[test]
fn no_secret_is_drawn() {
    let order = run_order(SMALL);
    for picture in [to_svg(&order), to_dot(&order), to_mermaid(&order)] {
        assert!(picture.contains("Table") && !picture.contains("hush") && !picture.contains("password"));
    }
}

#[test]
fn the_texts_of_a_small_definition() {
    let order = run_order(SMALL);
    insta::assert_snapshot!("small_dot", to_dot(&order));
    insta::assert_snapshot!("small_mermaid", to_mermaid(&order));
}

#[test]
fn the_texts_of_orders() {
    let order = run_order(ORDERS);
    insta::assert_snapshot!("orders_dot", to_dot(&order));
    insta::assert_snapshot!("orders_mermaid", to_mermaid(&order));
}

#[test]
fn pictures_are_well_formed_their_boxes_apart_and_always_the_same() {
    for text in [ORDERS, SMALL] {
        let svg = to_svg(&run_order(text));
        assert_eq!(svg, to_svg(&run_order(text)));
        let document = roxmltree::Document::parse(&svg).unwrap();
        let number =
            |node: roxmltree::Node<'_, '_>, key| node.attribute(key).unwrap().parse::<f64>().unwrap();
        let boxes: Vec<[f64; 4]> = document
            .descendants()
            .filter(|node| node.has_tag_name("rect"))
            .filter(|node| {
                node.parent().is_some_and(|parent| {
                    parent.first_element_child().is_some_and(|it| it.has_tag_name("title"))
                })
            })
            .map(|node| ["x", "y", "width", "height"].map(|key| number(node, key)))
            .collect();
        assert_eq!(boxes.len(), run_order(text).nodes.len());
        for (at, [x, y, width, height]) in boxes.iter().enumerate() {
            for [other_x, other_y, other_width, other_height] in &boxes[at + 1..] {
                let apart = x + width < *other_x || other_x + other_width < *x;
                assert!(apart || y + height < *other_y || other_y + other_height < *y);
            }
        }
    }
}

#[test]
fn ten_thousand_objects_do_not_take_long() {
    type Needs = fn(usize) -> Vec<usize>;
    let shapes: [(&str, Needs); 4] = [
        ("a chain", |at| if at > 0 { vec![at - 1] } else { vec![] }),
        ("a chain that hangs on its first", |at| if at > 0 { vec![at - 1, 0] } else { vec![] }),
        ("a thicket", |at| (1..4).filter_map(|step| (at * step / 5 < at).then_some(at * step / 5)).collect()),
        ("loose objects", |_| vec![]),
    ];
    for (name, needs) in shapes {
        let object = |at: usize| {
            let mut fields: Vec<Field> =
                needs(at).iter().map(|on| Field::reference("dependsOn", format!("A{on}"))).collect();
            fields.push(Field::string("type", "SqlActivity"));
            PipelineObject { id: format!("A{at}").into(), name: format!("A{at}"), fields }
        };
        let definition = Definition { objects: (0..10_000).map(object).collect(), ..Definition::default() };
        let begin = Instant::now();
        let order = RunOrder::of(&definition);
        assert!(to_svg(&order).len() > to_dot(&order).len() + to_mermaid(&order).len());
        // The limit allows for a slow machine and a build without optimisation. A quadratic algorithm would take minutes.
        assert!(begin.elapsed() < Duration::from_secs(20), "{name}: {:?}", begin.elapsed());
    }
}
