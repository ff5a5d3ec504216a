//! The edges (the traits of [`crate::ports`]), implemented with the AWS SDK's clients of S3, Data Pipeline and SNS.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_sdk_datapipeline::config::Config;
use aws_sdk_datapipeline::config::retry::RetryConfig;
use aws_sdk_datapipeline::error::SdkError;
use aws_sdk_datapipeline::operation::query_objects::QueryObjectsOutput;
use aws_sdk_datapipeline::types as pipeline_types;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use definition::status::Status;
use definition::{Definition, FieldValue, listed_key};
use jiff::Timestamp;

use crate::ledger::Facts;
use crate::ports::{
    About, Busy, Condition, Depth, Description, InstanceStatus, Listed, MAX_PAGES, NewPipeline, Notice, Page,
    Pauses, PipelineError, PipelineName, Pipelines, Put, Refusal, Storage, Stored, Topic,
};

/// The largest number of ids that DescribeObjects accepts.
const DESCRIBED_OBJECTS: usize = 25;
/// The message attribute that carries a notice's id.
const NOTICE_ID: &str = "downspout-notice-id";

/// The SDK's clients.
#[derive(Clone)]
pub struct Clients {
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// AWS Data Pipeline, or another server with the same protocol.
    pub datapipeline: aws_sdk_datapipeline::Client,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
}

/// The edges, which send their calls through the SDK's clients.
pub(crate) struct Aws {
    pub clients: Clients,
    pub topic_arn: String,
}

impl Storage for Aws {
    async fn get(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Stored>> {
        let output = match self.clients.s3.get_object().bucket(bucket).key(key).send().await {
            Ok(output) => output,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(failed(error, format!("GetObject s3://{bucket}/{key}"))),
        };
        let etag = bare(output.e_tag().unwrap_or_default());
        let body = output.body.collect().await.with_context(|| format!("reading s3://{bucket}/{key}"))?;
        Ok(Some(Stored { body: body.to_vec(), etag }))
    }

    async fn put(&self, bucket: &str, key: &str, body: String, condition: Condition) -> anyhow::Result<Put> {
        let body = ByteStream::from(body.into_bytes());
        let request = self.clients.s3.put_object().bucket(bucket).key(key).body(body);
        let request = request.content_type("application/json");
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(etag) => request.if_match(format!("\"{etag}\"")),
        };
        match request.send().await {
            Ok(output) => Ok(Put::Stored(bare(output.e_tag().unwrap_or_default()))),
            Err(error) if is_conflict(error.code()) => Ok(Put::Conflict),
            Err(error) => Err(failed(error, format!("PutObject s3://{bucket}/{key}"))),
        }
    }

    async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
        token: Option<String>,
    ) -> anyhow::Result<Page<Listed>> {
        let request = self.clients.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        // XML cannot contain every character that a key may have. Without the encoding, one key with such a character would
        // make the whole listing unreadable.
        let request = request.encoding_type(EncodingType::Url);
        let request = match depth {
            Depth::Level => request.delimiter("/"),
            Depth::All => request,
        };
        let page = request.set_continuation_token(token).send().await;
        let page = page.map_err(|error| failed(error, format!("ListObjectsV2 s3://{bucket}/{prefix}")))?;
        let token = page.next_continuation_token().map(str::to_owned);
        Ok((page.contents().iter().filter_map(listed_object).collect(), token))
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<Listed>> {
        let request = self.clients.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let request = request.encoding_type(EncodingType::Url).set_start_after(after.map(str::to_owned));
        let page = request.max_keys(i32::try_from(limit).unwrap_or(i32::MAX)).send().await;
        let page = page.map_err(|error| failed(error, format!("ListObjectsV2 s3://{bucket}/{prefix}")))?;
        Ok(page.contents().iter().filter_map(listed_object).collect())
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        let deleted = self.clients.s3.delete_object().bucket(bucket).key(key).send().await;
        deleted.map_err(|error| failed(error, format!("DeleteObject s3://{bucket}/{key}"))).map(drop)
    }

    async fn find(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Listed>> {
        // Of all keys that begin with `key`, S3 lists `key` itself first.
        let first = self.page(bucket, key, None, 1).await?.into_iter().next();
        Ok(first.filter(|listed| listed.key == key))
    }
}

fn listed_object(object: &aws_sdk_s3::types::Object) -> Option<Listed> {
    let modified = object.last_modified().and_then(|time| time.to_millis().ok());
    Some(Listed {
        key: listed_key::decoded(object.key()?)?,
        etag: bare(object.e_tag().unwrap_or_default()),
        modified: Timestamp::from_millisecond(modified.unwrap_or_default()).ok()?,
        size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
    })
}

/// Removes the quotation marks that S3 writes around ETags.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// Returns whether an error code of PutObject means that the condition did not hold.
///
/// S3 answers 412 if the object exists already or has changed, 409 if another put of the key is in progress, and 404 if
/// the object no longer exists.
fn is_conflict(code: Option<&str>) -> bool {
    matches!(code, Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey"))
}

impl Pipelines for Aws {
    async fn names_page(&self, marker: Option<String>) -> Result<Page<PipelineName>, PipelineError> {
        let request = self.clients.datapipeline.list_pipelines().set_marker(marker);
        let page = request.send().await.map_err(pipeline_error)?;
        let names = page.pipeline_id_list().iter().map(|pipeline| PipelineName {
            id: pipeline.id().unwrap_or_default().to_owned(),
            name: pipeline.name().unwrap_or_default().to_owned(),
        });
        let next = page.marker().filter(|_| page.has_more_results()).map(str::to_owned);
        Ok((names.collect(), next))
    }

    async fn describe(&self, ids: &[String]) -> Result<Vec<Description>, PipelineError> {
        match self.describe_all(ids).await {
            // The call fails if one of the pipelines is gone, so ask for each pipeline alone.
            Err(PipelineError::Gone(_)) if ids.len() > 1 => {
                let mut described = Vec::new();
                for id in ids {
                    match self.describe_all(std::slice::from_ref(id)).await {
                        Ok(found) => described.extend(found),
                        Err(PipelineError::Gone(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(described)
            }
            Err(PipelineError::Gone(_)) => Ok(Vec::new()),
            answer => answer,
        }
    }

    async fn has_failures(&self, id: &str) -> Result<bool, PipelineError> {
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let page = self.instance_page(id, Some(failed_query()), marker).await?;
            if !page.ids().is_empty() {
                return Ok(true);
            }
            marker = next_marker(&page);
            if marker.is_none() {
                break;
            }
        }
        Ok(false)
    }

    async fn instances(&self, id: &str) -> Result<Vec<InstanceStatus>, PipelineError> {
        Ok(self.instance_objects(id).await?.iter().map(instance_status).collect())
    }

    async fn facts(&self, id: &str) -> Result<Facts, PipelineError> {
        Ok(facts(&self.instance_objects(id).await?))
    }

    async fn create(&self, pipeline: &NewPipeline) -> Result<String, PipelineError> {
        let tag = |(key, value): &(String, String)| {
            pipeline_types::Tag::builder().key(key).value(value).build().map_err(unbuilt)
        };
        let tags = pipeline.tags.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        let request = self.clients.datapipeline.create_pipeline().name(&pipeline.name);
        let request = request.unique_id(&pipeline.unique_id).set_tags(Some(tags));
        let output = request.send().await.map_err(pipeline_error)?;
        Ok(output.pipeline_id().to_owned())
    }

    async fn put_definition(&self, id: &str, definition: &Definition) -> Result<Vec<Refusal>, PipelineError> {
        let objects = definition.objects.iter().map(wire_object).collect::<Result<_, _>>()?;
        let parameters = definition.parameters.iter().map(wire_parameter).collect::<Result<_, _>>()?;
        let value = |value: &definition::ParameterValue| {
            let builder = pipeline_types::ParameterValue::builder().id(&value.id).string_value(&value.value);
            builder.build().map_err(unbuilt)
        };
        let values = definition.values.iter().map(value).collect::<Result<_, _>>()?;
        let request = self.clients.datapipeline.put_pipeline_definition().pipeline_id(id);
        let request = request.set_pipeline_objects(Some(objects)).set_parameter_objects(Some(parameters));
        let output = request.set_parameter_values(Some(values)).send().await.map_err(pipeline_error)?;
        if !output.errored() {
            return Ok(Vec::new());
        }
        let refusals: Vec<_> = output
            .validation_errors()
            .iter()
            .flat_map(|error| {
                let object = error.id().unwrap_or_default();
                error
                    .errors()
                    .iter()
                    .map(|message| Refusal { object: object.to_owned(), message: message.clone() })
            })
            .collect();
        if refusals.is_empty() {
            return Err(PipelineError::Refused(
                "the definition has errors that the service does not name".to_owned(),
            ));
        }
        Ok(refusals)
    }

    async fn activate(&self, id: &str) -> Result<(), PipelineError> {
        // Activation is not idempotent, so the SDK must not send it again if the answer is lost. The handler that
        // continues the start asks for the pipeline's state first.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let call = self.clients.datapipeline.activate_pipeline().pipeline_id(id).customize();
        match call.config_override(once).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.message().is_some_and(|text| text.contains("maxActiveInstances")) => Ok(()),
            // Only this answer says for sure that the pipeline was not activated.
            Err(error) if is_throttled(error.code()) => Err(PipelineError::Busy(anyhow!(error))),
            Err(error) => match pipeline_error(error) {
                PipelineError::Busy(error) => Err(PipelineError::Unanswered(error)),
                error => Err(error),
            },
        }
    }

    async fn delete(&self, id: &str) -> Result<(), PipelineError> {
        match self.clients.datapipeline.delete_pipeline().pipeline_id(id).send().await.map_err(pipeline_error)
        {
            Ok(_) | Err(PipelineError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Aws {
    async fn describe_all(&self, ids: &[String]) -> Result<Vec<Description>, PipelineError> {
        let request = self.clients.datapipeline.describe_pipelines().set_pipeline_ids(Some(ids.to_vec()));
        let output = request.send().await.map_err(pipeline_error)?;
        let description = |pipeline: &pipeline_types::PipelineDescription| {
            let state = pipeline.fields().iter().find(|field| field.key() == "@pipelineState");
            Description {
                id: pipeline.pipeline_id().to_owned(),
                name: pipeline.name().to_owned(),
                state: state.and_then(|field| field.string_value()).unwrap_or_default().to_owned(),
                tags: pipeline
                    .tags()
                    .iter()
                    .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                    .collect(),
            }
        };
        Ok(output.pipeline_description_list().iter().map(description).collect())
    }

    async fn instance_ids(&self, id: &str) -> Result<Vec<String>, PipelineError> {
        let mut ids = Vec::new();
        let mut marker = None;
        for _ in 0..MAX_PAGES {
            let page = self.instance_page(id, None, marker).await?;
            ids.extend(page.ids().iter().cloned());
            marker = next_marker(&page);
            if marker.is_none() {
                break;
            }
        }
        Ok(ids)
    }

    async fn instance_objects(&self, id: &str) -> Result<Vec<pipeline_types::PipelineObject>, PipelineError> {
        let mut objects = Vec::new();
        for ids in self.instance_ids(id).await?.chunks(DESCRIBED_OBJECTS) {
            let request = self.clients.datapipeline.describe_objects().pipeline_id(id);
            let page = request.set_object_ids(Some(ids.to_vec())).send().await.map_err(pipeline_error)?;
            objects.extend(page.pipeline_objects().iter().cloned());
        }
        Ok(objects)
    }

    /// Returns one page of the ids of the pipeline's instances that `query` selects.
    async fn instance_page(
        &self,
        id: &str,
        query: Option<pipeline_types::Query>,
        marker: Option<String>,
    ) -> Result<QueryObjectsOutput, PipelineError> {
        let request = self.clients.datapipeline.query_objects().pipeline_id(id).sphere("INSTANCE");
        request.set_query(query).set_marker(marker).send().await.map_err(pipeline_error)
    }
}

fn next_marker(page: &QueryObjectsOutput) -> Option<String> {
    page.marker().filter(|_| page.has_more_results()).map(str::to_owned)
}

fn failed_query() -> pipeline_types::Query {
    let failed = Status::ALL.iter().filter(|status| status.has_failed());
    let statuses = failed.map(|status| status.as_str().to_owned()).collect();
    let operator = pipeline_types::Operator::builder().r#type(pipeline_types::OperatorType::Equal);
    let operator = operator.set_values(Some(statuses)).build();
    let selector = pipeline_types::Selector::builder().field_name("@status").operator(operator).build();
    pipeline_types::Query::builder().selectors(selector).build()
}

/// Reads the status of an instance and the ids of the instances that it needs. These ids are the values of its fields
/// `@waitingOn` (if the service gives it), `dependsOn` and `input`.
fn instance_status(object: &pipeline_types::PipelineObject) -> InstanceStatus {
    let text = |key: &str| object.fields().iter().find(|field| field.key() == key)?.string_value();
    let needs =
        object.fields().iter().filter(|field| matches!(field.key(), "@waitingOn" | "dependsOn" | "input"));
    InstanceStatus {
        id: object.id().to_owned(),
        status: text("@status").unwrap_or_default().to_owned(),
        error_id: text("errorId").map(str::to_owned),
        needs: needs
            .filter_map(|field| field.ref_value().or(field.string_value()))
            .flat_map(|text| text.split(',').map(|id| id.trim().to_owned()))
            .collect(),
    }
}

/// Adds up what the instances report. The workers of this project report the rows; other task runners need not.
fn facts(instances: &[pipeline_types::PipelineObject]) -> Facts {
    let mut facts = Facts::default();
    for field in instances.iter().flat_map(|instance| instance.fields()) {
        let text = field.string_value().unwrap_or_default();
        let count = || text.parse::<u64>().unwrap_or(0);
        match field.key() {
            "rowsLoaded" => facts.rows_loaded += count(),
            "rowsRejected" => facts.rows_rejected += count(),
            // The service writes times in UTC, without an offset.
            "@actualEndTime" => facts.ended = facts.ended.max(format!("{text}Z").parse().ok()),
            _ => {}
        }
    }
    facts
}

fn wire_object(object: &definition::PipelineObject) -> Result<pipeline_types::PipelineObject, PipelineError> {
    let field = |field: &definition::Field| {
        let builder = pipeline_types::Field::builder().key(field.key.as_str());
        let builder = match &field.value {
            FieldValue::String(text) => builder.string_value(text),
            FieldValue::Ref(target) => builder.ref_value(target.as_str()),
        };
        builder.build().map_err(unbuilt)
    };
    let fields = object.fields.iter().map(field).collect::<Result<_, _>>()?;
    let builder = pipeline_types::PipelineObject::builder().id(object.id.as_str()).name(&object.name);
    builder.set_fields(Some(fields)).build().map_err(unbuilt)
}

fn wire_parameter(
    parameter: &definition::ParameterObject,
) -> Result<pipeline_types::ParameterObject, PipelineError> {
    let attribute = |attribute: &definition::ParameterAttribute| {
        let builder = pipeline_types::ParameterAttribute::builder().key(&attribute.key);
        builder.string_value(&attribute.value).build().map_err(unbuilt)
    };
    let attributes = parameter.attributes.iter().map(attribute).collect::<Result<_, _>>()?;
    let builder = pipeline_types::ParameterObject::builder().id(&parameter.id);
    builder.set_attributes(Some(attributes)).build().map_err(unbuilt)
}

/// Turns the error of a builder into a [`PipelineError`]. The error cannot occur, because every member is given.
fn unbuilt(error: aws_smithy_types::error::operation::BuildError) -> PipelineError {
    PipelineError::Unanswered(anyhow!(error))
}

fn pipeline_error<E>(error: SdkError<E>) -> PipelineError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let text = error.message().unwrap_or_default().to_owned();
    match error.code() {
        Some("InvalidRequestException" | "ValidationException") => PipelineError::Refused(text),
        Some("PipelineNotFoundException" | "PipelineDeletedException") => PipelineError::Gone(text),
        _ if is_busy(&error) => PipelineError::Busy(anyhow!(error)),
        _ => PipelineError::Unanswered(anyhow!(error)),
    }
}

/// Returns the error of a call to S3 or SNS.
fn failed<E>(error: SdkError<E>, call: String) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let is_busy = is_busy(&error);
    let error = anyhow!(error).context(call);
    if is_busy { Busy(error).into() } else { error }
}

/// Returns whether a service throttles its callers, or failed in a way that another try may not.
fn is_busy<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = error.raw_response().map(|response| response.status().as_u16());
    is_throttled(error.code()) || matches!(status, Some(429 | 500 | 502 | 503 | 504))
}

/// Returns whether an error code means that a service refused a call because there were too many.
fn is_throttled(code: Option<&str>) -> bool {
    const CODES: [&str; 9] = [
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    ];
    code.is_some_and(|code| CODES.contains(&code))
}

impl Pauses for Aws {
    async fn pause(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}

impl Topic for Aws {
    async fn publish(&self, notice: &Notice) -> anyhow::Result<()> {
        let mut attributes = HashMap::new();
        let About { definition, outcome, run_key } = &notice.about;
        let texts = [
            (NOTICE_ID, Some(notice.id.as_str())),
            ("definition", Some(definition.as_str())),
            ("outcome", Some(outcome.as_str())),
            ("runKey", run_key.as_deref()),
        ];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            let value = MessageAttributeValue::builder().data_type("String").string_value(text).build();
            attributes.insert(name.to_owned(), value.context("a message attribute")?);
        }
        let request = self.clients.sns.publish().topic_arn(&self.topic_arn).subject(&notice.subject);
        let request = request.message(&notice.message).set_message_attributes(Some(attributes));
        let published = request.send().await;
        published.map_err(|error| failed(error, format!("publishing to {}", self.topic_arn))).map(drop)
    }
}
