//! `help-object` and `schema`: describe the object types and the stream files, for people and for editors.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use definition::inherit::DEFAULT_ID;
use definition::kind::{Kind, help};
use definition::schema;
use serde_json::Value;

use super::{Exit, output};

const AFTER_HELP: &str = "\
Examples:
  downspout help-object                       all types, in groups
  downspout help-object CopyActivity          the fields of the type, with values and defaults
  downspout help-object Default               the object whose fields all other objects inherit
  downspout help-object stream                the fields of a stream file, pipeline-definitions/streams/NAME.json";

const SCHEMA_HELP: &str = "\
Examples:
  downspout schema > pipeline-definition.schema.json
  downspout schema streams > stream.schema.json

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
pub struct SchemaArgs {
    /// Files that the schema describes
    #[arg(value_name = "FILES", value_enum, default_value_t)]
    of: Described,
}

/// Files that a JSON Schema describes.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Described {
    /// Pipeline definitions
    #[default]
    Definitions,
    /// Stream files
    Streams,
}

/// The word for which `help-object` describes stream files.
const STREAM: &str = "stream";
/// The width of the longest name of a field of a stream file.
const NAME_WIDTH: usize = 22;

pub(super) fn run(args: &HelpObjectArgs) -> anyhow::Result<Exit> {
    let text = match args.kind.as_deref() {
        None => help::overview(),
        Some(name) if name.eq_ignore_ascii_case(DEFAULT_ID) => help::help_default(),
        Some(name) if name.eq_ignore_ascii_case(STREAM) => help_stream(),
        Some(name) => help::help(kind_of(name)?),
    };
    output::print(&text)?;
    Ok(Exit::Done)
}

pub(super) fn print_schema(args: &SchemaArgs) -> anyhow::Result<Exit> {
    match args.of {
        Described::Definitions => output::json(&schema::json_schema())?,
        Described::Streams => output::json(&stream::file::json_schema())?,
    }
    Ok(Exit::Done)
}

/// Returns the help page of stream files: a line for each field.
fn help_stream() -> String {
    let schema = stream::file::json_schema();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut page = format!("{}: {}\n\n", text(&schema["title"]), text(&schema["description"]));
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let default = field.get("default").map(|value| format!(" Default: {}.", text(value)));
        let words: Vec<String> = field["enum"].as_array().into_iter().flatten().map(text).collect();
        let words = if words.is_empty() { String::new() } else { format!(" One of: {}.", words.join(", ")) };
        let range = match (&field["minimum"], &field["maximum"]) {
            (Value::Null, _) | (_, Value::Null) => String::new(),
            (least, most) => format!(" From {least} to {most}."),
        };
        let description = text(&field["description"]);
        page.push_str(&format!(
            "  {name:NAME_WIDTH$} {description}{words}{range}{}\n",
            default.unwrap_or_default()
        ));
    }
    page
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
    fn the_help_about_streams_names_every_field_with_its_default() {
        insta::assert_snapshot!(help_stream());
    }

    #[test]
    fn a_type_is_found_in_any_case_and_a_wrong_one_gets_a_hint() {
        assert_eq!(kind_of("copyactivity").expect("there is one"), Kind::CopyActivity);
        let error = kind_of("CopActivity").expect_err("there is none").to_string();
        assert!(error.contains("; similar: CopyActivity:"), "{error}");
    }
}
