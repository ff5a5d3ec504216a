//! Warns of definitions that start each other in a circle: the output of each is a drop of the next.

use definition::trigger::{Overlap, outputs};
use definition::validate::Problem;

use super::super::definition_file::DefinitionFile;

/// The code of the warning.
const CODE: &str = "DEFINITIONS_IN_A_CIRCLE";

/// An output of a definition that starts another one.
struct Feed {
    /// The index of the definition that is started.
    to: usize,
    overlap: Overlap,
}

/// Adds a warning to each definition of a circle, at the output that starts the next one.
pub(super) fn warn(files: &mut [DefinitionFile]) {
    let feeds: Vec<Vec<Feed>> = (0..files.len()).map(|from| feeds_of(files, from)).collect();
    let names: Vec<String> = files.iter().map(name_of).collect();
    for (from, file) in files.iter_mut().enumerate() {
        let circle = feeds[from].iter().find_map(|feed| Some((feed, way(&feeds, feed.to, from)?)));
        let Some((Feed { overlap, .. }, way)) = circle else { continue };
        let circle: Vec<&str> = way.iter().chain([&way[0]]).map(|index| names[*index].as_str()).collect();
        let bucket = overlap.if_bucket.as_ref();
        let bucket = bucket.map(|name| format!(" if '{name}' is the drop bucket")).unwrap_or_default();
        let message = format!(
            "'{}' is an output at '{}', which may be a drop of '{}' by its pattern '{}'{bucket}; so these definitions may start each \
             other without an end: {}",
            overlap.output.field,
            overlap.output.text,
            circle[0],
            overlap.pattern,
            circle.join(", then "),
        );
        let problem = Problem {
            object: overlap.output.node.clone(),
            field: Some(overlap.output.field.into()),
            code: CODE,
            message,
            fatal: false,
            value: 0,
            offset: None,
        };
        file.diagnosis.add(&file.text, vec![problem], false);
    }
}

fn feeds_of(files: &[DefinitionFile], from: usize) -> Vec<Feed> {
    let diagnosis = &files[from].diagnosis;
    let outputs = outputs(&diagnosis.definition, diagnosis.trigger.as_ref());
    let others = files.iter().enumerate().filter(|(index, _)| *index != from);
    let feeds = others.filter_map(|(to, file)| {
        let overlap = file.diagnosis.trigger.as_ref()?.overlaps(&outputs, None).into_iter().next()?;
        Some(Feed { to, overlap })
    });
    feeds.collect()
}

/// Returns the definitions on the shortest way from one definition to another, both included.
fn way(feeds: &[Vec<Feed>], from: usize, to: usize) -> Option<Vec<usize>> {
    let mut before: Vec<Option<usize>> = vec![None; feeds.len()];
    let mut open = std::collections::VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        if at == to {
            let mut way = vec![to];
            while let Some(last) = way.last().filter(|last| **last != from) {
                way.push(before[*last]?);
            }
            way.reverse();
            return Some(way);
        }
        for feed in &feeds[at] {
            if before[feed.to].is_none() && feed.to != from {
                before[feed.to] = Some(at);
                open.push_back(feed.to);
            }
        }
    }
    None
}

fn name_of(file: &DefinitionFile) -> String {
    file.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
