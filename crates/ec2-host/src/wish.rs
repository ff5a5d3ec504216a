//! The wish of a resource: its fields, read and checked against the settings of the host.

use definition::PipelineObject;
use definition::kind::field::{ASSOCIATE_PUBLIC_IP_ADDRESS, FieldError, MAXIMUM_RETRIES, ON_DEMAND_AT_LAST};

use crate::settings::{Settings, is_plain};

/// The machine that a resource asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) region: String,
    pub(crate) image: String,
    /// Whether the image is the default one, whose disk the host knows.
    pub(crate) is_default_image: bool,
    pub(crate) instance_type: String,
    pub(crate) zone: Option<String>,
    pub(crate) subnet: Option<String>,
    /// The security groups by id.
    pub(crate) group_ids: Vec<String>,
    /// The security groups by name. Names work only outside of a VPC and in a default VPC.
    pub(crate) group_names: Vec<String>,
    pub(crate) has_public_address: Option<bool>,
    pub(crate) key_pair: Option<String>,
    /// The highest price of a spot machine; `None` for an on-demand machine.
    pub(crate) spot_price: Option<String>,
    pub(crate) run_as: Option<String>,
}

/// Reads the wish of attempt number `attempt` (1 is the first) from the evaluated fields of the resource.
///
/// # Errors
///
/// All problems, each with its field.
pub(crate) fn read(
    settings: &Settings,
    object: &PipelineObject,
    attempt: u32,
) -> Result<Wish, Vec<FieldError>> {
    let mut problems = Problems { object, found: Vec::new() };
    let text = |key: &str| object.string(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let texts = |key: &'static str| object.strings(key).map(str::to_owned).collect::<Vec<_>>();
    let region = text("region").unwrap_or_else(|| settings.regions[0].clone());
    let is_home = region == settings.regions[0];
    problems.check_region(settings, &region);
    if object.references("httpProxy").next().is_some() {
        problems.note("httpProxy", "the machines of this server use no proxy".to_owned());
    }
    let run_as = text("runAsUser");
    if run_as.as_ref().is_some_and(|user| !is_plain(user) || user.starts_with('-')) {
        problems
            .note("runAsUser", "it must be the name of a user, of letters, digits, -, . and _".to_owned());
    }
    let id_fits = |letter: char| letter != ',' && !letter.is_control();
    if !object.id.as_str().chars().all(id_fits) {
        problems.note("id", "the id of a resource must have no comma and no control character".to_owned());
    }
    let zone = text("availabilityZone");
    let subnet = text("subnetId").or_else(|| subnet(settings, zone.as_deref(), attempt, is_home));
    if is_home && subnet.is_none() && zone.is_some() && !settings.subnets.is_empty() {
        let zones: Vec<_> = settings.subnets.iter().map(|subnet| subnet.zone.as_str()).collect();
        let zones = zones.join(", ");
        problems.note(
            "availabilityZone",
            format!("the server has subnets in {zones} only; name another one in subnetId"),
        );
    }
    let (mut group_ids, group_names) = (texts("securityGroupIds"), texts("securityGroups"));
    if group_ids.is_empty() && group_names.is_empty() && is_home {
        group_ids.clone_from(&settings.security_groups);
    }
    let has_public_address = problems.take(ASSOCIATE_PUBLIC_IP_ADDRESS.of(object)).flatten();
    if !group_names.is_empty() && (subnet.is_some() || has_public_address.is_some()) {
        problems
            .note("securityGroups", "names are no use in a VPC; write ids into securityGroupIds".to_owned());
    }
    let is_last = attempt > problems.take(MAXIMUM_RETRIES.of(object)).unwrap_or_default();
    let on_demand_at_last = problems.take(ON_DEMAND_AT_LAST.of(object)).flatten() == Some(true);
    let wish = Wish {
        image: text("imageId").unwrap_or_else(|| settings.image.clone()),
        is_default_image: text("imageId").is_none(),
        instance_type: text("instanceType").unwrap_or_else(|| settings.instance_type.clone()),
        region,
        zone,
        subnet,
        group_ids,
        group_names,
        has_public_address,
        key_pair: text("keyPair"),
        spot_price: text("spotBidPrice").filter(|_| !(on_demand_at_last && is_last)),
        run_as,
    };
    if problems.found.is_empty() { Ok(wish) } else { Err(problems.found) }
}

/// Returns the subnet of the server in which the machine starts. Without a zone, each attempt takes the next subnet, because
/// the zone of the last one may have no machines left. The same attempt always takes the same subnet: EC2 takes a request in
/// another zone for another request.
fn subnet(settings: &Settings, zone: Option<&str>, attempt: u32, is_home: bool) -> Option<String> {
    let fits = |subnet: &&crate::settings::Subnet| zone.is_none_or(|zone| subnet.zone == zone);
    let fitting: Vec<_> = settings.subnets.iter().filter(|_| is_home).filter(fits).collect();
    let number = usize::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    Some(fitting.get(number.checked_rem(fitting.len())?)?.id.clone())
}

struct Problems<'a> {
    object: &'a PipelineObject,
    found: Vec<FieldError>,
}

impl Problems<'_> {
    fn note(&mut self, field: &'static str, reason: String) {
        self.found.push(FieldError { object: self.object.id.clone(), field, reason });
    }

    /// Notes that the server has no machines in the region, or lacks the settings that a machine there needs.
    fn check_region(&mut self, settings: &Settings, region: &str) {
        if !settings.regions.iter().any(|own| own == region) {
            let regions = settings.regions.join(", ");
            let reason = format!("the server starts machines in {regions} only; see its setting ec2-regions");
            return self.note("region", reason);
        }
        let lacking = ["imageId", "subnetId", "securityGroupIds"].into_iter();
        for key in lacking.filter(|key| region != settings.regions[0] && self.object.string(key).is_none()) {
            self.note(
                key,
                format!("the server has none of its own for {region}, so the resource must name one"),
            );
        }
    }

    fn take<T>(&mut self, read: Result<T, FieldError>) -> Option<T> {
        read.map_err(|error| self.found.push(error)).ok()
    }
}

#[cfg(test)]
mod tests {
    use definition::Field;

    use super::*;
    use crate::tests::settings;

    fn object(fields: &[(&'static str, &str)]) -> PipelineObject {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        PipelineObject { id: "Box".into(), name: "Box".to_owned(), fields }
    }

    fn wish(fields: &[(&'static str, &str)], attempt: u32) -> Wish {
        read(&settings("t"), &object(fields), attempt).expect("is a wish")
    }

    fn problems(object: &PipelineObject) -> Vec<&'static str> {
        let problems = read(&settings("t"), object, 1).expect_err("has problems");
        problems.iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn what_a_resource_does_not_say_comes_from_the_settings() {
        let wish = wish(&[], 1);
        assert_eq!((wish.image.as_str(), wish.is_default_image), ("ami-default", true));
        assert_eq!(wish.region, "us-east-1");
        assert_eq!(wish.subnet.as_deref(), Some("subnet-a"));
        assert_eq!(wish.group_ids, ["sg-default"]);
    }

    #[test]
    fn each_attempt_tries_the_next_zone_unless_one_is_named() {
        let subnet = |fields, attempt| wish(fields, attempt).subnet.expect("has one");
        assert_eq!([1, 2, 3].map(|attempt| subnet(&[], attempt)), ["subnet-a", "subnet-b", "subnet-a"]);
        let named = [("availabilityZone", "us-east-1b")];
        assert_eq!([1, 2].map(|attempt| subnet(&named, attempt)), ["subnet-b", "subnet-b"]);
        assert_eq!(subnet(&[("subnetId", "subnet-z")], 1), "subnet-z");
    }

    #[test]
    fn the_last_attempt_is_on_demand_if_the_resource_says_so() {
        let price = |fields: &[(&'static str, &str)], attempt| wish(fields, attempt).spot_price;
        let at_last =
            [("spotBidPrice", "0.05"), ("useOnDemandOnLastAttempt", "true"), ("maximumRetries", "1")];
        assert_eq!(price(&at_last, 1).as_deref(), Some("0.05"));
        assert_eq!(price(&at_last, 2), None);
        assert_eq!(price(&at_last[..1], 9).as_deref(), Some("0.05"));
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_refused_with_its_field() {
        assert_eq!(problems(&object(&[("region", "mars-1")])), ["region"]);
        let abroad = [("region", "eu-west-1"), ("imageId", "ami-2")];
        assert_eq!(problems(&object(&abroad)), ["subnetId", "securityGroupIds"]);
        assert_eq!(problems(&object(&[("availabilityZone", "us-east-1c")])), ["availabilityZone"]);
        assert_eq!(problems(&object(&[("securityGroups", "default")])), ["securityGroups"]);
        assert_eq!(problems(&object(&[("runAsUser", "a\nUser=root")])), ["runAsUser"]);
        assert_eq!(problems(&object(&[("associatePublicIpAddress", "yes")])), ["associatePublicIpAddress"]);
        let mut proxied = object(&[]);
        proxied.fields.push(Field::reference("httpProxy", "Proxy"));
        assert_eq!(problems(&proxied), ["httpProxy"]);
        let comma = PipelineObject { id: "a,b".into(), ..object(&[]) };
        assert_eq!(problems(&comma), ["id"]);
    }
}
