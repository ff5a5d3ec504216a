//! QueryObjects: returns the ids of the objects of one sphere that match every selector. Objects of runs come in the
//! order of their creation.
//!
//! The store answers the selectors for which it has columns. All others, and all selectors on components, are evaluated
//! on the objects themselves.

use definition::{FieldValue, PipelineObject};
use engine::time;
use engine::wire_objects::Form;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Sphere, TextField, TimeField};

use crate::error::ServiceError;
use crate::object_view::ObjectView;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::marker::read_marker;

/// The number of ids per page.
const PAGE: usize = 100;
/// The limit of selectors per query.
const MOST_SELECTORS: usize = 10;
/// The limit of values in all selectors of a query.
const MOST_VALUES: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    sphere: Option<String>,
    query: Option<Query>,
    marker: Option<String>,
    limit: Option<i64>,
}

/// `Query`: selectors that must all hold.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    selectors: Option<Vec<Selector>>,
}

/// `Selector`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    field_name: Option<String>,
    operator: Option<Operator>,
}

/// `Operator`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operator {
    r#type: Option<String>,
    values: Option<Vec<String>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
    has_more_results: bool,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let sphere = check.required("sphere", request.sphere, STRING);
    check.finish()?;
    let limit = request.limit.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let limit = limit.unwrap_or(PAGE).min(PAGE);
    let selectors = request.query.and_then(|query| query.selectors).unwrap_or_default();
    if selectors.len() > MOST_SELECTORS {
        let text =
            format!("{} selectors were given; a query takes {MOST_SELECTORS} at most", selectors.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    let values = selectors.iter().filter_map(|selector| selector.operator.as_ref()?.values.as_ref());
    let values: usize = values.map(Vec::len).sum();
    if values > MOST_VALUES {
        let text = format!("{values} values were given; the selectors of a query take {MOST_VALUES} at most");
        return Err(ServiceError::InvalidRequest(text));
    }
    let conditions = selectors.into_iter().map(Condition::read).collect::<Result<Vec<_>, _>>()?;
    let sphere = match sphere.to_ascii_uppercase().as_str() {
        "COMPONENT" => None,
        "INSTANCE" => Some(Sphere::Instance),
        "ATTEMPT" => Some(Sphere::Attempt),
        _ => {
            let text = format!("'{sphere}' is not a sphere: use COMPONENT, INSTANCE or ATTEMPT");
            return Err(ServiceError::InvalidRequest(text));
        }
    };
    match sphere {
        None => components(service, &id, &conditions, request.marker, limit).await,
        Some(sphere) => physical(service, &id, sphere, conditions, request.marker, limit).await,
    }
}

async fn components(
    service: &Service,
    id: &str,
    conditions: &[Condition],
    from: Option<String>,
    limit: usize,
) -> Result<Response, ServiceError> {
    let from = from.filter(|text| !text.is_empty());
    let unknown = |text: &String| {
        ServiceError::InvalidRequest(format!("'{text}' is not a marker that this service returned"))
    };
    let from: usize = from.as_ref().map_or(Ok(0), |text| text.parse().map_err(|_| unknown(text)))?;
    let live = service.driver.lock_pipeline(id).await?;
    let mut view = ObjectView::new(service, &live);
    let all = view.component_ids().await?;
    let mut ids = Vec::new();
    for (index, component) in all.iter().enumerate().skip(from) {
        if ids.len() == limit {
            return Ok(Response { ids, marker: Some(index.to_string()), has_more_results: true });
        }
        if matches(&mut view, component, conditions).await? {
            ids.push(component.clone());
        }
    }
    Ok(Response { ids, marker: None, has_more_results: false })
}

async fn physical(
    service: &Service,
    id: &str,
    sphere: Sphere,
    conditions: Vec<Condition>,
    from: Option<String>,
    limit: usize,
) -> Result<Response, ServiceError> {
    let mut from = read_marker(from)?;
    let (selectors, rest): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .map(|condition| condition.for_store(sphere))
        .fold((Vec::new(), Vec::new()), |(mut selectors, mut rest), condition| {
            match condition {
                Ok(selector) => selectors.push(selector),
                Err(condition) => rest.push(condition),
            }
            (selectors, rest)
        });
    let query = store::Query { sphere, selectors };
    let live = service.driver.lock_pipeline(id).await?;
    let pipeline = live.pipeline.id.clone();
    let mut view = ObjectView::new(service, &live);
    let mut ids = Vec::new();
    loop {
        let page = service.driver.store.query(&pipeline, query.clone(), from, limit - ids.len()).await?;
        for object in page.items {
            if rest.is_empty() || matches(&mut view, &object, &rest).await? {
                ids.push(object);
            }
        }
        from = page.next;
        if from.is_none() || ids.len() >= limit {
            let marker = from.map(|next| next.to_string());
            return Ok(Response { ids, has_more_results: marker.is_some(), marker });
        }
    }
}

async fn matches(
    view: &mut ObjectView<'_>,
    id: &str,
    conditions: &[Condition],
) -> Result<bool, ServiceError> {
    if conditions.is_empty() {
        return Ok(true);
    }
    let object = view.object(id, Form { evaluated: false, secrets_clear: false }).await?;
    Ok(object.is_some_and(|object| conditions.iter().all(|condition| condition.holds(&object))))
}

/// A selector, checked and read.
#[derive(Debug)]
struct Condition {
    field: String,
    comparison: Comparison,
}

#[derive(Debug)]
enum Comparison {
    /// The field is one of these texts, the same time in another form, or a reference to an object with one of these ids.
    Equals(Vec<String>),
    /// The field refers to one of these objects.
    RefersTo(Vec<String>),
    /// The field is a time, not before the first time and not after the second one. `None` means no limit.
    Within(Option<Timestamp>, Option<Timestamp>),
}

impl Condition {
    fn read(selector: Selector) -> Result<Self, ServiceError> {
        let field = selector.field_name.unwrap_or_default();
        let operator = selector.operator.unwrap_or(Operator { r#type: None, values: None });
        let values = operator.values.unwrap_or_default();
        let word = operator.r#type.unwrap_or_default();
        let invalid = |what: &str| ServiceError::InvalidRequest(format!("selector on '{field}': {what}"));
        let time = |index: usize| {
            let text: &str = values.get(index).map_or("", String::as_str);
            lenient_time(text)
                .ok_or_else(|| invalid(&format!("'{text}' is not a time such as 2030-01-31T22:00:00")))
        };
        if field.is_empty() {
            return Err(ServiceError::InvalidRequest("a selector has no fieldName".to_owned()));
        }
        let expect = |count: usize| {
            let text = format!("{word} takes {count} value(s), {} were given", values.len());
            if values.len() == count { Ok(()) } else { Err(invalid(&text)) }
        };
        let comparison = match word.as_str() {
            "EQ" | "REF_EQ" if values.is_empty() => return Err(invalid(&format!("{word} needs a value"))),
            "EQ" if field == "@status" => {
                Comparison::Equals(values.iter().map(|word| status(word)).collect())
            }
            "EQ" => Comparison::Equals(values),
            "REF_EQ" => Comparison::RefersTo(values),
            "LE" => expect(1).and_then(|()| Ok(Comparison::Within(None, Some(time(0)?))))?,
            "GE" => expect(1).and_then(|()| Ok(Comparison::Within(Some(time(0)?), None)))?,
            "BETWEEN" => expect(2).and_then(|()| Ok(Comparison::Within(Some(time(0)?), Some(time(1)?))))?,
            other => {
                return Err(invalid(&format!(
                    "'{other}' is not an operator: use EQ, REF_EQ, LE, GE or BETWEEN"
                )));
            }
        };
        Ok(Self { field, comparison })
    }

    /// Returns the selector for the store, or the condition itself if the store has no column for it.
    fn for_store(self, sphere: Sphere) -> Result<store::Selector, Self> {
        let text = match self.field.as_str() {
            "name" | "@id" | "id" => Some(TextField::Id),
            "@status" => Some(TextField::Status),
            "parent" | "@componentParent" => Some(TextField::Component),
            "@instanceParent" if sphere == Sphere::Attempt => Some(TextField::Instance),
            _ => None,
        };
        let time = match self.field.as_str() {
            "@scheduledStartTime" => Some(TimeField::Scheduled),
            "@actualStartTime" => Some(TimeField::Started),
            "@actualEndTime" => Some(TimeField::Ended),
            _ => None,
        };
        match (self.comparison, text, time) {
            (Comparison::Equals(values) | Comparison::RefersTo(values), Some(field), _) => {
                Ok(store::Selector::AnyOf(field, values))
            }
            (Comparison::Within(from, to), _, Some(field)) => Ok(store::Selector::Within(field, from, to)),
            (Comparison::Equals(values), None, Some(field)) if values.len() == 1 => {
                match lenient_time(&values[0]) {
                    Some(at) => Ok(store::Selector::Within(field, Some(at), Some(at))),
                    None => Err(Self { field: self.field, comparison: Comparison::Equals(values) }),
                }
            }
            (comparison, _, _) => Err(Self { field: self.field, comparison }),
        }
    }

    fn holds(&self, object: &PipelineObject) -> bool {
        let is_name = self.field == "name";
        let name = FieldValue::String(object.name.clone());
        let own = is_name.then_some(&name);
        let mut values = object.values(&self.field).chain(own);
        values.any(|value| match (&self.comparison, value) {
            (Comparison::Equals(wanted), FieldValue::String(text)) => {
                wanted.iter().any(|wanted| wanted == text || same_time(wanted, text))
            }
            (Comparison::RefersTo(wanted), FieldValue::Ref(target)) => {
                wanted.iter().any(|wanted| target == wanted.as_str())
            }
            // Users write EQ for references as well.
            (Comparison::Equals(wanted), FieldValue::Ref(target)) => {
                wanted.iter().any(|wanted| target == wanted.as_str())
            }
            (Comparison::Within(from, to), FieldValue::String(text)) => lenient_time(text)
                .is_some_and(|at| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at <= to)),
            (Comparison::RefersTo(_), FieldValue::String(_))
            | (Comparison::Within(..), FieldValue::Ref(_)) => false,
        })
    }
}

/// Returns a status word as the service spells it. The AWS CLI sends `CANCELLED` with two Ls.
fn status(word: &str) -> String {
    let word = word.to_ascii_uppercase();
    if word == "CANCELLED" { "CANCELED".to_owned() } else { word }
}

fn same_time(one: &str, other: &str) -> bool {
    lenient_time(one).is_some_and(|time| lenient_time(other) == Some(time))
}

/// Reads a time with a zone, a time in UTC such as `2013-09-02T10:00:00`, or a date, which means its midnight in UTC.
fn lenient_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let date = || {
        let midnight = text.parse::<jiff::civil::Date>().ok()?.to_datetime(jiff::civil::Time::midnight());
        midnight.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    };
    let zoned = || text.parse::<Timestamp>().ok();
    if text.contains('T') || text.contains(' ') { zoned().or_else(|| time::parse(text)) } else { date() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(field: &str, word: &str, values: &[&str]) -> Result<Condition, ServiceError> {
        let operator = Operator {
            r#type: Some(word.to_owned()),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        Condition::read(Selector { field_name: Some(field.to_owned()), operator: Some(operator) })
    }

    #[test]
    fn dates_are_read_leniently() {
        let midnight = lenient_time("2013-09-02T00:00:00");
        assert!(midnight.is_some());
        for text in ["2013-09-02", "2013-09-02T00:00:00Z", "2013-09-02 00:00:00", "2013-09-02T02:00:00+02:00"]
        {
            assert_eq!(lenient_time(text), midnight, "{text}");
        }
        assert_eq!(lenient_time("yesterday"), None);
    }

    #[test]
    fn cancelled_with_two_ls_is_canceled() {
        let selector =
            condition("@status", "EQ", &["cancelled", "running"]).unwrap().for_store(Sphere::Instance);
        let wanted = vec!["CANCELED".to_owned(), "RUNNING".to_owned()];
        assert_eq!(selector.unwrap(), store::Selector::AnyOf(TextField::Status, wanted));
    }

    #[test]
    fn a_selector_that_cannot_be_read_is_refused() {
        for (word, values) in [("NE", &["a"][..]), ("BETWEEN", &["2013-09-02"]), ("LE", &["x"]), ("EQ", &[])]
        {
            assert!(condition("@actualStartTime", word, values).is_err(), "{word}");
        }
    }
}
