//! QueryObjects: ids of the objects of one sphere for which every selector holds, those of a run in order of creation.
//!
//! The store answers what it has columns for. Other selectors, and all of them on components, are
//! tried on the objects themselves.

use definition::{FieldValue, PipelineObject};
use engine::time;
use engine::wire_objects::Form;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Sphere, TextField, TimeField};

use super::describe_objects::View;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::marker::read_marker;

/// Ids per page.
const PAGE: usize = 100;
/// Selectors per query.
const MOST_SELECTORS: usize = 10;
/// Values of all selectors of a query.
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
    let tests = selectors.into_iter().map(Test::read).collect::<Result<Vec<_>, _>>()?;
    let sphere = match sphere.to_ascii_uppercase().as_str() {
        "COMPONENT" => None,
        "INSTANCE" => Some(Sphere::Instance),
        "ATTEMPT" => Some(Sphere::Attempt),
        _ => {
            let text = format!("'{sphere}' is no sphere: say COMPONENT, INSTANCE or ATTEMPT");
            return Err(ServiceError::InvalidRequest(text));
        }
    };
    match sphere {
        None => components(service, &id, &tests, request.marker, limit).await,
        Some(sphere) => physical(service, &id, sphere, tests, request.marker, limit).await,
    }
}

async fn components(
    service: &Service,
    id: &str,
    tests: &[Test],
    from: Option<String>,
    limit: usize,
) -> Result<Response, ServiceError> {
    let from = from.filter(|text| !text.is_empty());
    let unknown = |text: &String| ServiceError::InvalidRequest(format!("'{text}' is no marker of ours"));
    let from: usize = from.as_ref().map_or(Ok(0), |text| text.parse().map_err(|_| unknown(text)))?;
    let held = service.driver.hold(id).await?;
    let mut view = View::new(service, &held);
    let all = view.component_ids().await?;
    let mut ids = Vec::new();
    for (place, component) in all.iter().enumerate().skip(from) {
        if ids.len() == limit {
            return Ok(Response { ids, marker: Some(place.to_string()), has_more_results: true });
        }
        if holds(&mut view, component, tests).await? {
            ids.push(component.clone());
        }
    }
    Ok(Response { ids, marker: None, has_more_results: false })
}

async fn physical(
    service: &Service,
    id: &str,
    sphere: Sphere,
    tests: Vec<Test>,
    from: Option<String>,
    limit: usize,
) -> Result<Response, ServiceError> {
    let mut from = read_marker(from)?;
    let (selectors, rest): (Vec<_>, Vec<_>) = tests.into_iter().map(|test| test.for_store(sphere)).fold(
        (Vec::new(), Vec::new()),
        |(mut selectors, mut rest), test| {
            match test {
                Ok(selector) => selectors.push(selector),
                Err(test) => rest.push(test),
            }
            (selectors, rest)
        },
    );
    let query = store::Query { sphere, selectors };
    let held = service.driver.hold(id).await?;
    let pipeline = held.pipeline.id.clone();
    let mut view = View::new(service, &held);
    let mut ids = Vec::new();
    loop {
        let page = service.driver.store.query(&pipeline, query.clone(), from, limit - ids.len()).await?;
        for object in page.items {
            if rest.is_empty() || holds(&mut view, &object, &rest).await? {
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

async fn holds(view: &mut View<'_>, id: &str, tests: &[Test]) -> Result<bool, ServiceError> {
    if tests.is_empty() {
        return Ok(true);
    }
    let object = view.object(id, Form { evaluated: false, secrets_clear: false }).await?;
    Ok(object.is_some_and(|object| tests.iter().all(|test| test.holds(&object))))
}

/// A selector as it was understood.
#[derive(Debug)]
struct Test {
    field: String,
    operator: Comparison,
}

#[derive(Debug)]
enum Comparison {
    /// One of these texts.
    Equals(Vec<String>),
    /// A reference to one of these.
    RefersTo(Vec<String>),
    /// Not before, not after.
    Within(Option<Timestamp>, Option<Timestamp>),
}

impl Test {
    fn read(selector: Selector) -> Result<Self, ServiceError> {
        let field = selector.field_name.unwrap_or_default();
        let operator = selector.operator.unwrap_or(Operator { r#type: None, values: None });
        let values = operator.values.unwrap_or_default();
        let word = operator.r#type.unwrap_or_default();
        let invalid = |what: &str| ServiceError::InvalidRequest(format!("selector on '{field}': {what}"));
        let time = |place: usize| {
            let text: &str = values.get(place).map_or("", String::as_str);
            lenient_time(text)
                .ok_or_else(|| invalid(&format!("'{text}' is no time, such as 2030-01-31T22:00:00")))
        };
        if field.is_empty() {
            return Err(ServiceError::InvalidRequest("a selector has no fieldName".to_owned()));
        }
        let expect = |count: usize| {
            let text = format!("{word} takes {count} value(s), {} were given", values.len());
            if values.len() == count { Ok(()) } else { Err(invalid(&text)) }
        };
        let operator = match word.as_str() {
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
                return Err(invalid(&format!("'{other}' is no operator: say EQ, REF_EQ, LE, GE or BETWEEN")));
            }
        };
        Ok(Self { field, operator })
    }

    /// Returns the selector for the store, or the test itself when the store has no column for it.
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
        match (self.operator, text, time) {
            (Comparison::Equals(values) | Comparison::RefersTo(values), Some(field), _) => {
                Ok(store::Selector::AnyOf(field, values))
            }
            (Comparison::Within(from, to), _, Some(field)) => Ok(store::Selector::Within(field, from, to)),
            (Comparison::Equals(values), None, Some(field)) if values.len() == 1 => {
                match lenient_time(&values[0]) {
                    Some(at) => Ok(store::Selector::Within(field, Some(at), Some(at))),
                    None => Err(Self { field: self.field, operator: Comparison::Equals(values) }),
                }
            }
            (operator, _, _) => Err(Self { field: self.field, operator }),
        }
    }

    fn holds(&self, object: &PipelineObject) -> bool {
        let is_name = self.field == "name";
        let name = FieldValue::String(object.name.clone());
        let own = is_name.then_some(&name);
        let mut values = object.values(&self.field).chain(own);
        values.any(|value| match (&self.operator, value) {
            (Comparison::Equals(wanted), FieldValue::String(text)) => {
                wanted.iter().any(|wanted| wanted == text || same_time(wanted, text))
            }
            (Comparison::RefersTo(wanted), FieldValue::Ref(target)) => {
                wanted.iter().any(|wanted| target == wanted.as_str())
            }
            // Users say EQ of references as well.
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

/// The CLI upper-cases `cancelled`; the service spells it with one L.
fn status(word: &str) -> String {
    let word = word.to_ascii_uppercase();
    if word == "CANCELLED" { "CANCELED".to_owned() } else { word }
}

fn same_time(one: &str, other: &str) -> bool {
    lenient_time(one).is_some_and(|time| lenient_time(other) == Some(time))
}

/// Reads `2013-09-02T10:00:00`, a date alone (its midnight), or a time with a zone.
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

    fn test(field: &str, word: &str, values: &[&str]) -> Result<Test, ServiceError> {
        let operator = Operator {
            r#type: Some(word.to_owned()),
            values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        };
        Test::read(Selector { field_name: Some(field.to_owned()), operator: Some(operator) })
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
        let selector = test("@status", "EQ", &["cancelled", "running"]).unwrap().for_store(Sphere::Instance);
        let wanted = vec!["CANCELED".to_owned(), "RUNNING".to_owned()];
        assert_eq!(selector.unwrap(), store::Selector::AnyOf(TextField::Status, wanted));
    }

    #[test]
    fn a_selector_that_cannot_be_understood_says_so() {
        for (word, values) in [("NE", &["a"][..]), ("BETWEEN", &["2013-09-02"]), ("LE", &["x"]), ("EQ", &[])]
        {
            assert!(test("@actualStartTime", word, values).is_err(), "{word}");
        }
    }
}
