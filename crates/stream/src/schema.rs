//! The JSON Schema of the records of a stream.
//!
//! References lead to files beside the stream file only: nothing is fetched. The reasons that this module gives name
//! fields and rules of the schema, and never content of a record.

mod instance;

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;

use crate::json::{Kind, Tree};
use crate::refusal::{ErrorCode, Refusal};
use instance::{Instance, Scanned};

/// How many errors of a record are looked at to find a missing field among them.
const MAX_ERRORS: usize = 100;
/// The base of references in a schema without an `$id`. It is not the usual one of the checker, for which the checker
/// hides the reason of an error.
const BASE: &str = "beside:///";

/// A schema that records are checked with.
#[derive(Debug)]
pub(crate) struct RecordSchema {
    validator: Validator<Scanned>,
    /// The names of fields in the schema. Other names are content of a record.
    names: HashSet<String>,
}

/// The reason why a JSON value is not a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaError {
    /// The JSON Pointer to the part of the schema.
    pub(crate) at: String,
    pub(crate) message: String,
}

/// The files beside a stream file, by name: their schemas, or the reasons why there are none.
type Beside = BTreeMap<String, Result<Value, String>>;

impl RecordSchema {
    /// Compiles a schema. `load` returns the schema in a file beside the stream file.
    ///
    /// # Errors
    ///
    /// The first reason why `schema` is not a schema, or refers to a value that is not a schema.
    pub(crate) fn compile(
        schema: &Value,
        load: &dyn Fn(&str) -> Result<Value, String>,
    ) -> Result<Self, SchemaError> {
        let mut beside = Beside::new();
        gather(schema, load, &mut beside);
        let mut names = HashSet::new();
        beside.values().flatten().chain([schema]).for_each(|schema| collect_names(schema, &mut names));
        let build = || {
            jsonschema::options_for::<Scanned>()
                .with_base_uri(BASE)
                .with_retriever(FilesBeside(beside))
                // A format in a schema is a rule, although some drafts see it as a remark.
                .should_validate_formats(true)
                .build(schema)
        };
        match catch_unwind(AssertUnwindSafe(build)) {
            Ok(Ok(validator)) => Ok(Self { validator, names }),
            Ok(Err(error)) => Err(SchemaError {
                at: error.instance_path().as_str().to_owned(),
                message: schema_fault(&error),
            }),
            Err(_) => Err(SchemaError {
                at: String::new(),
                message: "the checker of schemas failed at it".to_owned(),
            }),
        }
    }

    /// Checks a record.
    ///
    /// # Errors
    ///
    /// The refusal. If the record lacks a required field, the refusal is about that.
    pub(crate) fn check(&self, record: Tree<'_>) -> Result<(), Refusal> {
        if !is_checkable(record) {
            let message = "the schema cannot be checked: a number is too large, or values are nested deeper than 127 levels";
            return Err(Refusal { code: ErrorCode::SchemaMismatch, message: message.to_owned() });
        }
        let instance = Instance::of(record);
        let check = || {
            if self.validator.is_valid(instance) {
                return Ok(());
            }
            let mut first = None;
            for error in self.validator.iter_errors(instance).take(MAX_ERRORS) {
                let is_missing = matches!(error.kind(), ValidationErrorKind::Required { .. });
                if is_missing || first.is_none() {
                    first = Some(self.refusal(&error));
                }
                if is_missing {
                    break;
                }
            }
            Err(first.unwrap_or_else(internal))
        };
        catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| Err(internal()))
    }

    fn refusal(&self, error: &ValidationError<'_>) -> Refusal {
        let place = self.place(error);
        let is_whole = place.is_empty();
        let about = if is_whole { "the record".to_owned() } else { format!("the field `{place}`") };
        if let ValidationErrorKind::Required { property } = error.kind() {
            let name = property.as_str().unwrap_or_default();
            let within = if is_whole { String::new() } else { format!(" of the field `{place}`") };
            let message = format!("the field `{name}`{within} is missing");
            return Refusal { code: ErrorCode::MissingField, message };
        }
        let message = format!("{about} {}", rule(error.kind()));
        Refusal { code: ErrorCode::SchemaMismatch, message }
    }

    /// Returns the JSON Pointer to the place of an error, with `*` for each name that is not in the schema.
    fn place(&self, error: &ValidationError<'_>) -> String {
        let mut place = String::new();
        for segment in error.instance_path().segments() {
            place.push('/');
            match segment {
                LocationSegment::Index(index) => place.push_str(&index.to_string()),
                LocationSegment::Property(name) if self.names.contains(name.as_ref()) => {
                    place.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                LocationSegment::Property(_) => place.push('*'),
            }
        }
        place
    }
}

/// Returns whether the checker can read all values of a record. The checker reads numbers up to the largest `f64`, and 127 levels
/// of lists and objects.
fn is_checkable(record: Tree<'_>) -> bool {
    record.nodes().iter().enumerate().all(|(index, node)| match node.kind {
        Kind::Object | Kind::List => node.depth < 127,
        Kind::Number => {
            let raw = record.raw(index);
            let is_small = raw.len() < 300 && !raw.contains(['e', 'E']);
            is_small || raw.parse::<f64>().is_ok_and(f64::is_finite)
        }
        _ => true,
    })
}

fn internal() -> Refusal {
    Refusal {
        code: ErrorCode::InternalError,
        message: "the checker of schemas failed at the record".to_owned(),
    }
}

/// Returns the rule that a record breaks, for the end of a sentence. Limits and names come from the schema.
fn rule(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    match kind {
        Kind::Type { kind } => {
            let types: Vec<String> = match kind {
                jsonschema::error::TypeKind::Single(one) => vec![one.to_string()],
                jsonschema::error::TypeKind::Multiple(set) => set.iter().map(|one| one.to_string()).collect(),
            };
            format!("is not of the type {}", types.join(" or "))
        }
        Kind::MaxLength { limit } => format!("has more than {limit} characters (`maxLength`)"),
        Kind::MinLength { limit } => format!("has fewer than {limit} characters (`minLength`)"),
        Kind::Maximum { limit } => format!("is greater than {limit} (`maximum`)"),
        Kind::Minimum { limit } => format!("is less than {limit} (`minimum`)"),
        Kind::ExclusiveMaximum { limit } => format!("is not less than {limit} (`exclusiveMaximum`)"),
        Kind::ExclusiveMinimum { limit } => format!("is not greater than {limit} (`exclusiveMinimum`)"),
        Kind::MaxItems { limit } => format!("has more than {limit} items (`maxItems`)"),
        Kind::MinItems { limit } => format!("has fewer than {limit} items (`minItems`)"),
        Kind::Pattern { pattern } => format!("does not match `{pattern}` (`pattern`)"),
        Kind::Format { format } => format!("is not of the format `{format}` (`format`)"),
        Kind::Enum { .. } | Kind::Constant { .. } => "is none of the values that the schema lists".to_owned(),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has a field that the schema does not have (`additionalProperties`)".to_owned()
        }
        other => format!("breaks the rule `{}` of the schema", other.keyword()),
    }
}

/// Returns why a value is not a schema. A schema is not a secret, so its content is shown.
fn schema_fault(error: &ValidationError<'_>) -> String {
    let mut message = error.to_string();
    if let ValidationErrorKind::Referencing(error) = error.kind() {
        let mut cause = error.source();
        while let Some(error) = cause {
            message = error.to_string();
            cause = error.source();
        }
    }
    message
}

/// Loads the files to which a schema refers, directly or through other files.
fn gather(schema: &Value, load: &dyn Fn(&str) -> Result<Value, String>, beside: &mut Beside) {
    let mut wanted = Vec::new();
    references(schema, &mut wanted);
    while let Some(file) = wanted.pop() {
        if beside.contains_key(&file) {
            continue;
        }
        let loaded = load(&file);
        if let Ok(schema) = &loaded {
            references(schema, &mut wanted);
        }
        beside.insert(file, loaded);
    }
}

/// Finds the files in the references of a schema.
fn references(schema: &Value, files: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" || key == "$dynamicRef" => {
                        let file = text.split('#').next().unwrap_or_default();
                        if is_file_name(file) {
                            files.push(file.to_owned());
                        }
                    }
                    value => references(value, files),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, files)),
        _ => {}
    }
}

/// The end of the names of schema files. Stream files in the same folder have another end.
pub(crate) const FILE_END: &str = ".schema.json";

/// Returns whether a text names a schema file in the folder of the stream file.
pub(crate) fn is_file_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.ends_with(FILE_END) && !text.starts_with('.') && text.chars().all(is_plain)
}

/// Collects the names that a schema gives to fields.
fn collect_names(schema: &Value, names: &mut HashSet<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    (
                        "properties" | "dependentRequired" | "dependentSchemas" | "dependencies",
                        Value::Object(fields),
                    ) => {
                        names.extend(fields.keys().cloned());
                    }
                    ("required", Value::Array(fields)) => {
                        names.extend(fields.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => {}
                }
                collect_names(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_names(item, names)),
        _ => {}
    }
}

/// Gives the schemas of the files beside the stream file, and nothing else.
struct FilesBeside(Beside);

impl Retrieve for FilesBeside {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        // A relative reference is resolved against the `$id` of its schema, so its last part is the file.
        let uri = uri.as_str();
        let file = uri.rsplit('/').next().unwrap_or(uri);
        match self.0.get(file) {
            Some(Ok(schema)) => Ok(schema.clone()),
            Some(Err(reason)) => Err(format!("the file `{file}` cannot be read: {reason}").into()),
            None => {
                let uri = uri.trim_start_matches(BASE);
                let reason = "is not a file beside the stream file whose name ends in";
                Err(format!("`{uri}` {reason} `{FILE_END}`; nothing else is loaded").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Scanner;

    fn none(_: &str) -> Result<Value, String> {
        Err("no such file".to_owned())
    }

    fn compiled(schema: &Value) -> RecordSchema {
        RecordSchema::compile(schema, &none).unwrap()
    }

    fn check(schema: &RecordSchema, record: &str) -> Result<(), Refusal> {
        schema.check(Scanner::default().scan(record, 0).unwrap().0)
    }

    fn error(schema: &Value, record: &str) -> (ErrorCode, String) {
        let Refusal { code, message } = check(&compiled(schema), record).unwrap_err();
        (code, message)
    }

    #[test]
    fn a_refusal_names_the_field_and_the_rule_and_no_content() {
        let schema = json!({"type": "object", "required": ["id"], "additionalProperties": false, "properties": {
            "id": {"type": "string", "maxLength": 5}, "n": {"type": ["integer", "null"], "maximum": 7},
            "when": {"format": "date-time"}, "word": {"enum": ["a", "b"]}, "code": {"pattern": "^x"},
            "list": {"items": {"type": "boolean"}, "uniqueItems": true},
            "map": {"additionalProperties": {"type": "object", "required": ["zip"]}}}});
        for (record, message) in [
            (r#"{"id": "secret"}"#, "the field `/id` has more than 5 characters (`maxLength`)"),
            (r#"{"id": 5}"#, "the field `/id` is not of the type string"),
            (r#"{"id": "", "n": "secret"}"#, "the field `/n` is not of the type null or integer"),
            (r#"{"id": "", "n": 8}"#, "the field `/n` is greater than 7 (`maximum`)"),
            (
                r#"{"id": "", "when": "secret"}"#,
                "the field `/when` is not of the format `date-time` (`format`)",
            ),
            (
                r#"{"id": "", "word": "secret"}"#,
                "the field `/word` is none of the values that the schema lists",
            ),
            (r#"{"id": "", "code": "secret"}"#, "the field `/code` does not match `^x` (`pattern`)"),
            (r#"{"id": "", "list": [true, "secret"]}"#, "the field `/list/1` is not of the type boolean"),
            (
                r#"{"id": "", "list": [true, true]}"#,
                "the field `/list` breaks the rule `uniqueItems` of the schema",
            ),
            (
                r#"{"id": "", "secret": 1}"#,
                "the record has a field that the schema does not have (`additionalProperties`)",
            ),
            (r#"{"id": "", "map": {"secret": 1}}"#, "the field `/map/*` is not of the type object"),
        ] {
            assert_eq!(error(&schema, record), (ErrorCode::SchemaMismatch, message.to_owned()));
        }
        let missing = error(&schema, r#"{"id": "", "map": {"secret": {}}}"#);
        assert_eq!(
            missing,
            (ErrorCode::MissingField, "the field `zip` of the field `/map/*` is missing".to_owned())
        );
    }

    #[test]
    fn a_missing_field_comes_before_other_reasons() {
        let (text, missing) = (json!({"properties": {"a": {"type": "string"}}}), json!({"required": ["b"]}));
        for rules in [[&text, &missing], [&missing, &text]] {
            let error = error(&json!({"allOf": rules}), r#"{"a": 1}"#);
            assert_eq!(error, (ErrorCode::MissingField, "the field `b` is missing".to_owned()));
        }
    }

    #[test]
    fn references_lead_to_files_beside() {
        let load = |file: &str| match file {
            "a.schema.json" => Ok(json!({"$ref": "b.schema.json#/$defs/x"})),
            "b.schema.json" => Ok(
                json!({"$defs": {"x": {"required": ["x"], "properties": {"again": {"$ref": "a.schema.json"}}}}}),
            ),
            _ => Err("no such file".to_owned()),
        };
        for id in [None, Some("https://example.com/schemas/user.json")] {
            let mut schema = json!({"$ref": "a.schema.json"});
            if let Some(id) = id {
                schema["$id"] = id.into();
            }
            let schema = RecordSchema::compile(&schema, &load).unwrap();
            assert!(check(&schema, r#"{"x": 1, "again": {"x": 2}}"#).is_ok());
            let missing = check(&schema, r#"{"x": 1, "again": {}}"#).unwrap_err();
            assert_eq!(missing.code, ErrorCode::MissingField);
        }
        for (reference, reason) in [
            ("c.schema.json", "the file `c.schema.json` cannot be read: no such file"),
            ("d.json", "is not a file beside"),
            ("https://example.com/x.json", "is not a file beside"),
            ("file:///etc/passwd", "is not a file beside"),
            ("../a.schema.json", "is not a file beside"),
        ] {
            let error = RecordSchema::compile(&json!({"$ref": reference}), &none).unwrap_err();
            assert!(error.message.contains(reason), "{reference}: {error:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_a_schema_is_reported_with_its_position() {
        let error =
            RecordSchema::compile(&json!({"properties": {"a": {"type": "text"}}}), &none).unwrap_err();
        assert_eq!(error.at, "/properties/a/type");
        assert!(RecordSchema::compile(&json!({"pattern": "("}), &none).is_err());
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends_with_the_record() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}, {"anyOf": [{"$ref": "#"}]}]}),
            json!({"properties": {"a": {"$ref": "#"}}, "not": {"type": "boolean"}}),
            json!({"additionalProperties": {"anyOf": [{"$ref": "#"}, {"oneOf": [{"$ref": "#"}]}]}, "type": ["object", "number"]}),
        ] {
            if let Ok(schema) = RecordSchema::compile(&schema, &none) {
                let _ = check(&schema, &nested(5));
            }
        }
        let linear = compiled(&json!({"properties": {"a": {"$ref": "#"}}, "type": ["object", "number"]}));
        assert_eq!(check(&linear, &nested(127)), Ok(()));
        assert!(check(&linear, &nested(128)).unwrap_err().message.contains("nested"));
        assert!(check(&linear, "{\"a\":1e999}").unwrap_err().message.contains("too large"));
    }

    #[test]
    fn a_schema_with_many_rules_for_each_level_needs_no_large_stack() {
        // Threads of the runtime have 2 MiB, as those of tests.
        let level = json!({"allOf": [{"anyOf": [{"oneOf": [{"if": {"type": "object"},
            "then": {"properties": {"a": {"$ref": "#"}}}, "else": {"not": {"type": "string"}}}]}]}]});
        let nested = |last: &str| format!("{}{last}{}", "{\"a\":".repeat(126), "}".repeat(126));
        let schema = compiled(&level);
        assert_eq!(check(&schema, &nested("1")), Ok(()));
        assert!(check(&schema, &nested("\"\"")).is_err());
    }
}
