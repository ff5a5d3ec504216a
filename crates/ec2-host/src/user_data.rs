//! The user data of a machine: the script that installs `ec2-worker` at the first start.
//!
//! The script has the key of the machine. Everybody who may call DescribeInstanceAttribute can read the key, and so can every
//! program on the machine. The key is good for the work of this machine alone, and ends with the machine.

use server::host::Resource;

use crate::settings::Settings;
use crate::wish::Wish;

/// The script. `@@` encloses the names of the parts that are filled in.
const SCRIPT: &str = include_str!("user-data.sh");
/// The systemd unit of the worker.
const UNIT: &str = include_str!("../../../ec2-worker/systemd/ec2-worker.service");
/// The script that installs a program as a service.
const INSTALL: &str = include_str!("../../../ec2-worker/systemd/install");

/// Returns the script for the machine of `resource`.
pub(crate) fn script(settings: &Settings, wish: &Wish, resource: &Resource) -> String {
    let (lines, service) = (environment(settings, resource), service(wish));
    // The script is split once, before anything is filled in. So a `@@` inside a value is not taken for a placeholder.
    let filled = SCRIPT.split("@@").enumerate().map(|(at, part)| match (at % 2, part) {
        (0, text) => text,
        (_, "region") => &settings.regions[0],
        (_, "worker") => &settings.worker,
        (_, "sha256") => &settings.worker_sha256,
        (_, "settings") => &lines,
        (_, "authority") => settings.authority.trim_end(),
        (_, "unit") => UNIT.trim_end(),
        (_, "service") => &service,
        (_, "install") => INSTALL.trim_end(),
        (_, other) => unreachable!("the script has no part {other}"),
    });
    filled.collect()
}

/// Returns the settings of the worker, one a line, as systemd reads them from a file.
fn environment(settings: &Settings, resource: &Resource) -> String {
    let key = &resource.credentials;
    let mut given: Vec<(&str, &str)> = vec![
        ("AWS_REGION", settings.regions[0].as_str()),
        ("AWS_ENDPOINT_URL_DATA_PIPELINE", &settings.endpoint),
        ("WORKER_GROUP", resource.worker_group.as_str()),
        ("DOWNSPOUT_ACCESS_KEY_ID", &key.access_key_id),
        ("DOWNSPOUT_SECRET_ACCESS_KEY", &key.secret_access_key),
    ];
    if !settings.rds_instances.is_empty() {
        given.push(("RDS_INSTANCES", &settings.rds_instances));
    }
    let lines: Vec<_> = given.into_iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    lines.join("\n")
}

/// Returns a value between quotes, as systemd reads it from a file of settings. The value must be one line.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// Returns the drop-in file that adds settings to the systemd unit of the worker.
fn service(wish: &Wish) -> String {
    match &wish.run_as {
        Some(user) => format!("[Service]\nUser={user}"),
        None => "[Service]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_every_character() {
        assert_eq!(quoted(r#"df-1/@a "b" \ $HOME `c`"#), r#""df-1/@a \"b\" \\ \$HOME \`c\`""#);
    }

    #[test]
    fn the_script_has_every_part_that_is_filled_in() {
        let names: Vec<_> = SCRIPT.split("@@").skip(1).step_by(2).collect();
        assert_eq!(
            names,
            ["region", "worker", "sha256", "settings", "authority", "unit", "service", "install"]
        );
    }
}
