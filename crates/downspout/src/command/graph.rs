//! `graph`: draws the run order of a definition.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use definition::graph::{RunOrder, to_dot, to_mermaid, to_svg};

use super::definition_file::{self, Setting};
use super::{Exit, output, validate};

const AFTER_HELP: &str = "\
Examples:
  downspout graph pipeline-definitions/orders.json -o orders.svg      a picture for a browser
  downspout graph orders.json --format mermaid                        text for a README
  downspout graph orders.json --format dot | dot -Tpng > orders.png

If a definition has errors, its readable part is drawn, and the exit code is 1.";

/// Arguments of `graph`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct GraphArgs {
    /// Definition: a JSON file as the AWS CLI takes it
    file: PathBuf,
    /// Format of the graph [default: by the extension of the output file, else svg]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The format of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture for browsers
    Svg,
    /// The language of Graphviz
    Dot,
    /// A flowchart for Markdown
    Mermaid,
}

pub(super) fn run(args: &GraphArgs) -> anyhow::Result<Exit> {
    let settings: &[Setting] = &[];
    let file = definition_file::read(&args.file, settings)?;
    let has_errors = file.diagnosis.errors().next().is_some();
    if has_errors {
        output::complain!("{}", validate::describe(&file).trim_end());
    }
    if has_errors && file.diagnosis.definition.objects.is_empty() {
        // The output file is not changed: an earlier picture is more useful than an empty one.
        return Ok(Exit::Failed);
    }
    let format = match (args.format, args.output.as_deref()) {
        (Some(format), _) => format,
        (None, None) => Format::Svg,
        (None, Some(path)) => format_of(path).with_context(|| {
            format!(
                "{}: the name does not end in .svg, .dot or .mmd: choose the format with --format",
                path.display()
            )
        })?,
    };
    let order = RunOrder::of(&file.diagnosis.definition);
    let graph = match format {
        Format::Svg => to_svg(&order),
        Format::Dot => to_dot(&order),
        Format::Mermaid => to_mermaid(&order),
    };
    match &args.output {
        Some(path) => {
            let written = std::fs::File::create(path).and_then(|mut file| file.write_all(graph.as_bytes()));
            written.with_context(|| format!("writing {}", path.display()))?;
        }
        None => output::print(&graph)?,
    }
    Ok(if has_errors { Exit::Failed } else { Exit::Done })
}

/// Returns the format that the extension of a file stands for, or `None` if the extension is missing or unknown.
fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "svg" => Some(Format::Svg),
        "dot" | "gv" => Some(Format::Dot),
        "mmd" | "mermaid" => Some(Format::Mermaid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_of_the_output_chooses_the_format() {
        assert_eq!(format_of(Path::new("a/orders.svg")), Some(Format::Svg));
        assert_eq!(format_of(Path::new("orders.mmd")), Some(Format::Mermaid));
        assert_eq!(format_of(Path::new("orders")), None);
    }

    #[test]
    fn the_picture_in_the_docs_is_what_is_drawn() {
        let text = include_str!("../../../../pipeline-definitions/orders.json");
        let order = RunOrder::of(&definition::file::parse(text).expect("the shipped definition"));
        let is_same = to_svg(&order) == include_str!("../../../../docs/images/orders.svg");
        assert!(
            is_same,
            "draw it again: downspout graph pipeline-definitions/orders.json -o docs/images/orders.svg"
        );
    }
}
