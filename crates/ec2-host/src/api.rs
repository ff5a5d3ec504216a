//! The edge: the three calls of EC2.

use std::collections::HashMap;

use anyhow::Context as _;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{Filter, Instance};

use crate::error::{StartError, start_error};
use crate::launch::{ACCOUNT_TAG, ENGINE_TAG};
use crate::view::Place;

/// The calls of EC2 that the host makes.
#[async_trait]
pub(crate) trait Api: Send + Sync + 'static {
    /// Starts a machine, or returns the machine that the same request started before.
    async fn start(&self, region: &str, request: RunInstancesInputBuilder) -> Result<Instance, StartError>;

    /// Returns the machines that an engine has in a region for an account, also those that ended in the last hour.
    async fn describe(&self, region: &str, engine: &str, account: &str) -> anyhow::Result<Vec<Instance>>;

    /// Ends a machine. A machine that EC2 does not know is not an error.
    async fn end(&self, place: &Place) -> anyhow::Result<()>;
}

/// EC2 by its SDK, with a client for each region.
pub(crate) struct Ec2(HashMap<String, Client>);

impl Ec2 {
    pub(crate) fn new(aws: &SdkConfig, regions: &[String]) -> Self {
        let client = |region: &String| {
            let config = aws_sdk_ec2::config::Builder::from(aws).region(Region::new(region.clone()));
            (region.clone(), Client::from_conf(config.build()))
        };
        Self(regions.iter().map(client).collect())
    }

    fn client(&self, region: &str) -> anyhow::Result<&Client> {
        self.0.get(region).with_context(|| format!("the server has no machines in {region}"))
    }
}

#[async_trait]
impl Api for Ec2 {
    async fn start(&self, region: &str, request: RunInstancesInputBuilder) -> Result<Instance, StartError> {
        let client = self.client(region).map_err(StartError::Again)?;
        let started = request.send_with(client).await.map_err(start_error)?;
        let instance = started.instances.unwrap_or_default().into_iter().next();
        instance.context("EC2 answered without a machine").map_err(StartError::Again)
    }

    async fn describe(&self, region: &str, engine: &str, account: &str) -> anyhow::Result<Vec<Instance>> {
        let tag = |key: &str, value: &str| Filter::builder().name(format!("tag:{key}")).values(value).build();
        let mut pages = self
            .client(region)?
            .describe_instances()
            .filters(tag(ENGINE_TAG, engine))
            .filters(tag(ACCOUNT_TAG, account))
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.with_context(|| format!("listing the machines in {region}"))?;
            let reservations = page.reservations.unwrap_or_default().into_iter();
            found.extend(reservations.flat_map(|reservation| reservation.instances.unwrap_or_default()));
        }
        Ok(found)
    }

    async fn end(&self, place: &Place) -> anyhow::Result<()> {
        let ended =
            self.client(&place.region)?.terminate_instances().instance_ids(&place.instance).send().await;
        match ended {
            Err(error) if error.code() == Some("InvalidInstanceID.NotFound") => Ok(()),
            ended => ended.map(drop).with_context(|| format!("ending the machine {}", place.instance)),
        }
    }
}
