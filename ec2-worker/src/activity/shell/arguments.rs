//! The arguments of a command: `scriptArgument` with the staging folders in place of their names.

use std::ffi::OsString;
use std::path::PathBuf;

use definition::staging::{Folders, Side, folders_in};

use super::ShellCommandActivity;
use crate::activity::TaskContext;
use crate::failure::Failure;

/// Returns the arguments, with the folders in place of names such as `${INPUT1_STAGING_DIR}`.
///
/// # Errors
///
/// If an argument names a folder that the activity lacks.
pub(super) fn filled(
    context: &TaskContext<'_>,
    shell: &ShellCommandActivity,
    inputs: &[PathBuf],
    outputs: &[PathBuf],
) -> Result<Vec<OsString>, Failure> {
    let folders = Folders { is_staged: shell.is_staged, inputs: inputs.len(), outputs: outputs.len() };
    let mut filled = Vec::with_capacity(shell.arguments.len());
    for (index, argument) in shell.arguments.iter().enumerate() {
        let place = format!("object `{}`, field `scriptArgument`, value {}", context.component, index + 1);
        if argument.ends_with('\r') {
            context
                .progress
                .note(format!("{place}: the argument ends with a CR, which the command gets too"));
        }
        let mut text = OsString::with_capacity(argument.len());
        let mut rest = 0;
        for folder in folders_in(argument) {
            if !folder.has_braces {
                let note = format!("{place}: only {folder}, with its braces, is replaced by the folder");
                context.progress.note(note);
                continue;
            }
            if let Some(complaint) = folders.complaint(&folder) {
                return Err(Failure::bad_input("Definition", format!("{place} {complaint}")));
            }
            let list = if folder.side == Side::Input { inputs } else { outputs };
            let Some(path) = folder.position().and_then(|number| list.get(number - 1)) else { continue };
            text.push(&argument[rest..folder.range.start]);
            text.push(path);
            rest = folder.range.end;
        }
        text.push(&argument[rest..]);
        filled.push(text);
    }
    Ok(filled)
}
