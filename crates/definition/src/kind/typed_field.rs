//! Fields with the type of their value, for the programs that run a definition.
//!
//! A typed field contains its row of the table of fields, which validation uses too. So programs accept exactly
//! the values that validation accepts, and refuse the others in the same words. The caller evaluates
//! expressions before it reads a field.

use std::borrow::Cow;

use super::{FieldSpec, FieldType, value_check};
use crate::{FieldValue, ObjectId, PipelineObject};

/// An object whose fields can be read, as written or with evaluated expressions.
pub trait Fields {
    /// Returns the object.
    fn object(&self) -> &PipelineObject;

    /// Returns every value of the field `key`, in order.
    fn values_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, FieldValue>>;
}

impl Fields for PipelineObject {
    fn object(&self) -> &PipelineObject {
        self
    }

    fn values_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Cow<'a, FieldValue>> {
        self.values(key).map(Cow::Borrowed)
    }
}

/// A field that an object may lack.
#[derive(Debug)]
pub struct Optional<T> {
    spec: FieldSpec,
    read: fn(&str) -> Option<T>,
}

/// A field with a default for objects that lack the field.
#[derive(Debug)]
pub struct Defaulted<T> {
    field: Optional<T>,
    default: &'static str,
}

/// The reason why a field cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("object `{object}`, field `{field}`: {reason}")]
pub struct FieldError {
    /// The object.
    pub object: ObjectId,
    /// The field.
    pub field: &'static str,
    /// The reason, in the words of validation.
    pub reason: String,
}

impl<T> Optional<T> {
    /// Returns the row of the table.
    #[must_use]
    pub const fn spec(&self) -> FieldSpec {
        self.spec
    }

    /// Returns the same field with a default.
    pub(super) const fn or(self, default: &'static str) -> Defaulted<T> {
        Defaulted { field: Self { spec: self.spec.default(default), read: self.read }, default }
    }

    /// Returns the value of the field on `object`, or `None` if the object lacks the field.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field holds several values, a reference, or a text that is not legal in it.
    pub fn of(&self, object: &impl Fields) -> Result<Option<T>, FieldError> {
        let key = self.spec.key;
        let mut values = object.values_of(key);
        let read = match (values.next().as_deref(), values.count()) {
            (None, _) => return Ok(None),
            (Some(_), more @ 1..) => Err(value_check::too_many(key, more + 1)),
            (Some(FieldValue::Ref(_)), 0) => Err(value_check::not_text(key)),
            (Some(FieldValue::String(text)), 0) => self.parse(text),
        };
        read.map(Some).map_err(|reason| self.error(object, reason))
    }

    /// Returns the value of the field on `object`.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the object lacks the field, or for the reasons of [`of`](Self::of).
    pub fn required(&self, object: &impl Fields) -> Result<T, FieldError> {
        let kind = || object.object().type_name().unwrap_or_default();
        self.of(object)?.ok_or_else(|| self.error(object, value_check::missing(self.spec.key, kind())))
    }

    /// Reads `text` as a value of the field.
    ///
    /// # Errors
    ///
    /// If the text is not a value of the field: the message of validation that says why.
    pub fn parse(&self, text: &str) -> Result<T, String> {
        let FieldSpec { key, shape, .. } = self.spec;
        match value_check::complaint(key, shape, text) {
            Some(complaint) => Err(complaint),
            None => (self.read)(text).ok_or_else(|| value_check::must_be(key, &shape.describe(), text)),
        }
    }

    fn error(&self, object: &impl Fields, reason: String) -> FieldError {
        FieldError { object: object.object().id.clone(), field: self.spec.key, reason }
    }
}

impl<T> Defaulted<T> {
    /// Returns the row of the table.
    #[must_use]
    pub const fn spec(&self) -> FieldSpec {
        self.field.spec
    }

    /// Returns the value of the field on `object`, or the default if the object lacks the field.
    ///
    /// # Errors
    ///
    /// [`FieldError`] if the field holds several values, a reference, or a text that is not legal in it.
    pub fn of(&self, object: &impl Fields) -> Result<T, FieldError> {
        Ok(self.field.of(object)?.unwrap_or_else(|| self.usual()))
    }

    /// Returns the default.
    #[must_use]
    pub fn usual(&self) -> T {
        (self.field.read)(self.default).expect("a test reads every default")
    }

    /// Reads `text` as a value of the field.
    ///
    /// # Errors
    ///
    /// If the text is not a value of the field: the message of validation that says why.
    pub fn parse(&self, text: &str) -> Result<T, String> {
        self.field.parse(text)
    }
}

impl FieldSpec {
    /// Returns a typed field for this row: programs read its values as `T`.
    pub(super) const fn typed<T: FieldType>(self) -> Optional<T> {
        Optional { spec: self, read: T::read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Field,
        kind::{DEFAULT_OBJECT, Kind, field::*},
    };

    /// The row of a typed field, and a function that says whether the field accepts a text.
    type Typed = (FieldSpec, fn(&str) -> bool);

    macro_rules! typed {
        ($($name:ident)+) => {
            &[$(($name.spec(), |text| $name.parse(text).is_ok()),)+]
        };
    }

    const TYPED: &[Typed] = typed![
        ACTION_ON_RESOURCE_FAILURE ACTION_ON_TASK_FAILURE ATTEMPT_TIMEOUT COMPRESSION END_DATE_TIME
        FAILURE_AND_RERUN_MODE INIT_TIMEOUT LATE_AFTER_TIMEOUT MAXIMUM_RETRIES MAX_ACTIVE_INSTANCES MY_ALLOW_EMPTY
        MY_BACKFILL MY_COMPRESSED MY_HEADER MY_IGNORE_CASE MY_LOAD_MODE MY_MATCH MY_MAX_REJECTS MY_MAX_RUNS_PER_DAY
        MY_ONCE_PER_RUN MY_PUBLISH MY_SETTLE MY_STALE_RUNS
        MY_TIME_ZONE MY_WAIT_FOR OCCURRENCES PERIOD PRECONDITION_TIMEOUT REPORT_PROGRESS_TIMEOUT RETRY_DELAY SCHEDULE_TYPE STAGE START_AT
        START_DATE_TIME
    ];

    fn object(kind: &str, fields: &[(&str, &str)]) -> PipelineObject {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value));
        let fields = std::iter::once(Field::string("type", kind)).chain(fields).collect();
        PipelineObject { id: "A".into(), name: "A".to_owned(), fields }
    }

    #[test]
    fn a_typed_field_is_a_row_with_one_shape_in_every_table() {
        for (spec, _) in TYPED {
            let of_kinds = Kind::ALL.iter().flat_map(|kind| kind.described().chain(kind.my_fields()));
            let all = of_kinds.chain(DEFAULT_OBJECT.my_fields).filter(|other| other.key == spec.key);
            let all: Vec<_> = all.collect();
            assert!(all.contains(&spec), "{}", spec.key);
            assert!(all.iter().all(|other| other.shape == spec.shape), "{}", spec.key);
        }
    }

    #[test]
    fn the_end_of_a_cluster_is_a_period_or_a_number_of_hours() {
        for text in ["2 hours", " 2 ", "120 minutes", "soon", "-1"] {
            let complaint = value_check::complaint("terminateAfter", TERMINATE_AFTER.spec().shape, text);
            assert_eq!(TERMINATE_AFTER.parse(text).is_ok(), complaint.is_none(), "{text:?}");
        }
        let two = |text| TERMINATE_AFTER.parse(text).map(|after| after.0.duration().as_secs());
        assert_eq!((two("2 hours"), two(" 2 ")), (Ok(7_200), Ok(7_200)));
    }

    #[test]
    fn programs_read_exactly_the_texts_that_validation_accepts() {
        let texts = [
            "",
            "-1",
            "-0",
            " 05 ",
            "+3",
            "6",
            "9223372036854775807",
            "9223372036854775808",
            "1%",
            "100.1 %",
            "true",
            " FALSE",
            "Cascade",
            "NONE ",
            "GZip",
            "upsert",
            "Replace",
            "cron",
            "TimeSeries",
            "onDemand",
            "delete",
            "keep",
            "0 seconds",
            "14 minutes",
            " 15 Minutes ",
            "3 years",
            "4 years",
            "ondemand_period ",
            "First_Activation_Date_Time",
            "2030-01-31T22:00:00",
            "2030-01-31",
            "tomorrow",
            "by 08:30",
            "BY 8:30",
            "by 24:00",
            "Europe/Berlin",
            "america/new_york",
            "Europe/Berln",
        ];
        for (spec, is_read) in TYPED {
            for text in texts.iter().copied().chain(spec.default) {
                let complaint = value_check::complaint(spec.key, spec.shape, text);
                assert_eq!(is_read(text), complaint.is_none(), "{} {text:?}", spec.key);
            }
        }
    }

    #[test]
    fn an_object_without_the_field_has_the_default_of_the_table() {
        let shell = object("ShellCommandActivity", &[]);
        assert_eq!(MAXIMUM_RETRIES.of(&shell), Ok(2));
        assert_eq!(FAILURE_AND_RERUN_MODE.of(&shell), Ok(FailureAndRerunMode::None));
        assert_eq!(ATTEMPT_TIMEOUT.of(&shell), Ok(None));
    }

    #[test]
    fn an_unreadable_field_has_the_message_of_validation() {
        let refusal = |fields: &[(&str, &str)]| {
            let object = object("Schedule", fields);
            PERIOD.required(&object).map(|_| ()).and(OCCURRENCES.of(&object)).unwrap_err().to_string()
        };
        let daily = ("period", "1 day");
        for (fields, reason) in [
            (&[][..], "field `period`: 'period' is required on type 'Schedule'"),
            (
                &[("period", "1 minute")],
                "field `period`: 'period' value must be a period from 15 minutes to 3 years. Found '1 minute'",
            ),
            (&[daily, daily], "field `period`: 'period' takes one value. Found 2"),
            (
                &[daily, ("occurrences", "0")],
                "field `occurrences`: 'occurrences' value must be a whole number of at least 1. Found '0'",
            ),
        ] {
            assert_eq!(refusal(fields), format!("object `A`, {reason}"));
        }
        let mut shell = object("ShellCommandActivity", &[]);
        shell.fields.push(Field::reference("stage", "B"));
        assert_eq!(STAGE.of(&shell).unwrap_err().reason, "'stage' must be text, not a reference");
    }
}
