//! The services of a story: those of a running stack, or the server of moto.

use aws_sdk_datapipeline::types::PipelineDescription;
use e2e::{definitions::Definitions, mail::Mail, program::Up};

use super::DROP;
use super::kinds::{Bucket, Held};
use super::moto::Moto;
use crate::PROGRAM;

/// The largest number of ids that DescribePipelines accepts.
const DESCRIBED_AT_ONCE: usize = 25;

/// The services, with clients that nothing disturbs.
pub(super) struct Services {
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) datapipeline: aws_sdk_datapipeline::Client,
    pub(super) sns: aws_sdk_sns::Client,
    pub(super) definitions: String,
    pub(super) topic_arn: String,
    provider: Provider,
}

/// The program that provides the services.
enum Provider {
    Stack(Box<Up>),
    Moto { _moto: Box<Moto> },
}

impl Services {
    pub(super) async fn of_a_stack() -> Self {
        let definitions = Definitions::shipped();
        let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
        let services = Self {
            s3: up.s3(),
            datapipeline: up.datapipeline(),
            sns: up.sns(),
            definitions: up.endpoints.buckets.definitions.clone(),
            topic_arn: up.endpoints.topic_arn.clone(),
            provider: Provider::Stack(Box::new(up)),
        };
        services.create_bucket(DROP).await;
        services
    }

    pub(super) async fn of_moto() -> Self {
        let moto = Moto::start().await;
        let config = moto.sdk_config();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let sns = aws_sdk_sns::Client::new(&config);
        let topic = sns.create_topic().name("notices").send().await.expect("a topic");
        let services = Self {
            s3: aws_sdk_s3::Client::from_conf(s3),
            datapipeline: aws_sdk_datapipeline::Client::new(&config),
            sns,
            definitions: "adversary-definitions".to_owned(),
            topic_arn: topic.topic_arn.expect("an ARN"),
            provider: Provider::Moto { _moto: Box::new(moto) },
        };
        for bucket in [DROP, services.definitions.as_str()] {
            services.create_bucket(bucket).await;
        }
        services
    }

    async fn create_bucket(&self, name: &str) {
        self.s3.create_bucket().bucket(name).send().await.expect("a bucket without events");
    }

    pub(super) fn are_of_moto(&self) -> bool {
        matches!(self.provider, Provider::Moto { .. })
    }

    /// Returns the mails of the topic; `None` if the services write none.
    pub(super) fn mails(&self) -> Option<Vec<Mail>> {
        match &self.provider {
            Provider::Stack(up) => Some(up.mails()),
            Provider::Moto { .. } => None,
        }
    }

    /// Returns the output of the stack.
    pub(super) fn log(&self) -> String {
        match &self.provider {
            Provider::Stack(up) => up.log(),
            Provider::Moto { .. } => String::new(),
        }
    }

    /// Returns the descriptions of all pipelines.
    pub(super) async fn pipelines(&self) -> Vec<PipelineDescription> {
        let (mut ids, mut marker) = (Vec::new(), None);
        loop {
            let page = self.datapipeline.list_pipelines().set_marker(marker).send().await;
            // moto forgets a place in the list if its pipeline is deleted.
            let Ok(page) = page else {
                (ids, marker) = (Vec::new(), None);
                continue;
            };
            ids.extend(
                page.pipeline_id_list().iter().filter_map(|pipeline| pipeline.id().map(str::to_owned)),
            );
            marker = page.marker().filter(|_| page.has_more_results()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
        let mut described = Vec::new();
        for ids in ids.chunks(DESCRIBED_AT_ONCE) {
            described.extend(self.described(ids).await);
        }
        described
    }

    /// Describes those of the pipelines that still exist.
    async fn described(&self, ids: &[String]) -> Vec<PipelineDescription> {
        let describe = |ids: &[String]| {
            self.datapipeline.describe_pipelines().set_pipeline_ids(Some(ids.to_vec())).send()
        };
        if let Ok(all) = describe(ids).await {
            return all.pipeline_description_list;
        }
        let mut described = Vec::new();
        for id in ids {
            let one = describe(std::slice::from_ref(id)).await;
            described.extend(one.into_iter().flat_map(|one| one.pipeline_description_list));
        }
        described
    }

    /// Returns the bytes of the object at `s3://bucket/key`.
    pub(super) async fn object(&self, location: &str) -> Vec<u8> {
        let (bucket, key) =
            location.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).expect("a location");
        let got = self.s3.get_object().bucket(bucket).key(key).send().await.expect("an object");
        got.body.collect().await.expect("its bytes").to_vec()
    }

    /// Returns all objects of the drop bucket.
    pub(super) async fn dropped(&self) -> Bucket {
        let pages = self.s3.list_objects_v2().bucket(DROP).into_paginator().send();
        let pages = pages.try_collect().await.expect("a listing");
        let objects = pages.into_iter().flat_map(|page| page.contents.unwrap_or_default());
        let held = |object: aws_sdk_s3::types::Object| {
            let landed = object.last_modified.and_then(|time| time.to_millis().ok()).unwrap_or_default();
            let etag = object.e_tag.unwrap_or_default().trim_matches('"').to_owned();
            Some((object.key?, Held { etag, size: object.size.unwrap_or_default(), landed }))
        };
        objects.filter_map(held).collect()
    }
}
