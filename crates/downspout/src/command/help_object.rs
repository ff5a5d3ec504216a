//! `help-object` and `schema`: the object types, for people and for editors.

use anyhow::Context as _;
use clap::Args;
use definition::inherit::DEFAULT_ID;
use definition::kind::{Kind, help};
use definition::schema;

use super::{Exit, output};

const AFTER_HELP: &str = "\
Examples:
  downspout help-object                       every type, by family
  downspout help-object CopyActivity          its fields, what they hold, and what holds where nothing is said
  downspout help-object Default               the object whose fields all others inherit";

const SCHEMA_HELP: &str = "\
Example:
  downspout schema > pipeline-definition.schema.json

An editor that is given the schema completes types and fields while you type, and marks what is wrong.";

/// Arguments of `help-object`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct HelpObjectArgs {
    /// A type, in any case
    #[arg(value_name = "TYPE")]
    kind: Option<String>,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
#[command(after_help = SCHEMA_HELP)]
pub struct SchemaArgs {}

pub(super) fn run(args: &HelpObjectArgs) -> anyhow::Result<Exit> {
    let text = match args.kind.as_deref() {
        None => help::overview(),
        Some(name) if name.eq_ignore_ascii_case(DEFAULT_ID) => help::help_default(),
        Some(name) => help::help(named(name)?),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

pub(super) fn print_schema() -> anyhow::Result<Exit> {
    output::json(&schema::json_schema())?;
    Ok(Exit::Done)
}

fn named(name: &str) -> anyhow::Result<Kind> {
    let kind = Kind::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name));
    kind.with_context(|| {
        let begin: String = name.chars().take(3).collect::<String>().to_ascii_lowercase();
        let alike = Kind::ALL.iter().map(|kind| kind.name());
        let alike: Vec<_> = alike.filter(|known| known.to_ascii_lowercase().starts_with(&begin)).collect();
        let hint = if alike.is_empty() { String::new() } else { format!("; there are {}", alike.join(", ")) };
        format!("there is no type {name}{hint}: `downspout help-object` lists all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_in_any_case_and_a_wrong_one_gets_a_hint() {
        assert_eq!(named("copyactivity").expect("there is one"), Kind::CopyActivity);
        let error = named("CopActivity").expect_err("there is none").to_string();
        assert!(error.contains("; there are CopyActivity:"), "{error}");
    }
}
