//! `docs/iam.md` names exactly the calls to AWS that the programs make, and Terraform's roles allow these calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use super::{collect, workspace};

/// A program: its name on the page, its sources, the services that it calls, and the module of Terraform with its role.
const PROGRAMS: [(&str, &str, &[&str], &str); 4] = [
    ("orchestrator", "orchestrator/src", &["s3", "datapipeline", "sns"], "orchestrator"),
    ("ec2-worker", "ec2-worker/src", &["s3", "datapipeline", "secretsmanager", "ssm"], "worker"),
    ("server", "crates/server/src", &["s3", "sns", "dynamodb"], "engine"),
    ("ec2-host", "crates/ec2-host/src", &["ec2"], "engine"),
];

/// Prints each operation of the services with its name in the SDK: `GetObject get_object`.
const OPERATIONS: &str = "
import sys, botocore.session
from botocore import xform_name
for service in sys.argv[1:]:
    for name in botocore.session.get_session().get_service_model(service).operation_names:
        print(name, xform_name(name))
";

/// Returns the operations of services, by the name of their method in the SDK. botocore knows all of them.
fn operations(services: &[&str]) -> BTreeMap<String, String> {
    let python = workspace().join("target/venv/bin/python");
    let output = Command::new(python).args(["-c", OPERATIONS]).args(services).output();
    let output = output.expect("Python with botocore; run `tests/setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let pair = |line: &str| line.split_once(' ').map(|(name, method)| (method.to_owned(), name.to_owned()));
    said.lines().filter_map(pair).collect()
}

/// Returns the operations that sources call: the SDK's methods take no arguments, and our own with such names do.
fn called(folder: &Path, operations: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut files = Vec::new();
    collect(folder, &mut files);
    // A test's world is not part of the program.
    let is_of_tests =
        |part: std::path::Component<'_>| ["simulation", "tests"].iter().any(|it| part.as_os_str() == *it);
    files.retain(|file| !file.components().skip(folder.components().count()).any(is_of_tests));
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is readable");
        for before in text.split("()") {
            let name = before.rsplit(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next();
            let name = name.unwrap_or_default();
            let is_method = before[..before.len() - name.len()].trim_end().ends_with('.');
            found.extend(operations.get(name).filter(|_| is_method).cloned());
        }
        // A request that is made before its client is known.
        let is_built = |name: &&String| text.contains(&format!("{name}Input::builder()"));
        found.extend(operations.values().filter(is_built).cloned());
        // A call without the SDK names its operation in a header.
        let is_target = |name: &&String| text.contains(&format!(".{name}\""));
        found.extend(operations.values().filter(is_target).cloned());
    }
    found
}

/// Returns the rows of a program's table: each call with its actions.
fn documented(page: &str, program: &str) -> BTreeMap<String, Vec<String>> {
    let (_, section) = page.split_once(&format!("## `{program}`\n")).expect("the program has a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let row = |line: &str| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
        let actions = cells.get(1)?.split('`').filter(|text| text.contains(':'));
        let actions: Vec<String> = actions.map(str::to_owned).collect();
        (!actions.is_empty()).then(|| (cells[0].to_owned(), actions))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn the_page_on_iam_names_exactly_the_calls_of_the_programs() {
    let page = fs::read_to_string(workspace().join("docs/iam.md")).expect("docs/iam.md");
    for (program, sources, services, module) in PROGRAMS {
        let called = called(&workspace().join(sources), &operations(services));
        let documented = documented(&page, program);
        let named: BTreeSet<String> = documented.keys().cloned().collect();
        assert_eq!(called, named, "{program}: the calls of the sources, and those of docs/iam.md");
        let folder = workspace().join("terraform/modules").join(module);
        let files =
            fs::read_dir(&folder).expect("a module of Terraform").map(|entry| entry.expect("a file").path());
        let text: String = files.map(|file| fs::read_to_string(file).expect("a file of Terraform")).collect();
        let actions = documented.into_values().flatten();
        // The preconditions on DynamoDB are for those who have such tables.
        let missing: BTreeSet<String> = actions
            .filter(|action| !action.starts_with("dynamodb:") && !text.contains(&format!("\"{action}\"")))
            .collect();
        assert!(missing.is_empty(), "the role in {} does not allow {missing:?}", folder.display());
    }
}
