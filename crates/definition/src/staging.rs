//! The staging folders of a shell command, and the names that commands and arguments have for them.
//!
//! With `stage`, a command finds the objects of its first S3 input in the folder `${INPUT1_STAGING_DIR}`, and writes the
//! objects of its first S3 output to `${OUTPUT1_STAGING_DIR}`. In a command these names are variables of the shell. In
//! `scriptArgument` the worker replaces them.

use std::fmt;
use std::ops::Range;

/// The end of the name of every folder.
const SUFFIX: &str = "_STAGING_DIR";

/// The direction in which data pass through a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From `input` to the command.
    Input,
    /// From the command to `output`.
    Output,
}

/// One use of the name of a staging folder in a text, such as `${INPUT1_STAGING_DIR}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderName {
    /// The place of the name in the text, with its `$` and its braces.
    pub range: Range<usize>,
    /// Whether the folder is for an input or an output.
    pub side: Side,
    /// The number as it is written, which may be empty.
    pub number: String,
    /// Whether the name stands in braces. In `scriptArgument`, only such a name is replaced.
    pub has_braces: bool,
}

impl FolderName {
    /// Returns the number of the node, from 1, or `None` if no node can have the number that is written.
    #[must_use]
    pub fn position(&self) -> Option<usize> {
        self.number.parse().ok().filter(|number| *number > 0 && !self.number.starts_with('0'))
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.side == Side::Input { "INPUT" } else { "OUTPUT" };
        write!(f, "${{{side}{}{SUFFIX}}}", self.number)
    }
}

/// Returns the names of staging folders in a text. A name after a backslash is left out, and so is a name to which the text itself
/// assigns a value.
#[must_use]
pub fn folders_in(text: &str) -> Vec<FolderName> {
    let starts = text.match_indices('$').map(|(at, _)| at);
    let found = starts.filter(|at| !text[..*at].ends_with('\\')).filter_map(|at| folder_at(text, at));
    let assigned = |folder: &FolderName| {
        let name = folder.to_string();
        let assignment = format!("{}=", name.trim_start_matches("${").trim_end_matches('}'));
        text.contains(&assignment)
    };
    found.filter(|folder| !assigned(folder)).collect()
}

/// Returns the name of a folder that begins with the `$` at `start`.
fn folder_at(text: &str, start: usize) -> Option<FolderName> {
    let rest = &text[start + 1..];
    let inside = rest.strip_prefix('{');
    let has_braces = inside.is_some();
    let name = inside.unwrap_or(rest);
    let (side, numbered) = match name.strip_prefix("INPUT") {
        Some(numbered) => (Side::Input, numbered),
        None => (Side::Output, name.strip_prefix("OUTPUT")?),
    };
    let digits = numbered.bytes().take_while(u8::is_ascii_digit).count();
    let after = numbered[digits..].strip_prefix(SUFFIX)?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = if has_braces { after.starts_with('}') } else { !after.starts_with(is_word) };
    let end = text.len() - after.len() + usize::from(has_braces);
    let number = numbered[..digits].to_owned();
    ends.then_some(FolderName { range: start..end, side, number, has_braces })
}

/// How many staging folders an activity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Whether `stage` is true.
    pub is_staged: bool,
    /// The number of inputs in S3.
    pub inputs: usize,
    /// The number of outputs in S3.
    pub outputs: usize,
}

impl Folders {
    /// Returns why the activity does not have a folder, as the rest of a sentence about the text that names the folder;
    /// `None` if the activity has the folder.
    #[must_use]
    pub fn complaint(self, folder: &FolderName) -> Option<String> {
        let (count, side) = match folder.side {
            Side::Input => (self.inputs, "input"),
            Side::Output => (self.outputs, "output"),
        };
        if !self.is_staged {
            return Some(format!(
                "uses {folder}, but the activity has no staging folders: set `stage` to true"
            ));
        }
        if folder.position().is_some_and(|number| number <= count) {
            return None;
        }
        let has = match count {
            0 => format!("no {side} in S3"),
            1 => format!("one {side} in S3"),
            _ => format!("{count} {side}s in S3"),
        };
        Some(format!("uses {folder}, but the activity has {has}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Vec<String> {
        folders_in(text).iter().map(|folder| format!("{folder}={}", &text[folder.range.clone()])).collect()
    }

    #[test]
    fn names_of_folders_are_found_in_braces_and_after_a_dollar() {
        assert_eq!(
            named("${INPUT1_STAGING_DIR}/ü $OUTPUT12_STAGING_DIR/x"),
            ["${INPUT1_STAGING_DIR}=${INPUT1_STAGING_DIR}", "${OUTPUT12_STAGING_DIR}=$OUTPUT12_STAGING_DIR"]
        );
        assert_eq!(named("${INPUT_STAGING_DIR}"), ["${INPUT_STAGING_DIR}=${INPUT_STAGING_DIR}"]);
        for other in [
            "INPUT1_STAGING_DIR",
            "\\${INPUT1_STAGING_DIR}",
            "$INPUT1_STAGING_DIRECTORY",
            "${INPUT1_STAGING_DIR:-/tmp}",
            "${INPUT1_STAGING_DIR",
            "INPUT1_STAGING_DIR=/tmp; ls $INPUT1_STAGING_DIR",
            "${MYINPUT1_STAGING_DIR} $ ${ $INPUT",
        ] {
            assert_eq!(named(other), Vec::<String>::new(), "{other}");
        }
    }

    #[test]
    fn a_missing_folder_is_reported_with_the_folders_that_exist() {
        let folders = Folders { is_staged: true, inputs: 1, outputs: 2 };
        let complaint = |folders: Folders, text: &str| folders.complaint(&folders_in(text)[0]);
        assert_eq!(complaint(folders, "${INPUT1_STAGING_DIR}"), None);
        assert_eq!(complaint(folders, "${OUTPUT2_STAGING_DIR}"), None);
        for (text, has) in [
            ("${INPUT9_STAGING_DIR}", "one input in S3"),
            ("$OUTPUT3_STAGING_DIR", "2 outputs in S3"),
            ("${INPUT0_STAGING_DIR}", "one input in S3"),
            ("${INPUT01_STAGING_DIR}", "one input in S3"),
            ("${INPUT_STAGING_DIR}", "one input in S3"),
            ("${INPUT99999999999999999999_STAGING_DIR}", "one input in S3"),
        ] {
            let said = complaint(folders, text).unwrap_or_default();
            assert!(said.ends_with(&format!("but the activity has {has}")), "{text}: {said}");
        }
        let without = complaint(Folders { is_staged: false, ..folders }, "${INPUT1_STAGING_DIR}");
        assert!(without.is_some_and(|said| said.ends_with("set `stage` to true")));
    }
}
