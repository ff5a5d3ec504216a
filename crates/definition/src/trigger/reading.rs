//! The data nodes of a definition that read dropped files.
//!
//! A node reads the files of a pattern if its path is the pattern, written in one of two ways: as it stands in
//! `myDropFile`, or with its names filled in, such as `incoming/#{myDay}/orders_*.csv`.

use std::collections::HashSet;

use super::{Captures, MatchMode, Pattern, Trigger};
use crate::kind::Kind;
use crate::kind::field;
use crate::parameters::Parameters;
use crate::preview::Preview;
use crate::{Definition, ObjectId, PipelineObject, inherit};

/// A data node that reads the files of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The node.
    pub node: ObjectId,
    /// The indices of the patterns among [`Trigger::data_patterns`]. A `filePath` has one; a `directoryPath` has every
    /// pattern with a `*` in its folder.
    pub patterns: Vec<usize>,
    /// `myMatch`, if the node states it.
    pub stated: Option<MatchMode>,
    /// Whether the node has a `directoryPath`.
    pub is_directory: bool,
}

impl Reading {
    /// Returns which files the node reads.
    #[must_use]
    pub fn mode(&self, trigger: &Trigger) -> MatchMode {
        let usual = if self.is_directory { MatchMode::All } else { trigger.usual_mode() };
        self.stated.unwrap_or(usual)
    }
}

impl Trigger {
    /// Returns which files of a pattern are taken if no node says so. After a marker, the data is a whole directory.
    #[must_use]
    pub fn usual_mode(&self) -> MatchMode {
        if self.marker.is_some() { MatchMode::All } else { MatchMode::Newest }
    }

    /// Returns for each of the [`data_patterns`](Self::data_patterns) which of the matching files are taken, if `readings`
    /// are all nodes that read them.
    #[must_use]
    pub fn modes(&self, readings: &[Reading]) -> Vec<MatchMode> {
        let of = |index: usize| {
            let nodes = readings.iter().filter(|reading| reading.patterns.contains(&index));
            let modes: Vec<MatchMode> = nodes.map(|reading| reading.mode(self)).collect();
            let first = [MatchMode::One, MatchMode::All].into_iter().find(|mode| modes.contains(mode));
            first.or(modes.first().copied()).unwrap_or_else(|| self.usual_mode())
        };
        (0..self.data_patterns().count()).map(of).collect()
    }

    /// Returns the nodes of `definition` that read files of the set with these captures. The definition has the values of
    /// the set. Without a bucket, the nodes may name any.
    #[must_use]
    pub fn readings(
        &self,
        definition: &Definition,
        bucket: Option<&str>,
        captures: &Captures,
    ) -> Vec<Reading> {
        // Validation reports an unusable parent; without inheritance no node is known.
        let Ok(resolved) = inherit::resolve(definition) else { return Vec::new() };
        let outputs = resolved.iter().flat_map(|object| object.references("output").collect::<Vec<_>>());
        let written: HashSet<&str> = outputs.map(ObjectId::as_str).collect();
        let parameters = Parameters::of(definition);
        let preview = Preview::new(&resolved, &parameters, None);
        let patterns: Vec<Written> =
            self.data_patterns().map(|pattern| Written::of(pattern, captures)).collect();
        let nodes = resolved.iter().filter(|object| {
            Kind::of(object) == Some(Kind::S3DataNode) && !written.contains(object.id.as_str())
        });
        nodes.filter_map(|node| reading(node, &preview, bucket, &patterns)).collect()
    }
}

/// The two ways in which a node may write a pattern.
struct Written<'p> {
    text: &'p str,
    filled: Option<String>,
    has_star: bool,
}

impl<'p> Written<'p> {
    fn of(pattern: &'p Pattern, captures: &Captures) -> Self {
        Self { text: pattern.as_str(), filled: pattern.filled(captures), has_star: pattern.has_star() }
    }

    fn ways(&self) -> impl Iterator<Item = &str> {
        self.filled.as_deref().into_iter().chain([self.text])
    }
}

fn reading<'a>(
    node: &'a PipelineObject,
    preview: &Preview<'a>,
    bucket: Option<&str>,
    patterns: &[Written<'_>],
) -> Option<Reading> {
    let key_in = |field: &str| {
        let texts = preview.text(&node.id, node.string(field)?)?;
        let [path] = <[String; 1]>::try_from(texts).ok()?;
        let (of_path, key) = path.strip_prefix("s3://")?.split_once('/')?;
        bucket.is_none_or(|bucket| bucket == of_path).then(|| key.to_owned())
    };
    let stated = field::MY_MATCH.of(node).ok().flatten();
    let of = |patterns: Vec<usize>, is_directory| {
        let reading = Reading { node: node.id.clone(), patterns, stated, is_directory };
        (!reading.patterns.is_empty()).then_some(reading)
    };
    if node.string("filePath").is_some() {
        let key = key_in("filePath")?;
        let found = patterns.iter().position(|pattern| pattern.ways().any(|way| way == key));
        return of(found.into_iter().collect(), false);
    }
    let key = key_in("directoryPath")?;
    let folder = key.trim_end_matches('/');
    let is_in = |way: &str| way.rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
    let found =
        patterns.iter().enumerate().filter(|(_, pattern)| pattern.has_star && pattern.ways().any(is_in));
    of(found.map(|(index, _)| index).collect(), true)
}
