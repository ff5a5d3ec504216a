//! Checks that the staging folders that shell commands name exist.

use super::{INVALID, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    FieldValue,
    inherit::Resolved,
    kind::{Kind, field},
    staging::{FolderName, Folders, Side, folders_in},
};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for (object, kind) in checked.typed() {
        if !matches!(kind, Kind::ShellCommandActivity | Kind::ShellCommandPrecondition) {
            continue;
        }
        let Some(folders) = folders_of(checked, object) else { continue };
        for key in ["command", "scriptArgument"] {
            let values = object.key(key).into_iter().flat_map(|key| key.values().enumerate());
            for (number, value) in values {
                let FieldValue::String(text) = value else { continue };
                for folder in folders_in(text) {
                    problems.set_position(number, Some(folder.range.start));
                    mentioned(checked, (object, folders), key, &folder, problems);
                }
            }
        }
    }
    problems.clear_position();
}

/// Returns the folders of a command, or `None` if they depend on a run.
fn folders_of<'a>(checked: &CheckedDefinition<'a>, object: &Resolved<'a>) -> Option<Folders> {
    let is_staged = match object.string("stage") {
        Some(text) => {
            let texts = checked.previewed(object, text)?;
            field::STAGE.parse(texts.first()?).ok()?
        }
        None => field::STAGE.usual(),
    };
    let in_s3 = |key: &str| s3_nodes(checked, object, key).count();
    Some(Folders { is_staged, inputs: in_s3("input"), outputs: in_s3("output") })
}

fn s3_nodes<'a>(
    checked: &CheckedDefinition<'a>,
    object: &Resolved<'a>,
    key: &str,
) -> impl Iterator<Item = &'a Resolved<'a>> {
    let nodes = object.references(key).filter_map(|id| checked.object(id));
    nodes.filter(|node| node.kind() == Some(Kind::S3DataNode))
}

fn mentioned<'a>(
    checked: &CheckedDefinition<'a>,
    (object, folders): (&Resolved<'a>, Folders),
    key: &'static str,
    folder: &FolderName,
    problems: &mut Problems,
) {
    let owner = &object.owner(key).id;
    if key == "scriptArgument" && !folder.has_braces {
        let bare = folder.to_string().replace(['{', '}'], "");
        let message = format!(
            "'scriptArgument' contains {bare}, which the command gets as it is written: write {folder} to give it the \
             folder"
        );
        problems.warning(owner, Some(key), INVALID, message);
    } else if let Some(complaint) = folders.complaint(folder) {
        let about = if owner == object.id() { String::new() } else { format!(" ('{}')", object.id()) };
        problems.error(owner, Some(key), INVALID, format!("'{key}' {complaint}{about}"));
    } else if let Some(number) = folder.position().filter(|_| folder.side == Side::Output)
        && let Some(node) = s3_nodes(checked, object, "output").nth(number - 1)
        && node.has("filePath")
    {
        let message = format!(
            "'{key}' uses {folder}, but the files in it are not uploaded, because '{}' has a 'filePath': give it a \
             'directoryPath'",
            node.id()
        );
        problems.warning(owner, Some(key), INVALID, message);
    }
}
