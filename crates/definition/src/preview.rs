//! Evaluates the texts of a definition before a run, as far as their values are known.
//!
//! Validation, rendering, the engine and the orchestrator use the same preview, so they agree on every value.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use foldhash::HashMap;
use foldhash::fast::RandomState;

use crate::expression::{self, Budget, Evaluated, Scope, SyntaxError, Template, Value};
use crate::inherit::Resolved;
use crate::kind::field::Fields;
use crate::parameters::{MAX_NESTING, Parameters};
use crate::schedule::Interval;
use crate::{FieldValue, ObjectId, PipelineObject};

/// Objects with their inherited fields, and the values of their parameters.
///
/// Every field is evaluated once, however many texts use it, and all evaluations share one budget. So the
/// time grows linearly with the size of the definition. Once the budget is used up, the remaining values are
/// treated as unknown. Secrets are always treated as unknown, so anybody may see a preview.
#[derive(Debug)]
pub struct Preview<'a> {
    objects: Cow<'a, [Resolved<'a>]>,
    /// The index of each object by its id. If an id appears twice, the first object is used.
    indices: HashMap<&'a str, usize>,
    parameters: &'a Parameters,
    interval: Option<Interval>,
    fields: RefCell<HashMap<FieldAt, Computed>>,
    texts: RefCell<HashMap<&'a str, Rc<ParsedText<'a>>>>,
    budget: Budget,
    /// The number of parameters whose values are being evaluated now, each for the one before it.
    nesting: Cell<u8>,
}

/// A text after parsing.
#[derive(Debug)]
pub(crate) struct ParsedText<'a> {
    pub(crate) template: Result<Template<'a>, SyntaxError>,
    /// The text with its known expressions evaluated, for the objects that have none of the fields that the
    /// text names. The result is the same for all these objects, so it is kept here once.
    alike: OnceCell<Evaluated>,
}

/// A field: the index of its object, and the index of its key in that object.
type FieldAt = (usize, usize);

/// The state of the evaluation of a field.
#[derive(Clone, Debug)]
enum Computed {
    /// The evaluation has begun. If the field is requested again now, the fields form a cycle.
    InProgress,
    Done(Option<Value>),
}

impl<'a> Preview<'a> {
    /// Returns a preview of `objects`, which already contain their inherited fields. If `interval` is given,
    /// the scheduled times of the run for this interval are known in the preview.
    #[must_use]
    pub fn new(
        objects: &'a [PipelineObject],
        parameters: &'a Parameters,
        interval: Option<Interval>,
    ) -> Self {
        Self::with(objects.iter().map(Resolved::of).collect(), parameters, interval)
    }

    /// Returns a preview of the objects of a definition.
    pub(crate) fn of(
        objects: &'a [Resolved<'a>],
        parameters: &'a Parameters,
        interval: Option<Interval>,
    ) -> Self {
        Self::with(objects.into(), parameters, interval)
    }

    fn with(
        objects: Cow<'a, [Resolved<'a>]>,
        parameters: &'a Parameters,
        interval: Option<Interval>,
    ) -> Self {
        let indices = objects.iter().enumerate().rev();
        let indices = indices.map(|(index, object)| (object.id().as_str(), index)).collect();
        // Roughly as many texts contain expressions as there are objects.
        let texts = HashMap::with_capacity_and_hasher(objects.len(), RandomState::default());
        let (fields, texts) = (RefCell::default(), RefCell::new(texts));
        let (budget, nesting) = (Budget::new(), Cell::new(0));
        Self { objects, indices, parameters, interval, fields, texts, budget, nesting }
    }

    /// Returns `object` with its fields evaluated. A field that depends on a run is treated as absent.
    #[must_use]
    pub fn object(&self, object: &'a PipelineObject) -> PreviewedObject<'_, 'a> {
        PreviewedObject { preview: self, object }
    }

    /// Returns the value of `text` in the object `id`: one text, or every text of a list.
    ///
    /// Returns `None` if `text` has an expression whose value is unknown before a run, or that has an error.
    #[must_use]
    pub fn text(&self, id: &ObjectId, text: &'a str) -> Option<Vec<String>> {
        if !expression::is_in(text) {
            return Some(vec![text.to_owned()]);
        }
        let scope = ObjectScope { preview: self, index: *self.indices.get(id.as_str())? };
        Some(texts(self.read(text).template.as_ref().ok()?.evaluate(&scope).ok()?))
    }

    /// Returns `text` in the object `id` with the known expressions evaluated and the others left as written.
    #[must_use]
    pub fn known(&self, id: &ObjectId, text: &'a str) -> Vec<String> {
        let index = self.indices.get(id.as_str());
        index.map_or_else(|| vec![text.to_owned()], |index| texts(self.known_at(*index, text)))
    }

    /// Does the same as [`known`](Self::known), in the object at `index`.
    pub(crate) fn known_at(&self, index: usize, text: &'a str) -> Evaluated {
        let read = self.read(text);
        let Ok(template) = &read.template else { return Evaluated::One(text.to_owned()) };
        let evaluate = || template.evaluate_known(text, &ObjectScope { preview: self, index });
        if self.uses_field(index, template) { evaluate() } else { read.alike.get_or_init(evaluate).clone() }
    }

    /// Returns whether a name in the text can be a field of the object, or a parameter whose value uses such fields.
    fn uses_field(&self, index: usize, template: &Template<'_>) -> bool {
        let mut is_used = false;
        template.each_path(&mut |path, _| match path {
            [name] if name.starts_with('@') => {}
            [name] => is_used |= self.objects[index].has(name) || self.parameters.has_expressions(name),
            _ => is_used = true,
        });
        is_used
    }

    /// Returns `text` after parsing. A text that many objects inherit is parsed once.
    pub(crate) fn read(&self, text: &'a str) -> Rc<ParsedText<'a>> {
        let read = || Rc::new(ParsedText { template: Template::parse(text), alike: OnceCell::new() });
        Rc::clone(self.texts.borrow_mut().entry(text).or_insert_with(read))
    }

    /// Returns the value of the parameter `name`, for a text in `scope`.
    fn parameter(&self, name: &str, scope: &ObjectScope<'_, '_>) -> Option<Value> {
        let nesting = self.nesting.get();
        if nesting >= MAX_NESTING {
            return None;
        }
        self.nesting.set(nesting + 1);
        let value = self.parameters.value_in(name, scope);
        self.nesting.set(nesting);
        value?.ok()
    }

    /// Returns the field `name` of an object, if the object has it.
    fn field_at(&self, index: usize, name: &str) -> Option<FieldAt> {
        Some((index, self.objects[index].index(name)?))
    }

    /// Returns the index of the object that the field `name` refers to.
    ///
    /// In a run, `parent` means the component of an instance, not the parent in the definition. So `parent`
    /// is unknown here.
    fn follow(&self, index: usize, name: &str) -> Option<usize> {
        if name == "parent" {
            return None;
        }
        let target = self.objects[index].reference(name)?;
        self.indices.get(target.as_str()).copied()
    }

    fn field(&self, index: usize, name: &str) -> Option<Value> {
        let at = self.field_at(index, name)?;
        if !self.fields.borrow().contains_key(&at) {
            self.compute_with_needs(at);
        }
        match self.fields.borrow().get(&at)? {
            Computed::InProgress => None,
            Computed::Done(value) => value.clone(),
        }
    }

    /// Evaluates every field that the field at `at` needs, and then that field itself.
    ///
    /// This is a loop with a vector, because recursion along a long chain of fields would overflow the stack
    /// of the thread.
    fn compute_with_needs(&self, at: FieldAt) {
        self.fields.borrow_mut().insert(at, Computed::InProgress);
        let mut path = vec![(at, self.needs(at).into_iter())];
        while let Some((at, needs)) = path.last_mut() {
            let at = *at;
            match needs.find(|need| !self.fields.borrow().contains_key(need)) {
                Some(need) => {
                    self.fields.borrow_mut().insert(need, Computed::InProgress);
                    path.push((need, self.needs(need).into_iter()));
                }
                None => {
                    let value = self.compute(at);
                    self.fields.borrow_mut().insert(at, Computed::Done(value));
                    path.pop();
                }
            }
        }
    }

    /// Returns the fields that the expressions in the field at `at` use, without secrets and runtime fields.
    fn needs(&self, at: FieldAt) -> Vec<FieldAt> {
        let mut needs = Vec::new();
        let object = &self.objects[at.0];
        for text in object.key_at(at.1).texts() {
            let read = self.read(text.text);
            let Ok(template) = &read.template else { continue };
            for path in template.names() {
                let Some((name, path)) = path.split_last() else { continue };
                let index = path.iter().try_fold(at.0, |index, step| self.follow(index, step));
                let field = index
                    .and_then(|index| self.field_at(index, name))
                    .filter(|_| !name.starts_with(['*', '@']));
                needs.extend(field);
            }
        }
        needs
    }

    fn compute(&self, at: FieldAt) -> Option<Value> {
        let scope = ObjectScope { preview: self, index: at.0 };
        let mut items = Vec::new();
        let object = &self.objects[at.0];
        let key = object.key_at(at.1);
        for value in key.values() {
            match value {
                FieldValue::Ref(target) => items.push(Value::Reference(target.clone())),
                FieldValue::String(text) if !key.has_expression || !expression::is_in(text) => {
                    items.push(Value::String(text.clone()));
                }
                FieldValue::String(text) => {
                    let evaluated = self.read(text).template.as_ref().ok()?.evaluate(&scope).ok()?;
                    items.extend(texts(evaluated).into_iter().map(Value::String));
                }
            }
        }
        if items.len() == 1 { items.pop() } else { Some(Value::List(items)) }
    }
}

fn texts(evaluated: Evaluated) -> Vec<String> {
    match evaluated {
        Evaluated::One(text) => vec![text],
        Evaluated::Many(texts) => texts,
    }
}

/// An object whose fields are evaluated when they are read.
#[derive(Clone, Copy, Debug)]
pub struct PreviewedObject<'p, 'a> {
    preview: &'p Preview<'a>,
    object: &'a PipelineObject,
}

impl Fields for PreviewedObject<'_, '_> {
    fn object(&self) -> &PipelineObject {
        self.object
    }

    fn values_of<'s>(&'s self, key: &'s str) -> impl Iterator<Item = Cow<'s, FieldValue>> {
        let Self { preview, object } = *self;
        object.values(key).flat_map(|value| match value {
            FieldValue::Ref(_) => vec![Cow::Borrowed(value)],
            FieldValue::String(text) => {
                let texts = preview.text(&object.id, text).unwrap_or_default();
                texts.into_iter().map(|text| Cow::Owned(FieldValue::String(text))).collect()
            }
        })
    }
}

/// The scope of an object before a run, or in the run for an interval.
struct ObjectScope<'a, 'p> {
    preview: &'p Preview<'a>,
    index: usize,
}

impl ObjectScope<'_, '_> {
    fn runtime_field(&self, name: &str) -> Option<Value> {
        let interval = self.preview.interval?;
        match name {
            "@scheduledStartTime" => Some(Value::time(interval.start)),
            "@scheduledEndTime" => Some(Value::time(interval.end)),
            _ => None,
        }
    }
}

impl Scope for ObjectScope<'_, '_> {
    fn value(&self, name: &str) -> Option<Value> {
        if name.starts_with('*') {
            return None;
        }
        if name.starts_with('@') {
            return self.runtime_field(name);
        }
        self.preview.field(self.index, name).or_else(|| self.preview.parameter(name, self))
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        let index = self.preview.follow(self.index, name)?;
        Some(Box::new(ObjectScope { preview: self.preview, index }))
    }

    fn budget(&self) -> Option<&Budget> {
        Some(&self.preview.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{file, inherit};

    fn previewed(objects: &str, id: &str, text: &'static str) -> Option<Vec<String>> {
        let text_of = format!(
            r##"{{"objects": [{objects}], "values": {{"myDay": "2030-01-31", "*mySecret": "hush",
                "myGroup": "wg-#{{myDay}}", "myOpen": "#{{myGroup}}/#{{y}}", "myRound": "#{{myTurn}}", "myTurn": "#{{myRound}}",
                "mySafe": "#{{'#' + '{{'}}y}}"}}}}"##
        );
        let definition = file::parse(&text_of).expect("a definition");
        let resolved = inherit::resolve(&definition).expect("no cycles");
        let parameters = Parameters::of(&definition);
        let start = "2030-01-31T22:00:00Z".parse().expect("a time");
        let preview = Preview::new(&resolved, &parameters, Some(Interval { start, end: start }));
        preview.text(&id.into(), text)
    }

    #[test]
    fn fields_references_parameters_and_the_interval_are_known() {
        let objects = r##"{"id": "A", "x": "#{myDay}/x", "myB": {"ref": "B"}}, {"id": "B", "list": ["1", "#{y}"], "y": "2"}"##;
        let one = |text| previewed(objects, "A", text);
        assert_eq!(one("#{x}!"), Some(vec!["2030-01-31/x!".to_owned()]));
        assert_eq!(one("n#{myB.list}"), Some(vec!["n1".to_owned(), "n2".to_owned()]));
        assert_eq!(one("#{year(@scheduledStartTime)}"), Some(vec!["2030".to_owned()]));
        assert_eq!((one("#{@actualStartTime}"), one("#{*mySecret}"), one("#{nothing}")), (None, None, None));
    }

    #[test]
    fn values_of_parameters_may_use_parameters_and_fields_of_the_object() {
        let objects = r##"{"id": "A", "y": "own", "z": "#{myOpen}"}, {"id": "B", "y": "#{myOpen}"}"##;
        let one = |id, text| previewed(objects, id, text).map(|texts| texts.join("|"));
        assert_eq!(one("A", "#{myGroup}").as_deref(), Some("wg-2030-01-31"));
        assert_eq!(one("A", "#{myOpen}").as_deref(), Some("wg-2030-01-31/own"));
        assert_eq!(one("A", "#{z}").as_deref(), Some("wg-2030-01-31/own"));
        assert_eq!(one("A", "#{mySafe}").as_deref(), Some("#{y}"), "the result is not evaluated again");
        assert_eq!((one("B", "#{myOpen}"), one("A", "#{myRound}")), (None, None), "cycles have no value");
    }

    #[test]
    fn cycles_and_towers_of_fields_end() {
        let cycle = r##"{"id": "A", "x": "#{y}", "y": "#{x}"}"##;
        assert_eq!(previewed(cycle, "A", "#{x}"), None);
        // Each level uses the next level many times. Without a memory of the values, this would take for
        // ever.
        let level = |n: usize| format!(r##""f{n}": "{}""##, format!("#{{f{}}}", n + 1).repeat(40));
        let tower: Vec<_> = (0..30).map(level).collect();
        let tower = format!(r##"{{"id": "A", {}, "f30": ""}}"##, tower.join(", "));
        assert_eq!(previewed(&tower, "A", "#{f0}"), Some(vec![String::new()]));
    }
}
