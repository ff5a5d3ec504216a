//! The values that expressions see: fields, runtime fields, parameters, and the objects that fields refer to.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use definition::expression::{self, Budget, Evaluated, Scope, Value};
use definition::kind::field::Fields;
use definition::{Field, FieldValue, MASK, ObjectId, PipelineObject};
use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::instance::Instance;
use crate::run::Run;
use crate::runtime;

/// The greatest number of fields in a chain in which each refers to the next. A longer chain is treated as a circle.
const DEPTH_LIMIT: u8 = 16;

/// An object of a run, as the expressions in its fields see it.
#[derive(Clone)]
pub(crate) struct Context<'a> {
    run: &'a Run,
    object: Option<&'a PipelineObject>,
    instance: Option<&'a Instance>,
    attempt: Option<&'a Attempt>,
    node: Option<Node<'a>>,
    /// Whether the object was reached through a reference, as in `node.output.@actualEndTime`. Of its runtime fields, only
    /// the scheduled times and `@pipelineId` are then visible.
    distant: bool,
    masked: bool,
    depth: u8,
    evaluation: &'a Evaluation,
}

/// The meaning of `node` in an alarm.
#[derive(Clone, Copy)]
pub(crate) enum Node<'a> {
    /// The instance that fired the alarm.
    Instance(&'a Instance),
    /// The run as a whole.
    Run(&'a Texts),
}

/// The state that the evaluation of a text shares with the evaluations of the fields that it uses.
#[derive(Default)]
pub(crate) struct Evaluation {
    /// The reason why a field that the text uses could not be evaluated. The message shows this reason, because it
    /// explains more than `not set`.
    reason: RefCell<Option<String>>,
    /// Limits the work: if each field uses other fields a few times, the number of evaluations grows exponentially.
    budget: Budget,
}

impl Evaluation {
    fn begin(&self) {
        self.reason.borrow_mut().take();
        self.budget.refill();
    }
}

/// An object whose fields are evaluated when they are read.
pub(crate) struct Reading<'c, 'a> {
    context: &'c Context<'a>,
    object: &'a PipelineObject,
}

impl Fields for Reading<'_, '_> {
    fn object(&self) -> &PipelineObject {
        self.object
    }

    fn values_of<'s>(&'s self, key: &'s str) -> impl Iterator<Item = Cow<'s, FieldValue>> {
        self.object.values(key).flat_map(move |value| match value {
            FieldValue::Ref(_) => vec![Cow::Borrowed(value)],
            FieldValue::String(text) => {
                let texts = self.context.evaluate(key, text).unwrap_or_default();
                texts.into_iter().map(|text| Cow::Owned(FieldValue::String(text))).collect()
            }
        })
    }
}

impl<'a> Context<'a> {
    /// Returns the context of an instance, or of one attempt at it.
    pub(crate) fn of_instance(
        run: &'a Run,
        instance: &'a Instance,
        attempt: Option<&'a Attempt>,
        evaluation: &'a Evaluation,
    ) -> Self {
        let object = run.plan().object(instance.component.as_str());
        let (instance, masked) = (Some(instance), false);
        Self { run, object, instance, attempt, node: None, distant: false, masked, depth: 0, evaluation }
    }

    /// Returns the context of an object that does not stand for an instance: a database, a data format, an alarm, or the
    /// component of an instance.
    pub(crate) fn of_component(run: &'a Run, object: &'a PipelineObject, evaluation: &'a Evaluation) -> Self {
        let (object, instance, attempt, node) = (Some(object), None, None, None);
        Self { run, object, instance, attempt, node, distant: false, masked: false, depth: 0, evaluation }
    }

    /// Gives the name `node` in expressions a meaning, for an alarm.
    pub(crate) fn with_node(self, node: Node<'a>) -> Self {
        Self { node: Some(node), ..self }
    }

    /// Hides secrets behind a mask if `masked`.
    pub(crate) fn masked(self, masked: bool) -> Self {
        Self { masked, ..self }
    }

    /// Returns the object's fields, inherited ones included, with references turned into references to instances.
    pub(crate) fn raw_fields(&self) -> Vec<Field> {
        let fields = self.object.map(|object| object.fields.as_slice()).unwrap_or_default();
        fields
            .iter()
            .map(|field| Field { key: field.key.clone(), value: self.instantiate(&field.value) })
            .collect()
    }

    /// Returns the object's fields with their expressions evaluated.
    ///
    /// # Errors
    ///
    /// A sentence that names object and field.
    pub(crate) fn fields(&self) -> Result<Vec<Field>, String> {
        let mut evaluated = Vec::new();
        for field in self.raw_fields() {
            let FieldValue::String(text) = &field.value else {
                evaluated.push(field);
                continue;
            };
            if expression::is_verbatim(field.key.as_str()) {
                evaluated.push(field);
                continue;
            }
            let texts = self.evaluate(field.key.as_str(), text)?;
            evaluated.extend(texts.into_iter().map(|text| Field::string(field.key.clone(), text)));
        }
        Ok(evaluated)
    }

    /// Evaluates `text`, which is a value of the field `key`. Returns one text, or the texts of a list.
    ///
    /// # Errors
    ///
    /// A sentence that names object and field.
    pub(crate) fn evaluate(&self, key: &str, text: &str) -> Result<Vec<String>, String> {
        self.evaluation.begin();
        let object = self.object.map(|object| object.id.as_str()).unwrap_or_default();
        match expression::evaluate(text, self) {
            Ok(Evaluated::One(text)) => Ok(vec![text]),
            Ok(Evaluated::Many(texts)) => Ok(texts),
            Err(error) => {
                let inner = self.evaluation.reason.borrow_mut().take();
                let reason = inner.unwrap_or_else(|| error.to_string());
                Err(format!("object `{object}`, field `{key}`: {reason}"))
            }
        }
    }

    /// Returns a view of `object`, whose fields are evaluated in this context when they are read. `object` must be the
    /// object of this context.
    ///
    /// In the view, a field that cannot be evaluated is absent.
    pub(crate) fn reading<'c>(&'c self, object: &'a PipelineObject) -> Reading<'c, 'a> {
        Reading { context: self, object }
    }

    fn instantiate(&self, value: &FieldValue) -> FieldValue {
        match value {
            FieldValue::Ref(target) => FieldValue::Ref(self.run.instance_of(target, self.instance)),
            FieldValue::String(text) => FieldValue::String(text.clone()),
        }
    }

    fn own_id(&self) -> Option<&str> {
        let instance = self.instance.map(|instance| instance.id.as_str());
        let attempt = self.attempt.map(|attempt| attempt.id.as_str());
        attempt.or(instance).or(self.object.map(|object| object.id.as_str()))
    }

    fn own_field(&self, name: &str) -> Option<Value> {
        let value = Value::of_field(self.object?, name)?;
        if self.masked && name.starts_with('*') {
            return Some(Value::String(MASK.to_owned()));
        }
        if self.depth >= DEPTH_LIMIT {
            self.complain(format!("`{name}` refers to itself, or to fields that nest too deep"));
            return None;
        }
        let deeper = Self { depth: self.depth + 1, ..self.clone() };
        deeper.computed(name, value)
    }

    fn computed(&self, name: &str, value: Value) -> Option<Value> {
        match value {
            Value::String(text) if !expression::is_verbatim(name) => {
                match expression::evaluate(&text, self) {
                    Ok(Evaluated::One(text)) => Some(Value::String(text)),
                    Ok(Evaluated::Many(texts)) => {
                        Some(Value::List(texts.into_iter().map(Value::String).collect()))
                    }
                    Err(error) => {
                        self.complain(format!("field `{name}`, which it refers to: {error}"));
                        None
                    }
                }
            }
            Value::List(items) => {
                let items: Option<Vec<_>> = items.into_iter().map(|item| self.computed(name, item)).collect();
                Some(Value::List(flat(items?)))
            }
            Value::Reference(target) => Some(Value::Reference(self.run.instance_of(&target, self.instance))),
            Value::String(_) | Value::Integer(_) | Value::Double(_) | Value::DateTime(_) => Some(value),
        }
    }

    fn complain(&self, reason: String) {
        self.evaluation.reason.borrow_mut().get_or_insert(reason);
    }

    fn runtime_field(&self, name: &str) -> Option<Value> {
        let instance = self.instance?;
        let at = |time: Timestamp| Some(Value::time(time));
        match name {
            "@scheduledStartTime" => return at(self.run.interval(instance).start),
            "@scheduledEndTime" => return at(self.run.interval(instance).end),
            "@pipelineId" => return Some(Value::String(self.run.header().pipeline.to_string())),
            _ if self.distant => return None,
            _ => {}
        }
        let fields = match self.attempt {
            Some(attempt) => runtime::of_attempt(self.run, instance, attempt),
            None => runtime::of_instance(self.run, instance),
        };
        let (id, fields) = (ObjectId::from(""), fields);
        Value::of_field(&PipelineObject { id, name: String::new(), fields }, name)
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        let parameters = self.run.plan().parameters();
        let value = match parameters.has_expressions(name) {
            false => parameters.value_in(name, self)?,
            true if self.depth >= DEPTH_LIMIT => {
                self.complain(format!(
                    "the parameter `{name}` refers to itself, or to values that nest too deep"
                ));
                return None;
            }
            true => parameters.value_in(name, &Self { depth: self.depth + 1, ..self.clone() })?,
        };
        match value {
            Ok(_) if self.masked && name.starts_with('*') => Some(Value::String(MASK.to_owned())),
            Ok(value) => Some(value),
            Err(error) => {
                self.complain(format!("the value of the parameter `{name}`: {error}"));
                None
            }
        }
    }

    fn distant(&self, target: &ObjectId) -> Option<Self> {
        let component = self.run.plan().object(target.as_str());
        let instance = self.run.counterpart(target, self.instance);
        component.map(|object| Self {
            object: Some(object),
            instance,
            attempt: None,
            node: None,
            distant: true,
            ..self.clone()
        })
    }
}

fn flat(items: Vec<Value>) -> Vec<Value> {
    items
        .into_iter()
        .flat_map(|item| match item {
            Value::List(inner) => inner,
            other => vec![other],
        })
        .collect()
}

impl Scope for Context<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        match name {
            "id" | "@id" => return self.own_id().map(|id| Value::String(id.to_owned())),
            // The name of an instance or attempt is its id.
            "name" if self.instance.is_some() => return self.own_id().map(|id| Value::String(id.to_owned())),
            "name" => return self.object.map(|object| Value::String(object.name.clone())),
            _ => {}
        }
        self.own_field(name).or_else(|| self.runtime_field(name)).or_else(|| self.parameter(name))
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        match (name, self.node) {
            ("node", Some(Node::Instance(instance))) => {
                let context = Context::of_instance(self.run, instance, None, self.evaluation);
                Some(Box::new(Blank(context.masked(self.masked))))
            }
            ("node", Some(Node::Run(texts))) => Some(Box::new(texts.clone())),
            // The node of a precondition is the instance that it guards.
            ("node", None) if self.instance.is_some_and(|instance| instance.guards.is_some()) => {
                let guarded = self.run.instance(self.instance?.guards.as_ref()?.as_str())?;
                let context = Context::of_instance(self.run, guarded, None, self.evaluation);
                Some(Box::new(context.masked(self.masked)))
            }
            // An instance's parent is its component.
            ("parent", None) if self.instance.is_some() => {
                let object = self.object?;
                let context = Context::of_component(self.run, object, self.evaluation);
                Some(Box::new(context.masked(self.masked)))
            }
            _ => {
                let target = self.object?.reference(name)?;
                Some(Box::new(self.distant(target)?))
            }
        }
    }

    fn blank_when_unknown(&self) -> bool {
        self.node.is_some()
    }

    fn budget(&self) -> Option<&Budget> {
        Some(&self.evaluation.budget)
    }
}

/// The object about which an alarm reports. Here, and in the objects that the object refers to, a name without a value is blank.
struct Blank<'a>(Context<'a>);

impl Scope for Blank<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        self.0.value(name)
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        let target = self.0.object?.reference(name)?;
        Some(Box::new(Blank(self.0.distant(target)?)))
    }

    fn blank_when_unknown(&self) -> bool {
        true
    }

    fn budget(&self) -> Option<&Budget> {
        self.0.budget()
    }
}

/// Texts by name. A name without a text is blank.
#[derive(Clone, Debug)]
pub(crate) struct Texts(pub(crate) HashMap<&'static str, String>);

impl Scope for Texts {
    fn value(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(|text| Value::String(text.clone()))
    }

    fn follow(&self, _name: &str) -> Option<Box<dyn Scope + '_>> {
        None
    }

    fn blank_when_unknown(&self) -> bool {
        true
    }
}
