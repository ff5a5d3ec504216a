//! The request that starts the machine of a resource.
//!
//! The same resource always gives the same request: EC2 then starts one machine however often the request arrives, because
//! the request has a client token.

use aws_sdk_ec2::operation::run_instances::RunInstancesInput;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    InstanceInterruptionBehavior, InstanceMarketOptionsRequest, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType, MarketType,
    Placement, ResourceType, ShutdownBehavior, SpotInstanceType, SpotMarketOptions, Tag, TagSpecification,
    VolumeType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use server::host::{Resource, ResourceId};
use sha2::{Digest as _, Sha256};

use crate::settings::Settings;
use crate::user_data;
use crate::wish::Wish;

/// The tag with the name of the engine to which a machine belongs.
pub(crate) const ENGINE_TAG: &str = "downspout:engine";
/// The tag with the account whose run wants the machine.
pub(crate) const ACCOUNT_TAG: &str = "downspout:account";
/// The tag with the pipeline.
pub(crate) const PIPELINE_TAG: &str = "downspout:pipeline";
/// The tag with the id of the attempt, or with the beginning of the id.
pub(crate) const ATTEMPT_TAG: &str = "downspout:attempt";
/// The tag with the rest of an attempt's id that is too long for one tag.
pub(crate) const REST_TAG: &str = "downspout:attempt-rest";
/// The beginning of the tags of this host.
const OWN_TAGS: &str = "downspout:";
/// The longest value of a tag, in characters.
const TAG_LENGTH: usize = 255;
/// The root disk of the images of Amazon Linux.
const ROOT_DISK: &str = "/dev/xvda";

/// Returns the request for the machine of a resource of `account`.
pub(crate) fn request(
    settings: &Settings,
    account: &str,
    wish: &Wish,
    resource: &Resource,
) -> RunInstancesInputBuilder {
    let script = user_data::script(settings, wish, resource);
    let tags = tags(settings, account, resource);
    let mut tagged = vec![ResourceType::Instance, ResourceType::Volume];
    if wish.spot_price.is_some() {
        tagged.push(ResourceType::SpotInstancesRequest);
    }
    let tagged = tagged
        .into_iter()
        .map(|kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build());
    let request = RunInstancesInput::builder()
        .min_count(1)
        .max_count(1)
        .client_token(token(settings, account, &resource.id))
        .image_id(&wish.image)
        .instance_type(InstanceType::from(wish.instance_type.as_str()))
        .set_key_name(wish.key_pair.clone())
        .iam_instance_profile(profile(&settings.instance_profile))
        .user_data(BASE64.encode(script))
        // A machine that shuts itself down is gone, and costs nothing.
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .metadata_options(
            InstanceMetadataOptionsRequest::builder()
                .http_endpoint(InstanceMetadataEndpointState::Enabled)
                .http_tokens(HttpTokensState::Required)
                .http_put_response_hop_limit(1)
                .build(),
        )
        .set_placement(wish.zone.as_ref().map(|zone| Placement::builder().availability_zone(zone).build()))
        .set_instance_market_options(wish.spot_price.as_deref().map(spot))
        .set_block_device_mappings(wish.is_default_image.then(|| vec![disk(settings.disk_gib)]))
        .set_tag_specifications(Some(tagged.collect()));
    with_network(request, wish)
}

/// Returns the client token of a machine: 64 characters, the most that EC2 takes.
pub(crate) fn token(settings: &Settings, account: &str, id: &ResourceId) -> String {
    hex::encode(Sha256::digest(format!("{}\n{account}\n{id}", settings.engine)))
}

fn with_network(request: RunInstancesInputBuilder, wish: &Wish) -> RunInstancesInputBuilder {
    let groups = (!wish.group_ids.is_empty()).then(|| wish.group_ids.clone());
    let names = (!wish.group_names.is_empty()).then(|| wish.group_names.clone());
    let Some(public) = wish.has_public_address else {
        return request
            .set_subnet_id(wish.subnet.clone())
            .set_security_group_ids(groups)
            .set_security_groups(names);
    };
    // EC2 takes the address only of an interface, which then has the subnet and the groups too.
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .associate_public_ip_address(public)
        .delete_on_termination(true)
        .set_subnet_id(wish.subnet.clone())
        .set_groups(groups)
        .build();
    request.network_interfaces(interface)
}

fn profile(name_or_arn: &str) -> IamInstanceProfileSpecification {
    let profile = IamInstanceProfileSpecification::builder();
    let is_arn = name_or_arn.starts_with("arn:");
    if is_arn { profile.arn(name_or_arn).build() } else { profile.name(name_or_arn).build() }
}

fn spot(price: &str) -> InstanceMarketOptionsRequest {
    let options = SpotMarketOptions::builder()
        .max_price(price)
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .build();
    InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(options).build()
}

fn disk(gib: i32) -> BlockDeviceMapping {
    let disk = EbsBlockDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(gib)
        .encrypted(true)
        .delete_on_termination(true)
        .build();
    BlockDeviceMapping::builder().device_name(ROOT_DISK).ebs(disk).build()
}

/// Returns the tags of a machine: those that identify it, and those of its pipeline.
fn tags(settings: &Settings, account: &str, resource: &Resource) -> Vec<Tag> {
    let id = &resource.id;
    let (attempt, rest) = split(id.attempt.as_str());
    let mut pairs = vec![
        (ENGINE_TAG, settings.engine.as_str()),
        (ACCOUNT_TAG, account),
        (PIPELINE_TAG, id.pipeline.as_str()),
        (ATTEMPT_TAG, attempt),
    ];
    if !rest.is_empty() {
        pairs.push((REST_TAG, rest));
    }
    let of_pipeline = resource.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
    // EC2 refuses keys that begin with `aws:`.
    let may_be = |key: &str| !key.starts_with(OWN_TAGS) && !key.to_ascii_lowercase().starts_with("aws:");
    pairs.extend(of_pipeline.filter(|(key, _)| may_be(key)));
    let name = format!("{} {}", settings.engine, id);
    if !pairs.iter().any(|(key, _)| *key == "Name") {
        pairs.push(("Name", split(&name).0));
    }
    pairs.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Cuts a text into the part that fits into a tag, and the rest.
fn split(text: &str) -> (&str, &str) {
    let at = text.char_indices().nth(TAG_LENGTH).map_or(text.len(), |(at, _)| at);
    text.split_at(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{resource, settings};
    use crate::view::id_of_tags;
    use crate::wish;

    fn built(fields: &[(&'static str, &str)], attempt: u32) -> RunInstancesInput {
        let (settings, resource) = (settings("t"), resource("Box", attempt, fields));
        let wish = wish::read(&settings, &resource.object, attempt).expect("is a wish");
        request(&settings, "123456789012", &wish, &resource).build().expect("is whole")
    }

    #[test]
    fn a_plain_resource_becomes_a_machine_of_the_server() {
        insta::assert_debug_snapshot!(built(&[], 1));
    }

    #[test]
    fn every_field_of_a_resource_reaches_the_request() {
        let fields = [
            ("imageId", "ami-2"),
            ("instanceType", "c7i.large"),
            ("keyPair", "ada"),
            ("availabilityZone", "us-east-1b"),
            ("subnetId", "subnet-9"),
            ("securityGroupIds", "sg-1"),
            ("securityGroupIds", "sg-2"),
            ("associatePublicIpAddress", "true"),
            ("spotBidPrice", "0.05"),
            ("runAsUser", "ec2-user"),
        ];
        insta::assert_debug_snapshot!(built(&fields, 1));
    }

    #[test]
    fn the_script_installs_the_worker_for_the_group_of_the_machine() {
        let data = built(&[("runAsUser", "ec2-user")], 1).user_data.expect("has a script");
        let script = String::from_utf8(BASE64.decode(data).expect("is base64")).expect("is text");
        insta::assert_snapshot!(script);
    }

    #[test]
    fn the_token_is_that_of_the_attempt_whatever_the_machine_is_like() {
        let token = |fields, attempt| built(fields, attempt).client_token.expect("has a token");
        assert_eq!(token(&[], 1), token(&[("imageId", "ami-2")], 1));
        assert_ne!(token(&[], 1), token(&[], 2));
        assert_eq!(token(&[], 1).len(), 64);
        let id = resource("Box", 1, &[]).id;
        let tokens = ["a", "b"].map(|engine| super::token(&settings(engine), "123456789012", &id));
        assert_ne!(tokens[0], tokens[1]);
        assert_ne!(super::token(&settings("a"), "000000000000", &id), tokens[0]);
    }

    #[test]
    fn the_tags_give_the_attempt_back_however_long_it_is() {
        for name in ["Box".to_owned(), "é".repeat(300), "x".repeat(255)] {
            let mut wanted = resource(&name, 1, &[]);
            let tag = |key: &str| server::host::Tag { key: key.to_owned(), value: "v".to_owned() };
            wanted.tags = vec![tag("team"), tag("aws:x"), tag("downspout:engine"), tag("Name")];
            let tags = tags(&settings("t"), "123456789012", &wanted);
            assert_eq!(id_of_tags(&tags), Some(wanted.id));
            let long = tags.iter().filter(|tag| tag.value().is_some_and(|it| it.chars().count() > 256));
            assert_eq!(long.count(), 0);
            let keys: Vec<_> = tags.iter().filter_map(Tag::key).collect();
            assert_eq!(keys.iter().filter(|key| **key == "Name" || **key == "team").count(), 2, "{keys:?}");
            assert_eq!(
                keys.iter().filter(|key| **key == ENGINE_TAG || **key == "aws:x").count(),
                1,
                "{keys:?}"
            );
        }
    }
}
