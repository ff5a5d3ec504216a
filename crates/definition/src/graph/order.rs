//! Computes the run order of a definition: the objects that matter to a run, and the links between them.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Edge, LineStyle, Link, Node, RunOrder, Shared, cycles, detail};
use crate::{
    Definition, FieldValue, ObjectId, PipelineObject,
    inherit::{DEFAULT_ID, Inheritance, Resolved},
    kind::Kind,
};

/// If at least this many objects have the same kind of link to one object, the box of that object names the
/// link and no lines are drawn. That many lines would hide the run order. Links that order a run always have
/// lines.
const LINES_TO_SHARE: usize = 5;

/// The maximum number of direct predecessors of an object that are checked for the same schedule. The limit
/// bounds the time for large definitions.
const MAX_CHECKED: usize = 100;

impl RunOrder {
    /// Returns the run order of `definition`.
    ///
    /// Activities and data nodes always matter to a run. Preconditions, resources, actions and schedules
    /// matter if an object that matters names them. Links to missing objects are left out.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        let resolved: Vec<_> = Inheritance::of(definition).objects.iter().map(Resolved::to_object).collect();
        let objects = typed(&resolved);
        let references = link_references(&objects);
        let indices = node_indices(&objects, &references);
        let nodes = objects.iter().zip(&indices).filter(|(_, index)| index.is_some());
        let nodes = nodes.map(|((object, kind), _)| Node {
            id: object.id.clone(),
            kind: *kind,
            detail: detail::of(object, *kind),
            shared: Vec::new(),
        });
        let edges = references.iter().filter_map(|(owner, link, target)| {
            let (owner, target) = (indices[*owner]?, indices[*target]?);
            let (from, to) = if link.starts_at_owner() { (owner, target) } else { (target, owner) };
            Some(Edge { from, to, link: *link, line: LineStyle::Forward })
        });
        let mut order = Self { nodes: nodes.collect(), edges: edges.collect() };
        share(&mut order, definition.object(DEFAULT_ID));
        cycles::mark(order.nodes.len(), &mut order.edges);
        keep_first_starts(&mut order);
        order
    }
}

/// Returns the objects with a known type, except Default. If several objects have the same id, only the first is returned.
fn typed(resolved: &[PipelineObject]) -> Vec<(&PipelineObject, Kind)> {
    let mut seen = HashSet::new();
    let distinct = resolved.iter().filter(|object| object.id != DEFAULT_ID && seen.insert(&object.id));
    distinct.filter_map(|object| Some((object, Kind::of(object)?))).collect()
}

/// A reference that joins two objects: the index of the object with the field, the kind of link, and the index of
/// the object that the field names. The field may be inherited.
type LinkReference = (usize, Link, usize);

fn link_references(objects: &[(&PipelineObject, Kind)]) -> Vec<LinkReference> {
    let index_of: HashMap<&ObjectId, usize> =
        objects.iter().enumerate().map(|(at, (object, _))| (&object.id, at)).collect();
    let mut seen = HashSet::new();
    let mut references = Vec::new();
    for (owner, (object, kind)) in objects.iter().enumerate() {
        for link in Link::ALL.into_iter().filter(|link| link.can_be_field_of(*kind)) {
            let targets = object.references(link.field()).filter_map(|id| index_of.get(id).copied());
            let links = targets.filter(|at| link.accepts(objects[*at].1)).map(|target| (owner, link, target));
            references.extend(links.filter(|link| seen.insert(*link)));
        }
    }
    references
}

/// Returns the index of each object among the nodes, or `None` if the object does not matter.
fn node_indices(objects: &[(&PipelineObject, Kind)], references: &[LinkReference]) -> Vec<Option<usize>> {
    let mut named = vec![Vec::new(); objects.len()];
    for (owner, _, target) in references {
        named[*owner].push(*target);
    }
    let mut matters: Vec<bool> =
        objects.iter().map(|(_, kind)| kind.is_activity() || kind.is_data_node()).collect();
    let mut waiting: VecDeque<usize> = (0..objects.len()).filter(|at| matters[*at]).collect();
    while let Some(at) = waiting.pop_front() {
        for target in &named[at] {
            if !std::mem::replace(&mut matters[*target], true) {
                waiting.push_back(*target);
            }
        }
    }
    let mut next = 0..;
    matters.into_iter().map(|matters| if matters { next.next() } else { None }).collect()
}

/// Finds the links that many objects have to one node. Adds a [`Shared`] to the node for each of them, so that
/// no lines are drawn for these links.
fn share(order: &mut RunOrder, default: Option<&PipelineObject>) {
    let mut counts: HashMap<(Link, usize), usize> = HashMap::new();
    for edge in order.edges.iter().filter(|edge| !edge.link.is_order()) {
        *counts.entry((edge.link, named_by(edge))).or_default() += 1;
    }
    let possible =
        Link::ALL.map(|link| order.nodes.iter().filter(|node| link.can_be_field_of(node.kind)).count());
    let of_default: HashSet<(&str, &ObjectId)> = default.into_iter().flat_map(all_references).collect();
    for (at, node) in order.nodes.iter_mut().enumerate() {
        for (link, possible) in Link::ALL.into_iter().zip(possible) {
            let by = counts.get(&(link, at)).copied().unwrap_or(0);
            // A reference in Default is meant for all objects, so two links are enough to share.
            let is_from_default = || of_default.contains(&(link.field(), &node.id));
            if by >= LINES_TO_SHARE || by > 1 && is_from_default() {
                node.shared.push(Shared { link, by, is_by_all: by == possible });
            }
        }
    }
    for edge in &mut order.edges {
        if order.nodes[named_by(edge)].shared.iter().any(|shared| shared.link == edge.link) {
            edge.line = LineStyle::Shared;
        }
    }
}

fn all_references(object: &PipelineObject) -> impl Iterator<Item = (&str, &ObjectId)> {
    object.fields.iter().filter_map(|field| match &field.value {
        FieldValue::Ref(target) => Some((field.key.as_str(), target)),
        FieldValue::String(_) => None,
    })
}

/// Returns the index of the node to which the field of the edge refers.
fn named_by(edge: &Edge) -> usize {
    if edge.link.starts_at_owner() { edge.to } else { edge.from }
}

/// Removes each edge that joins a schedule to an object, if a direct predecessor of the object has the same
/// schedule. The predecessor already shows when the object starts. Only edges with a line are removed.
fn keep_first_starts(order: &mut RunOrder) {
    let starts: HashSet<(usize, usize)> = order
        .edges
        .iter()
        .filter(|edge| edge.link == Link::Schedule)
        .map(|edge| (edge.from, edge.to))
        .collect();
    let mut comes_after: HashMap<usize, Vec<usize>> = HashMap::new();
    for edge in order.edges.iter().filter(|edge| edge.link.is_order() && edge.line == LineStyle::Forward) {
        comes_after.entry(edge.to).or_default().push(edge.from);
    }
    let follows = |schedule: usize, object: usize| {
        let before = comes_after.get(&object).into_iter().flatten().take(MAX_CHECKED);
        before.into_iter().any(|before| starts.contains(&(schedule, *before)))
    };
    order.edges.retain(|edge| {
        edge.link != Link::Schedule || edge.line == LineStyle::Shared || !follows(edge.from, edge.to)
    });
}
