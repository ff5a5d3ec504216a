//! `help-object` and `schema`: describe the object types, for people and for editors.

use anyhow::Context as _;
use clap::Args;
use definition::inherit::DEFAULT_ID;
use definition::kind::{Kind, help};
use definition::schema;

use super::{Exit, output};

const AFTER_HELP: &str = "\
Examples:
  downspout help-object                       all types, in groups
  downspout help-object CopyActivity          the fields of the type, with values and defaults
  downspout help-object Default               the object whose fields all other objects inherit";

const SCHEMA_HELP: &str = "\
Example:
  downspout schema > pipeline-definition.schema.json

With the schema, an editor completes types and fields while you type, and marks errors.";

/// Arguments of `help-object`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct HelpObjectArgs {
    /// Name of a type, in upper or lower case
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
        Some(name) => help::help(kind_of(name)?),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

pub(super) fn print_schema() -> anyhow::Result<Exit> {
    output::json(&schema::json_schema())?;
    Ok(Exit::Done)
}

fn kind_of(name: &str) -> anyhow::Result<Kind> {
    let kind = Kind::ALL.iter().copied().find(|kind| kind.name().eq_ignore_ascii_case(name));
    kind.with_context(|| {
        let begin: String = name.chars().take(3).collect::<String>().to_ascii_lowercase();
        let alike = Kind::ALL.iter().map(|kind| kind.name());
        let alike: Vec<_> = alike.filter(|known| known.to_ascii_lowercase().starts_with(&begin)).collect();
        let hint = if alike.is_empty() { String::new() } else { format!("; similar: {}", alike.join(", ")) };
        format!("the type {name} does not exist{hint}: `downspout help-object` lists all types")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_in_any_case_and_a_wrong_one_gets_a_hint() {
        assert_eq!(kind_of("copyactivity").expect("there is one"), Kind::CopyActivity);
        let error = kind_of("CopActivity").expect_err("there is none").to_string();
        assert!(error.contains("; similar: CopyActivity:"), "{error}");
    }
}
