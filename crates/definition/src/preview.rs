//! What texts become, as far as that is known before anything runs.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use foldhash::HashMap;
use foldhash::fast::RandomState;

use crate::expression::{self, Budget, Evaluated, Scope, SyntaxError, Template, Value};
use crate::inherit::Resolved;
use crate::kind::field::Fields;
use crate::parameters::Parameters;
use crate::schedule::Interval;
use crate::{FieldValue, ObjectId, PipelineObject};

/// Objects with their inherited fields, and the values of their parameters.
///
/// Every field is evaluated once, however many texts use it, and all of them have one budget: what is asked for takes
/// time that grows with the definition, never faster. What comes when it is used up is not known, as secrets are not:
/// what is previewed may be shown.
#[derive(Debug)]
pub struct Preview<'a> {
    objects: Cow<'a, [Resolved<'a>]>,
    /// Of two objects with one id, the first one.
    indices: HashMap<&'a str, usize>,
    parameters: &'a Parameters,
    interval: Option<Interval>,
    fields: RefCell<HashMap<FieldAt, Computed>>,
    texts: RefCell<HashMap<&'a str, Rc<ParsedText<'a>>>>,
    budget: Budget,
}

/// A text that was read.
#[derive(Debug)]
pub(crate) struct ParsedText<'a> {
    pub(crate) template: Result<Template<'a>, SyntaxError>,
    /// What is known of it in every object where no name in it is that of a field.
    alike: OnceCell<Evaluated>,
}

/// A field: the place of its object, and the number of its key there.
type FieldAt = (usize, usize);

/// How far a field is.
#[derive(Clone, Debug)]
enum Computed {
    /// It is being computed: who asks for it now asks in a circle.
    InProgress,
    Done(Option<Value>),
}

impl<'a> Preview<'a> {
    /// Returns a preview of `objects`, which have their inherited fields; with an interval, of a run for it.
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
        // About as many texts as objects hold expressions.
        let texts = HashMap::with_capacity_and_hasher(objects.len(), RandomState::default());
        let (fields, texts) = (RefCell::default(), RefCell::new(texts));
        Self { objects, indices, parameters, interval, fields, texts, budget: Budget::new() }
    }

    /// Returns `object` with its fields evaluated; those that depend on a run are absent.
    #[must_use]
    pub fn object(&self, object: &'a PipelineObject) -> PreviewedObject<'_, 'a> {
        PreviewedObject { preview: self, object }
    }

    /// Returns what `text` in the object `id` becomes: every value, if it is a list; none when that depends on a run.
    #[must_use]
    pub fn text(&self, id: &ObjectId, text: &'a str) -> Option<Vec<String>> {
        if !expression::is_in(text) {
            return Some(vec![text.to_owned()]);
        }
        let scope = ObjectScope { preview: self, index: *self.indices.get(id.as_str())? };
        Some(texts(self.read(text).template.as_ref().ok()?.evaluate(&scope).ok()?))
    }

    /// Returns `text` in the object `id` with every expression evaluated that can be, the others as they are.
    #[must_use]
    pub fn known(&self, id: &ObjectId, text: &'a str) -> Vec<String> {
        let index = self.indices.get(id.as_str());
        index.map_or_else(|| vec![text.to_owned()], |index| texts(self.known_at(*index, text)))
    }

    /// As [`known`](Self::known), in the object at `index`.
    pub(crate) fn known_at(&self, index: usize, text: &'a str) -> Evaluated {
        let read = self.read(text);
        let Ok(template) = &read.template else { return Evaluated::One(text.to_owned()) };
        let evaluate = || template.evaluate_known(text, &ObjectScope { preview: self, index });
        if self.uses_field(index, template) { evaluate() } else { read.alike.get_or_init(evaluate).clone() }
    }

    /// Whether a name in the text may mean a field of the object.
    fn uses_field(&self, index: usize, template: &Template<'_>) -> bool {
        let mut is_used = false;
        template.each_path(&mut |path, _| match path {
            [name] if name.starts_with('@') => {}
            [name] => is_used |= self.objects[index].has(name),
            _ => is_used = true,
        });
        is_used
    }

    /// Returns `text` taken apart; what is inherited by many is read once.
    pub(crate) fn read(&self, text: &'a str) -> Rc<ParsedText<'a>> {
        let read = || Rc::new(ParsedText { template: Template::parse(text), alike: OnceCell::new() });
        Rc::clone(self.texts.borrow_mut().entry(text).or_insert_with(read))
    }

    /// The field `name` of an object, if it has it.
    fn field_at(&self, index: usize, name: &str) -> Option<FieldAt> {
        Some((index, self.objects[index].number(name)?))
    }

    /// The place of the object that the field `name` refers to.
    ///
    /// A parent is the component when something runs, not the parent of the definition.
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

    /// Computes what the field needs, and then the field, with a stack of its own: fields may use fields in a chain
    /// that is longer than the thread's stack bears.
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

    /// The fields that the expressions in a field read.
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

/// An object whose fields are evaluated as they are read.
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

/// An object before it runs, or as it will run for an interval.
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
        self.preview.field(self.index, name).or_else(|| self.preview.parameters.to_value(name))
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
            r##"{{"objects": [{objects}], "values": {{"myDay": "2030-01-31", "*mySecret": "hush"}}}}"##
        );
        let definition = file::parse(&text_of).expect("a definition");
        let resolved = inherit::resolve(&definition).expect("no circles");
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
    fn circles_and_towers_of_fields_end() {
        let circle = r##"{"id": "A", "x": "#{y}", "y": "#{x}"}"##;
        assert_eq!(previewed(circle, "A", "#{x}"), None);
        // Each level uses the next one many times: evaluated anew each time, this would take for ever.
        let level = |n: usize| format!(r##""f{n}": "{}""##, format!("#{{f{}}}", n + 1).repeat(40));
        let tower: Vec<_> = (0..30).map(level).collect();
        let tower = format!(r##"{{"id": "A", {}, "f30": ""}}"##, tower.join(", "));
        assert_eq!(previewed(&tower, "A", "#{f0}"), Some(vec![String::new()]));
    }
}
