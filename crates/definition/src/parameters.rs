//! The declared parameters and the values that they have.

use foldhash::{HashMap, HashSet};

use crate::{
    Definition, ParameterObject, ParameterValue,
    expression::{self, Budget, EvaluateError, Evaluated, Scope, Value, parse_double},
};

/// The greatest number of parameters in a chain in which the value of each uses the next one. Validation refuses a longer
/// chain, and an evaluation ends there, so that a chain cannot use up the stack of its thread.
pub(crate) const MAX_NESTING: u8 = 8;

/// The type of a parameter's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text. A parameter without a `type` has this type.
    String,
    /// A whole number.
    Integer,
    /// A decimal number.
    Double,
    /// `s3://bucket/key`.
    S3ObjectKey,
}

impl ParameterType {
    /// Every type with its name.
    const NAMED: [(&'static str, Self); 4] = [
        ("String", Self::String),
        ("Integer", Self::Integer),
        ("Double", Self::Double),
        ("AWS::S3::ObjectKey", Self::S3ObjectKey),
    ];

    /// The names of the types.
    pub const NAMES: [&'static str; 4] = {
        let [(string, _), (integer, _), (double, _), (key, _)] = Self::NAMED;
        [string, integer, double, key]
    };

    /// Returns the type named `word`. AWS takes the names in upper and lower case.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let found = Self::NAMED.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, kind)| kind)
    }

    /// Returns the type that `parameter` declares. An unknown word is treated as `String`.
    #[must_use]
    pub fn of(parameter: &ParameterObject) -> Self {
        parameter.attribute("type").and_then(Self::named).unwrap_or(Self::String)
    }

    /// Returns a phrase that says what the value must be, or `None` if `text` is a value of this type.
    #[must_use]
    pub fn complaint(self, text: &str) -> Option<&'static str> {
        match self {
            Self::Integer if text.trim().parse::<i64>().is_err() => Some("a whole number"),
            Self::Double if parse_double(text.trim()).is_none() => Some("a number"),
            Self::S3ObjectKey if !text.starts_with("s3://") => Some("an S3 location, s3://bucket/key"),
            _ => None,
        }
    }

    fn read(self, text: &str) -> Value {
        let number = match self {
            Self::Integer => text.trim().parse().ok().map(Value::Integer),
            Self::Double => parse_double(text.trim()).map(Value::Double),
            Self::String | Self::S3ObjectKey => None,
        };
        number.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

/// Returns whether the parameter may have no value.
#[must_use]
pub fn is_optional(parameter: &ParameterObject) -> bool {
    is_true(parameter, "optional")
}

/// Returns whether the parameter may have several values.
#[must_use]
pub fn is_array(parameter: &ParameterObject) -> bool {
    is_true(parameter, "isArray")
}

fn is_true(parameter: &ParameterObject, attribute: &str) -> bool {
    parameter.attribute(attribute).is_some_and(|word| word.eq_ignore_ascii_case("true"))
}

/// The values that `allowedValues` lists. A parameter without the attribute allows every value.
#[derive(Clone, Debug)]
pub struct Allowed<'a> {
    values: HashSet<&'a str>,
}

impl<'a> Allowed<'a> {
    /// Returns the values that `parameter` allows.
    ///
    /// Some clients send all allowed values as one text with commas. So the whole text is allowed, and each
    /// of its parts.
    #[must_use]
    pub fn by(parameter: &'a ParameterObject) -> Self {
        let texts =
            parameter.attributes.iter().filter(|a| a.key == "allowedValues").map(|a| a.value.as_str());
        let values = texts.flat_map(|text| text.split(',').map(str::trim).chain([text])).collect();
        Self { values }
    }

    /// Returns whether `value` is allowed.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }
}

/// The parameters of a definition with their values. A value of the activation takes precedence over a stored
/// value, and a stored value over a default.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    declared: HashMap<String, ParameterObject>,
    values: HashMap<String, Vec<String>>,
}

impl Parameters {
    /// Returns the parameters of `definition` with its stored values.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        Self::for_activation(definition, &[])
    }

    /// Returns the parameters. For each id, the values in `given` replace the stored ones.
    #[must_use]
    pub fn for_activation(definition: &Definition, given: &[ParameterValue]) -> Self {
        let mut values = HashMap::default();
        for parameter in &definition.parameters {
            let defaults = parameter.attributes.iter().filter(|attribute| attribute.key == "default");
            let defaults: Vec<String> = defaults.map(|attribute| attribute.value.clone()).collect();
            if !defaults.is_empty() {
                values.insert(parameter.id.clone(), defaults);
            }
        }
        for layer in [definition.values.as_slice(), given] {
            values.extend(by_id(layer));
        }
        let declared = definition.parameters.iter().map(|p| (p.id.clone(), p.clone())).collect();
        Self { declared, values }
    }

    /// Returns the values of the parameter `id`. The slice is empty if the parameter has none.
    #[must_use]
    pub fn values(&self, id: &str) -> &[String] {
        self.values.get(id).map_or(&[], Vec::as_slice)
    }

    /// Returns the first value of the parameter `id`, or `None` if the parameter has none.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<&str> {
        self.values(id).first().map(String::as_str)
    }

    /// Returns the declaration of the parameter `id`.
    #[must_use]
    pub fn declaration(&self, id: &str) -> Option<&ParameterObject> {
        self.declared.get(id)
    }

    /// Returns whether a value of the parameter `id` contains expressions.
    ///
    /// The value of a secret never does: a password is used as it is, whatever characters it has.
    #[must_use]
    pub fn has_expressions(&self, id: &str) -> bool {
        !id.starts_with('*') && self.values(id).iter().any(|value| expression::is_in(value))
    }

    /// Returns the value of the parameter `id` in an expression, or `None` if a parameter that is not
    /// declared as optional has no value.
    ///
    /// Expressions in the value are evaluated in `scope`, the object whose text uses the parameter. So a value can use
    /// other parameters, and the fields of the object. The caller ends chains of parameters that are too long.
    ///
    /// The value is a number if the parameter is declared as one. It is a list if the parameter is declared
    /// as an array or has several values. A declared optional parameter without a value is the empty text or,
    /// if it is an array, the empty list. So expressions that use the parameter can be evaluated.
    pub fn value_in(&self, id: &str, scope: &dyn Scope) -> Option<Result<Value, EvaluateError>> {
        let declaration = self.declared.get(id);
        let kind = declaration.map_or(ParameterType::String, ParameterType::of);
        let is_list = declaration.is_some_and(is_array);
        if self.has_expressions(id) {
            return Some(self.computed(id, kind, is_list, scope));
        }
        let value = match self.values(id) {
            [] if is_list && declaration.is_some_and(is_optional) => Value::List(Vec::new()),
            [] => declaration.filter(|it| is_optional(it)).map(|_| Value::String(String::new()))?,
            [value] if !is_list => kind.read(value),
            values => Value::List(values.iter().map(|value| kind.read(value)).collect()),
        };
        Some(Ok(value))
    }

    /// Returns the values of the parameter `id` with their expressions evaluated.
    ///
    /// Returns `None` if a value depends on a secret or on the object that uses the parameter, or cannot be computed.
    #[must_use]
    pub(crate) fn known_values(&self, id: &str) -> Option<Vec<String>> {
        if !self.has_expressions(id) {
            return Some(self.values(id).to_vec());
        }
        let budget = Budget::new();
        let alone = Alone { parameters: self, nesting: 0, budget: &budget };
        let mut known = Vec::new();
        for value in self.values(id) {
            match expression::evaluate(value, &alone).ok()? {
                Evaluated::One(text) => known.push(text),
                Evaluated::Many(texts) => known.extend(texts),
            }
        }
        Some(known)
    }

    /// Evaluates the values of the parameter `id`.
    fn computed(
        &self,
        id: &str,
        parameter_type: ParameterType,
        is_array: bool,
        scope: &dyn Scope,
    ) -> Result<Value, EvaluateError> {
        let values = self.values(id);
        let mut is_list = is_array || values.len() > 1;
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            match expression::evaluate(value, scope)? {
                Evaluated::One(text) => items.push(parameter_type.read(&text)),
                Evaluated::Many(texts) => {
                    is_list = true;
                    items.extend(texts.iter().map(|text| parameter_type.read(text)));
                }
            }
        }
        let single = if is_list { None } else { items.pop() };
        Ok(single.unwrap_or(Value::List(items)))
    }
}

/// Replaces the definition's own values by those in `given`, for parameters that the definition declares.
pub fn override_values(definition: &mut Definition, given: &[ParameterValue]) {
    let declared: HashSet<&str> =
        definition.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
    let given: Vec<_> = given.iter().filter(|value| declared.contains(value.id.as_str())).cloned().collect();
    replace_values(definition, given);
}

/// Replaces the values of all parameters that have one in `given`.
pub(crate) fn replace_values(definition: &mut Definition, given: Vec<ParameterValue>) {
    let ids: HashSet<&str> = given.iter().map(|value| value.id.as_str()).collect();
    definition.values.retain(|value| !ids.contains(value.id.as_str()));
    definition.values.extend(given);
}

/// The scope of parameters without an object. It knows no secrets.
struct Alone<'a> {
    parameters: &'a Parameters,
    /// The number of parameters whose values are being evaluated now, each for the one before it.
    nesting: u8,
    /// The budget of all evaluations together. One budget is shared, because a value may use another parameter many times.
    budget: &'a Budget,
}

impl Scope for Alone<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        if name.starts_with('*') || self.nesting >= MAX_NESTING {
            return None;
        }
        let deeper = Self { nesting: self.nesting + 1, ..*self };
        self.parameters.value_in(name, &deeper)?.ok()
    }

    fn follow(&self, _name: &str) -> Option<Box<dyn Scope + '_>> {
        None
    }

    fn budget(&self) -> Option<&Budget> {
        Some(self.budget)
    }
}

fn by_id(values: &[ParameterValue]) -> HashMap<String, Vec<String>> {
    let mut by_id: HashMap<String, Vec<String>> = HashMap::default();
    for ParameterValue { id, value } in values {
        by_id.entry(id.clone()).or_default().push(value.clone());
    }
    by_id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    const TEXT: &str = r##"{"objects": [], "parameters": [
        {"id": "myCount", "type": "Integer", "default": "3"},
        {"id": "myList", "isArray": "true"},
        {"id": "myWord", "allowedValues": "a, b"},
        {"id": "myMaybe", "optional": "true"},
        {"id": "*mySecret"}
    ], "values": {"myList": "one", "*mySecret": "stored"}}"##;

    /// A scope that knows the parameters, and the secrets among them.
    struct Open<'a>(&'a Parameters);

    impl Scope for Open<'_> {
        fn value(&self, name: &str) -> Option<Value> {
            self.0.value_in(name, self)?.ok()
        }

        fn follow(&self, _name: &str) -> Option<Box<dyn Scope + '_>> {
            None
        }
    }

    fn value(parameters: &Parameters, id: &str) -> Option<Value> {
        parameters.value_in(id, &Open(parameters)).map(|value| value.expect("no error"))
    }

    fn parameters(given: &[ParameterValue]) -> Parameters {
        Parameters::for_activation(&file::parse(TEXT).unwrap(), given)
    }

    #[test]
    fn a_given_value_beats_the_stored_one_which_beats_the_default() {
        let given = [ParameterValue { id: "*mySecret".to_owned(), value: "given".to_owned() }];
        assert_eq!(parameters(&given).value("*mySecret"), Some("given"));
        assert_eq!(parameters(&[]).value("*mySecret"), Some("stored"));
        assert_eq!(parameters(&[]).value("myCount"), Some("3"));
        assert_eq!(parameters(&[]).value("myWord"), None);
    }

    #[test]
    fn a_number_is_a_number_and_an_array_of_one_is_a_list() {
        let parameters = parameters(&[]);
        assert_eq!(value(&parameters, "myCount"), Some(Value::Integer(3)));
        assert_eq!(value(&parameters, "myList"), Some(Value::List(vec![Value::String("one".to_owned())])));
        assert_eq!(value(&parameters, "myMaybe"), Some(Value::String(String::new())));
        assert_eq!(value(&parameters, "myWord"), None);
    }

    #[test]
    fn parameters_that_use_each_other_many_times_end_at_a_budget() {
        let uses = |id: &str| format!("#{{{id}}}").repeat(200);
        let value = |id: String, value: String| ParameterValue { id, value };
        let mut given = vec![value("my1".to_owned(), "#{''}".to_owned())];
        given.extend((2..=8).map(|index| value(format!("my{index}"), uses(&format!("my{}", index - 1)))));
        assert_eq!(parameters(&given).known_values("my8"), None);
        assert_eq!(parameters(&given).known_values("my2"), Some(vec![String::new()]));
    }

    #[test]
    fn expressions_in_values_are_evaluated_except_in_secrets() {
        let given = [
            ("myWord", "x-#{myCount + 1}-#{myList}"),
            ("myCount", "#{1 + 1}"),
            ("myList", "a"),
            ("myList", "#{*mySecret}"),
            ("*mySecret", "p#{w"),
        ];
        let given = given.map(|(id, value)| ParameterValue { id: id.to_owned(), value: value.to_owned() });
        let parameters = parameters(&given);
        let text = |text: &str| Value::String(text.to_owned());
        assert_eq!(
            value(&parameters, "myCount"),
            Some(Value::Integer(2)),
            "the type holds after the evaluation"
        );
        assert_eq!(value(&parameters, "*mySecret"), Some(text("p#{w")));
        assert_eq!(value(&parameters, "myList"), Some(Value::List(vec![text("a"), text("p#{w")])));
        assert_eq!(
            value(&parameters, "myWord"),
            Some(Value::List(vec![text("x-3-a"), text("x-3-p#{w")])),
            "the result is not searched for expressions again"
        );
        let known = |id| parameters.known_values(id);
        assert_eq!(known("myCount"), Some(vec!["2".to_owned()]));
        assert_eq!((known("myWord"), known("myList")), (None, None), "these depend on a secret");
    }

    #[test]
    fn allowed_values_may_be_joined_by_commas() {
        let parameters = parameters(&[]);
        let declaration = parameters.declaration("myWord").unwrap();
        let allowed = Allowed::by(declaration);
        assert!(allowed.holds("b") && allowed.holds("a, b") && !allowed.holds("c"));
        let free = Allowed::by(parameters.declaration("myList").unwrap()).holds("anything");
        assert!(free);
    }
}
