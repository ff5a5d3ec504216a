//! The settings of machines for `Ec2Resource`, and the host that they make.
//!
//! The settings exist in every build, so that a program without the feature `ec2` can say that it lacks it.

use aws_config::SdkConfig;
use clap::Args;
use server::host::HostOfAccount;

/// The settings as texts.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Machines of EC2 for the type Ec2Resource")]
pub(super) struct Ec2Settings {
    /// Name of this engine, which its machines carry as the tag `downspout:engine`. The server ends machines with this tag
    /// that no run wants, so no other engine may have the same name
    #[arg(long, value_name = "NAME", env = "DOWNSPOUT_EC2_TAG")]
    ec2_tag: Option<String>,
    /// The program ec2-worker in S3, which machines install
    #[arg(long, value_name = "s3://BUCKET/KEY", env = "DOWNSPOUT_EC2_WORKER")]
    ec2_worker: Option<String>,
    /// Checksum of the program
    #[arg(long, value_name = "HEX", env = "DOWNSPOUT_EC2_WORKER_SHA256")]
    ec2_worker_sha256: Option<String>,
    /// Instance profile of the machines, by its name or ARN. It takes the place of `resourceRole`
    #[arg(long, value_name = "NAME", env = "DOWNSPOUT_EC2_INSTANCE_PROFILE")]
    ec2_instance_profile: Option<String>,
    /// Image of machines whose resource names none: one with systemd and the AWS CLI, such as Amazon Linux 2023
    #[arg(long, value_name = "AMI", env = "DOWNSPOUT_EC2_IMAGE")]
    ec2_image: Option<String>,
    /// Type of machines whose resource names none [default: t3.small]
    #[arg(long, value_name = "TYPE", env = "DOWNSPOUT_EC2_INSTANCE_TYPE")]
    ec2_instance_type: Option<String>,
    /// Disk of machines whose resource names no image, in GiB [default: 20]
    #[arg(long, value_name = "NUMBER", env = "DOWNSPOUT_EC2_DISK_GIB")]
    ec2_disk_gib: Option<String>,
    /// Subnets of machines whose resource names none, separated by commas. Each attempt at a resource takes the next one
    #[arg(long, value_name = "ZONE=SUBNET,...", env = "DOWNSPOUT_EC2_SUBNETS")]
    ec2_subnets: Option<String>,
    /// Security groups of machines whose resource names none, separated by commas
    #[arg(long, value_name = "GROUP,...", env = "DOWNSPOUT_EC2_SECURITY_GROUPS")]
    ec2_security_groups: Option<String>,
    /// Address of this server for its machines
    #[arg(long, value_name = "URL", env = "DOWNSPOUT_EC2_ENDPOINT")]
    ec2_endpoint: Option<String>,
    /// Further regions in which resources may want machines, separated by commas
    #[arg(long, value_name = "REGION,...", env = "DOWNSPOUT_EC2_REGIONS")]
    ec2_regions: Option<String>,
    /// Addresses of the instances of RDS that definitions name, which the machines reach, separated by commas
    #[arg(long, value_name = "ID=HOST:PORT,...", env = "DOWNSPOUT_EC2_RDS_INSTANCES")]
    ec2_rds_instances: Option<String>,
    /// Certificate in PEM of a further authority that the machines trust, such as the one that has issued this server's
    /// certificate
    #[arg(long, value_name = "FILE", env = "DOWNSPOUT_EC2_AUTHORITY")]
    ec2_authority: Option<String>,
}

impl Ec2Settings {
    /// Returns the setting of this name in the file of settings.
    pub(super) fn named(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "ec2-tag" => &mut self.ec2_tag,
            "ec2-worker" => &mut self.ec2_worker,
            "ec2-worker-sha256" => &mut self.ec2_worker_sha256,
            "ec2-instance-profile" => &mut self.ec2_instance_profile,
            "ec2-image" => &mut self.ec2_image,
            "ec2-instance-type" => &mut self.ec2_instance_type,
            "ec2-disk-gib" => &mut self.ec2_disk_gib,
            "ec2-subnets" => &mut self.ec2_subnets,
            "ec2-security-groups" => &mut self.ec2_security_groups,
            "ec2-endpoint" => &mut self.ec2_endpoint,
            "ec2-regions" => &mut self.ec2_regions,
            "ec2-rds-instances" => &mut self.ec2_rds_instances,
            "ec2-authority" => &mut self.ec2_authority,
            _ => return None,
        })
    }

    /// Returns these settings, with those of `other` where one is missing.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            ec2_tag: self.ec2_tag.or(other.ec2_tag),
            ec2_worker: self.ec2_worker.or(other.ec2_worker),
            ec2_worker_sha256: self.ec2_worker_sha256.or(other.ec2_worker_sha256),
            ec2_instance_profile: self.ec2_instance_profile.or(other.ec2_instance_profile),
            ec2_image: self.ec2_image.or(other.ec2_image),
            ec2_instance_type: self.ec2_instance_type.or(other.ec2_instance_type),
            ec2_disk_gib: self.ec2_disk_gib.or(other.ec2_disk_gib),
            ec2_subnets: self.ec2_subnets.or(other.ec2_subnets),
            ec2_security_groups: self.ec2_security_groups.or(other.ec2_security_groups),
            ec2_endpoint: self.ec2_endpoint.or(other.ec2_endpoint),
            ec2_regions: self.ec2_regions.or(other.ec2_regions),
            ec2_rds_instances: self.ec2_rds_instances.or(other.ec2_rds_instances),
            ec2_authority: self.ec2_authority.or(other.ec2_authority),
        }
    }
}

#[cfg(any(test, not(feature = "ec2")))]
impl Ec2Settings {
    /// Refuses the settings if any is given, as a program does that was built without machines of EC2.
    fn refuse(mut self) -> Result<(), Vec<String>> {
        let names = [
            "ec2-tag",
            "ec2-worker",
            "ec2-worker-sha256",
            "ec2-instance-profile",
            "ec2-image",
            "ec2-instance-type",
            "ec2-disk-gib",
            "ec2-subnets",
            "ec2-security-groups",
            "ec2-endpoint",
            "ec2-regions",
            "ec2-rds-instances",
            "ec2-authority",
        ];
        let given = names.into_iter().find(|name| self.named(name).is_some_and(|it| it.is_some()));
        let refusal = |name| {
            vec![format!(
                "{name}: this program was built without machines of EC2; build it with `--features ec2`"
            )]
        };
        given.map_or(Ok(()), |name| Err(refusal(name)))
    }
}

/// The settings after their check; `None` if the server starts no machines.
pub(super) use build::Checked;

#[cfg(feature = "ec2")]
mod build {
    use std::sync::Arc;

    use ec2_host::{Given, Settings};
    use ec2_worker::RdsInstances;

    use super::{Ec2Settings, HostOfAccount, SdkConfig};
    use crate::local::process_host::hindrances;

    /// The settings after their check.
    #[derive(Clone, Debug)]
    pub(in super::super) struct Checked {
        settings: Settings,
        rds: RdsInstances,
    }

    impl Ec2Settings {
        /// Checks the settings of a server in `region`. The error lists all problems, each with its setting.
        pub(in super::super) fn check(self, region: &str) -> Result<Option<Checked>, Vec<String>> {
            let addresses = self.ec2_rds_instances.clone().unwrap_or_default();
            let given = Given {
                tag: self.ec2_tag,
                worker: self.ec2_worker,
                worker_sha256: self.ec2_worker_sha256,
                instance_profile: self.ec2_instance_profile,
                image: self.ec2_image,
                instance_type: self.ec2_instance_type,
                disk_gib: self.ec2_disk_gib,
                subnets: self.ec2_subnets,
                security_groups: self.ec2_security_groups,
                endpoint: self.ec2_endpoint,
                regions: self.ec2_regions,
                rds_instances: self.ec2_rds_instances,
                authority: self.ec2_authority,
            };
            let problem = |(setting, problem)| format!("ec2-{setting}: {problem}");
            let checked = given.check(region);
            let checked =
                checked.map_err(|problems| problems.into_iter().map(problem).collect::<Vec<_>>())?;
            let addresses = addresses.split(',').map(str::trim).filter(|text| !text.is_empty());
            let rds: Result<Vec<ec2_worker::RdsInstance>, _> = addresses.map(str::parse).collect();
            let rds = rds.map_err(|error| vec![format!("ec2-rds-instances: {error}")])?;
            Ok(checked.map(|settings| Checked { settings, rds: rds.into() }))
        }
    }

    impl Checked {
        /// Returns the host of machines for each account.
        pub(in super::super) fn hosts(self, aws: &SdkConfig) -> HostOfAccount {
            let rds = self.rds;
            ec2_host::hosts(self.settings, aws, Arc::new(move |work| hindrances(work, &rds)))
        }
    }
}

#[cfg(not(feature = "ec2"))]
mod build {
    use super::{Ec2Settings, HostOfAccount, SdkConfig};

    /// No value: this build starts no machines.
    #[derive(Clone, Debug)]
    pub(in super::super) enum Checked {}

    impl Ec2Settings {
        /// Refuses the settings if any is given.
        pub(in super::super) fn check(self, _region: &str) -> Result<Option<Checked>, Vec<String>> {
            self.refuse().map(|()| None)
        }
    }

    impl Checked {
        /// Cannot be called, since there is no value.
        pub(in super::super) fn hosts(self, _aws: &SdkConfig) -> HostOfAccount {
            match self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_machines_refuses_their_settings() {
        assert_eq!(Ec2Settings::default().refuse(), Ok(()));
        let mut given = Ec2Settings::default();
        *given.named("ec2-image").expect("there is such a setting") = Some("ami-1".to_owned());
        let problems = given.refuse().expect_err("is refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("ec2-image: this program was built without"), "{problems:?}");
    }
}
