//! The parts that the tests of this crate share, and the tests of the whole host.

mod model;
mod moto;

use definition::kind::Kind;
use definition::{Field, PipelineObject};
use engine::{AttemptId, InstanceId, Party, PipelineId, WorkerGroup};
use jiff::Timestamp;
use server::host::{Resource, ResourceId};
use server::sigv4::Credentials;

use crate::settings::{Settings, Subnet};

/// The account of the tests.
const ACCOUNT: &str = "123456789012";

/// Returns settings of an engine.
pub(crate) fn settings(engine: &str) -> Settings {
    let subnet =
        |zone: &str, id: &str| Subnet { zone: format!("us-east-1{zone}"), id: format!("subnet-{id}") };
    Settings {
        engine: engine.to_owned(),
        regions: vec!["us-east-1".to_owned(), "eu-west-1".to_owned()],
        worker: "s3://artifacts/ec2-worker/1".to_owned(),
        worker_sha256: "ab".repeat(32),
        instance_profile: "downspout-worker".to_owned(),
        image: "ami-default".to_owned(),
        instance_type: "t3.small".to_owned(),
        disk_gib: 20,
        subnets: vec![subnet("a", "a"), subnet("b", "b")],
        security_groups: vec!["sg-default".to_owned()],
        endpoint: "http://engine.downspout.internal:4567".to_owned(),
        rds_instances: "main=db.example:5432".to_owned(),
        authority: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n".to_owned(),
    }
}

/// Returns an attempt at the resource `name` with these fields.
pub(crate) fn resource(name: &str, attempt: u32, fields: &[(&'static str, &str)]) -> Resource {
    let pipeline = PipelineId::from("df-1");
    let instance = InstanceId::from(format!("@{name}_2030-01-31T22:00:00"));
    let attempt = AttemptId::from(format!("{instance}_Attempt={attempt}"));
    let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
    let object = PipelineObject { id: attempt.object_id(), name: name.to_owned(), fields };
    Resource {
        kind: Kind::Ec2Resource,
        worker_group: WorkerGroup::of_resource(&pipeline, &instance),
        party: Party { first: instance, size: 1 },
        since: Timestamp::UNIX_EPOCH,
        object,
        tags: Vec::new(),
        credentials: Credentials {
            access_key_id: format!("MACHINE-{ACCOUNT}-df-1-0"),
            secret_access_key: "a secret of the tests".to_owned(),
        },
        id: ResourceId { pipeline, attempt },
    }
}
