//! A JSON Schema of definition files, made from the tables. With it, an editor completes and checks a file
//! while the user types.
//!
//! The schema uses draft 07, which editors support best. The schema is more lenient than validation, because
//! it describes one object at a time. The schema does not know which fields an object inherits, which ids exist, or
//! which value an expression has. Validation refuses every file that the schema refuses.

mod pattern;

use std::iter;

use serde_json::{Map, Value, json};

use crate::{
    inherit::DEFAULT_ID,
    kind::{
        DEFAULT_OBJECT, FieldSpec, Kind, KindSpec, ON_DEMAND_PERIOD, ON_DEMAND_PRICE, SharedFields, UNTYPED,
        ValueShape,
    },
    parameters::ParameterType,
};

/// Returns the JSON Schema of a definition file.
#[must_use]
pub fn json_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "AWS Data Pipeline definition",
        "description": "The objects of a pipeline, its parameters, and the values of the parameters.",
        "type": "object",
        "required": ["objects"],
        "properties": {
            "$schema": {"description": "Address of this schema, for editors.", "type": "string"},
            "objects": {
                "description": "The objects of the pipeline; their order has no meaning.",
                "type": "array",
                "items": reference_to("object"),
            },
            "parameters": {
                "description": "The parameters, which fields use as #{myName}.",
                "type": "array",
                "items": reference_to("parameter"),
            },
            "values": {
                "description": "The values of the parameters, by id.",
                "allOf": [reference_to("values")],
            },
            "parameterValues": {
                "description": "The values of the parameters, as the API writes them.",
                "allOf": [reference_to("values")],
            },
            "metadata": {"description": "Notes of the AWS console; they have no effect.", "type": "object"},
        },
        "definitions": definitions(),
    })
}

fn definitions() -> Value {
    let mut definitions = Map::new();
    let mut define = |name: &str, schema: Value| definitions.insert(name.to_owned(), schema);
    define("object", object());
    define("parameter", parameter());
    define("text", json!({"type": "string", "minLength": 1}));
    define("texts", one_or_more(&[json!({"type": "string"})], None));
    define(
        "reference",
        json!({
            "type": "object",
            "required": ["ref"],
            "properties": {
                "ref": {"description": "Id of another object.", "type": "string", "minLength": 1},
            },
            "additionalProperties": false,
        }),
    );
    define("value", one_or_more(&[reference_to("text"), reference_to("reference")], None));
    define("type", type_word());
    define("pairs", pairs());
    define("values", values());
    for group in groups() {
        define(&slug(group), json!({"properties": properties(group.fields)}));
    }
    for kind in Kind::ALL {
        define(kind.name(), described(kind.spec()));
    }
    define(DEFAULT_ID, default_object());
    define("untyped", untyped());
    Value::Object(definitions)
}

/// Returns the schema of one object: the rules for all objects, then those of its type.
fn object() -> Value {
    let of_type = Kind::ALL.iter().map(|kind| {
        json!({
            "if": {"required": ["type"], "properties": {"type": {"const": kind.name()}}},
            "then": reference_to(kind.name()),
        })
    });
    let default = json!({
        "if": {"required": ["id"], "properties": {"id": {"const": DEFAULT_ID}}},
        "then": reference_to(DEFAULT_ID),
        "else": {
            "properties": {"type": reference_to("type")},
            "if": {"required": ["type"]},
            "else": reference_to("untyped"),
        },
    });
    let branches: Vec<Value> = iter::once(default).chain(of_type).collect();
    json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"description": "Id of the object, unique in the definition.", "type": "string", "minLength": 1},
            "name": {"description": "Name of the object. Without it: the id.", "type": "string", "minLength": 1},
            "type": {"description": "The type of the object.", "type": "string"},
            // Programs that call the API write elements in the API form.
            "fields": {"anyOf": [reference_to("value"), reference_to("pairs")]},
        },
        "patternProperties": {
            // Only the service sets these fields.
            "^@": false,
            "^\\*?my[A-Z_]": {
                "description": "A field of your own; expressions can use it.",
                "allOf": [reference_to("value")],
            },
        },
        // A field that no table describes is kept, and validation warns of it.
        "additionalProperties": reference_to("value"),
        "allOf": branches,
    })
}

fn type_word() -> Value {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let docs: Vec<_> = Kind::ALL.iter().map(|kind| kind.spec().doc).collect();
    // Editors show `enumDescriptions` beside each word. Other programs ignore it.
    json!({"description": "The type of the object.", "enum": names, "enumDescriptions": docs})
}

fn described(spec: &KindSpec) -> Value {
    json!({
        "description": spec.doc,
        "properties": properties(spec.fields.iter().chain(spec.my_fields)),
        "allOf": spec.includes.iter().filter_map(shared).collect::<Vec<_>>(),
    })
}

fn default_object() -> Value {
    let spec = DEFAULT_OBJECT;
    let mut properties = properties(spec.fields.iter().chain(spec.my_fields));
    // CloudFormation samples give the Default object the type `Default`.
    let word = json!({"anyOf": [{"const": DEFAULT_ID}, reference_to("type")]});
    properties.insert("type".to_owned(), word);
    json!({
        "description": spec.doc,
        "properties": properties,
        "allOf": spec.includes.iter().filter_map(shared).collect::<Vec<_>>(),
    })
}

/// Returns the schema of an object without a type. Such an object may pass on any field; the schema offers
/// the fields that most types have.
fn untyped() -> Value {
    json!({
        "description": "An object without a type: a parent that others inherit from, or one that inherits its type.",
        "properties": properties(Kind::ALL.iter().flat_map(|kind| kind.my_fields())),
        "allOf": UNTYPED.iter().filter_map(shared).collect::<Vec<_>>(),
    })
}

/// Returns every shared group with fields that a definition can set, once.
fn groups() -> Vec<&'static SharedFields> {
    let all = Kind::ALL.iter().flat_map(|kind| kind.spec().includes).filter(|group| is_given(group));
    let mut groups: Vec<&SharedFields> = Vec::new();
    for group in all {
        if groups.iter().all(|known| known.title != group.title) {
            groups.push(group);
        }
    }
    groups
}

fn is_given(group: &SharedFields) -> bool {
    group.fields.iter().any(|field| !field.is_runtime)
}

fn shared(group: &SharedFields) -> Option<Value> {
    is_given(group).then(|| reference_to(&slug(group)))
}

fn slug(group: &SharedFields) -> String {
    group.title.to_lowercase().replace(' ', "-")
}

fn properties(fields: impl IntoIterator<Item = &'static FieldSpec>) -> Map<String, Value> {
    // The field `type` is described where the schema distinguishes the types.
    let given = fields.into_iter().filter(|field| !field.is_runtime && field.key != "type");
    given.map(|field| (field.key.to_owned(), property(field))).collect()
}

fn property(field: &FieldSpec) -> Value {
    let mut property = Map::new();
    property.insert("description".to_owned(), description(field).into());
    if let Some(default) = field.default {
        property.insert("default".to_owned(), default.into());
    }
    let most = (!field.is_multi).then_some(1);
    let Value::Object(holds) = one_or_more(&alternatives(field.shape), most) else { return property.into() };
    property.extend(holds);
    property.into()
}

fn description(field: &FieldSpec) -> String {
    let needed = if field.is_required { " Required, here or inherited." } else { "" };
    let default = field.default.map_or_else(String::new, |default| format!(" Default: {default}."));
    format!("{} Holds {}.{needed}{default}", field.doc, field.shape.describe())
}

/// Returns the schemas of one value of the field. Words come first, so that an editor offers them.
fn alternatives(shape: ValueShape) -> Vec<Value> {
    let words: Vec<String> = match shape {
        ValueShape::Ref(_) => return vec![reference_to("reference")],
        ValueShape::Boolean => vec!["true".to_owned(), "false".to_owned()],
        ValueShape::Word(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        // The field can have many values, but an editor can only offer this word.
        ValueShape::SchedulePeriod => vec![ON_DEMAND_PERIOD.to_owned()],
        ValueShape::BidPrice { or_on_demand: true } => vec![ON_DEMAND_PRICE.to_owned()],
        ValueShape::Integer { least, most } if most - least < 10 => {
            (least..=most).map(|number| number.to_string()).collect()
        }
        _ => Vec::new(),
    };
    let offered = (!words.is_empty()).then(|| json!({"enum": words}));
    let taken = match pattern::of(shape) {
        Some(pattern) => json!({"type": "string", "pattern": pattern}),
        None => reference_to("text"),
    };
    offered.into_iter().chain([taken]).collect()
}

/// Returns the schema of a value or of a list of values. A list stands for several fields with the same key.
fn one_or_more(alternatives: &[Value], most: Option<usize>) -> Value {
    let item = match alternatives {
        [only] => only.clone(),
        several => json!({"anyOf": several}),
    };
    let mut list = json!({"type": "array", "items": item});
    if let (Some(most), Value::Object(list)) = (most, &mut list) {
        list.insert("maxItems".to_owned(), most.into());
    }
    let all: Vec<Value> = alternatives.iter().cloned().chain([list]).collect();
    json!({"anyOf": all})
}

fn parameter() -> Value {
    let words =
        |words: &[&str]| json!([{"enum": words}, {"type": "string", "pattern": pattern::words(words)}]);
    let texts = |description: &str| json!({"description": description, "allOf": [reference_to("texts")]});
    json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {
                "description": "Id of the parameter, myName; *myName keeps its value out of every output.",
                "type": "string",
                "pattern": "^\\**my",
            },
            "type": {
                "description": "Type of the values. Without it: String.",
                "anyOf": words(&ParameterType::NAMES),
            },
            "description": texts("Purpose of the parameter."),
            "optional": {"description": "Whether the parameter can be without a value.", "anyOf": words(&["true", "false"])},
            "isArray": {"description": "Whether the parameter can have several values.", "anyOf": words(&["true", "false"])},
            "allowedValues": texts("The only values that are allowed."),
            "default": texts("The value if no other value is given."),
            "watermark": texts("Hint in the empty input field of the AWS console."),
            "helpText": texts("Help text in the AWS console."),
            "helpLink": texts("Address of the help page in the AWS console."),
            "attributes": {"anyOf": [reference_to("texts"), reference_to("pairs")]},
        },
        "additionalProperties": reference_to("texts"),
    })
}

fn values() -> Value {
    let item = json!({
        "type": "object",
        "required": ["id", "stringValue"],
        "properties": {"id": {"type": "string"}, "stringValue": {"type": "string"}},
    });
    // The file form has an object here, the API form a list. Each keyword applies only to its own kind of
    // value.
    json!({"type": ["object", "array"], "additionalProperties": reference_to("texts"), "items": item})
}

/// Returns the schema of an object's fields, or of a parameter's attributes, in the API form.
fn pairs() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["key"],
            "properties": {"key": text, "stringValue": text, "refValue": text},
        },
    })
}

fn reference_to(definition: &str) -> Value {
    json!({"$ref": format!("#/definitions/{definition}")})
}

#[cfg(test)]
pub(crate) mod tests;
