//! The settings of the host: how machines are made, unless a resource says otherwise.

/// The instance type of a machine, unless a setting or the resource names one. AWS's own default, m1.small, does not exist in a VPC
/// with today's images.
const INSTANCE_TYPE: &str = "t3.small";
/// The disk of a machine in GiB, unless a setting says otherwise.
const DISK_GIB: i32 = 20;
/// The smallest disk in GiB: the image of Amazon Linux needs it.
const LEAST_DISK_GIB: i32 = 8;
/// The length of a SHA-256 in hexadecimal digits.
const SHA256_LENGTH: usize = 64;
/// The longest value of a tag.
const TAG_LENGTH: usize = 256;

/// The settings as texts, as a person gave them. A setting that is missing is `None` or blank, as an unset variable is in many
/// scripts. Empty entries of a list are left out.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The name of the engine, which its machines carry as a tag. It becomes `Settings::engine`.
    pub tag: Option<String>,
    /// The program `ec2-worker`: `s3://BUCKET/KEY`.
    pub worker: Option<String>,
    /// The SHA-256 of the program, in hexadecimal digits.
    pub worker_sha256: Option<String>,
    /// The name or ARN of the machines' instance profile.
    pub instance_profile: Option<String>,
    /// The image, `ami-…`.
    pub image: Option<String>,
    /// The instance type of a machine.
    pub instance_type: Option<String>,
    /// The disk of a machine in GiB.
    pub disk_gib: Option<String>,
    /// The subnets: `ZONE=SUBNET`, separated by commas.
    pub subnets: Option<String>,
    /// The security groups, by id, separated by commas.
    pub security_groups: Option<String>,
    /// The address of the server for the machines.
    pub endpoint: Option<String>,
    /// Further regions, separated by commas.
    pub regions: Option<String>,
    /// The addresses of instances of RDS: `ID=HOST:PORT`, separated by commas.
    pub rds_instances: Option<String>,
    /// The file (PEM) with the certificate of a certificate authority that machines trust in addition to the public authorities.
    /// `Settings::authority` is the content of this file.
    pub authority: Option<String>,
}

/// The settings after their check.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) engine: String,
    /// The region of the server, then the further ones.
    pub(crate) regions: Vec<String>,
    pub(crate) worker: String,
    pub(crate) worker_sha256: String,
    pub(crate) instance_profile: String,
    pub(crate) image: String,
    pub(crate) instance_type: String,
    pub(crate) disk_gib: i32,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) security_groups: Vec<String>,
    pub(crate) endpoint: String,
    pub(crate) rds_instances: String,
    /// The certificate of a further authority in PEM, or nothing.
    pub(crate) authority: String,
}

/// A subnet in which machines start, with its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) zone: String,
    pub(crate) id: String,
}

impl Given {
    /// Checks the settings of a server in `region`. Returns `None` if no setting is given: then the server starts no machines.
    ///
    /// # Errors
    ///
    /// All problems, each with the name of its setting without the prefix `ec2-`, such as `worker-sha256`. The caller adds the
    /// prefix.
    pub fn check(mut self, region: &str) -> Result<Option<Settings>, Vec<(&'static str, String)>> {
        for text in self.texts() {
            text.take_if(|text| text.trim().is_empty());
        }
        if self.texts().iter().all(|text| text.is_none()) {
            return Ok(None);
        }
        let mut problems = Problems::default();
        let mut check = |setting, text: Option<String>, expected, is_legal: fn(&str) -> bool| {
            problems.check(setting, text.unwrap_or_default(), expected, is_legal)
        };
        let engine = check("tag", self.tag, "a name of at most 256 characters", is_tag);
        let worker = check("worker", self.worker, "the S3 URI of ec2-worker, s3://BUCKET/KEY", is_s3_uri);
        let sha256 = self.worker_sha256.map(|text| text.to_ascii_lowercase());
        let expected = "the SHA-256 of ec2-worker, 64 hexadecimal digits";
        let worker_sha256 = check("worker-sha256", sha256, expected, is_sha256);
        let expected = "the name or ARN of an instance profile";
        let instance_profile = check("instance-profile", self.instance_profile, expected, is_graphic);
        let image = check("image", self.image, "the id of an image, ami-…", is_image);
        let instance_type = self.instance_type.or_else(|| Some(INSTANCE_TYPE.to_owned()));
        let instance_type =
            check("instance-type", instance_type, "a type of machines such as t3.small", is_plain);
        let expected = "the address of this server for its machines, http://… or https://…";
        let endpoint = check("endpoint", self.endpoint, expected, is_url);
        let disk_gib = problems.disk(self.disk_gib);
        let subnets = problems.subnets(self.subnets);
        let security_groups =
            problems.list("security-groups", self.security_groups, "a group, sg-…", is_group);
        let further = problems.list("regions", self.regions, "a region", is_plain);
        let rds = problems.list("rds-instances", self.rds_instances, "an address, ID=HOST:PORT", is_rds);
        let settings = Settings {
            engine,
            regions: std::iter::once(region.to_owned()).chain(further).collect(),
            worker,
            worker_sha256,
            instance_profile,
            image,
            instance_type,
            disk_gib,
            subnets,
            security_groups,
            endpoint,
            rds_instances: rds.join(","),
            authority: problems.authority(self.authority),
        };
        if problems.0.is_empty() { Ok(Some(settings)) } else { Err(problems.0) }
    }

    fn texts(&mut self) -> [&mut Option<String>; 13] {
        let Self { tag, worker, worker_sha256, instance_profile, image, instance_type, disk_gib, .. } = self;
        let Self { subnets, security_groups, endpoint, regions, rds_instances, authority, .. } = self;
        [
            tag,
            worker,
            worker_sha256,
            instance_profile,
            image,
            instance_type,
            disk_gib,
            subnets,
            security_groups,
            endpoint,
            regions,
            rds_instances,
            authority,
        ]
    }
}

/// The problems that were found so far, each with its setting.
#[derive(Default)]
struct Problems(Vec<(&'static str, String)>);

impl Problems {
    /// Returns the text, and notes a problem if it is missing or not legal.
    fn check(
        &mut self,
        setting: &'static str,
        text: String,
        expected: &str,
        is_legal: impl Fn(&str) -> bool,
    ) -> String {
        if text.is_empty() {
            self.0.push((setting, format!("missing, but needed for Ec2Resource: {expected}")));
        } else if !is_legal(&text) {
            self.0.push((setting, format!("{text:?} is not {expected}")));
        }
        text
    }

    /// Returns the texts that commas separate, and notes each that is not legal.
    fn list(
        &mut self,
        setting: &'static str,
        text: Option<String>,
        expected: &str,
        is_legal: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let text = text.unwrap_or_default();
        let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
        let texts: Vec<String> = texts.map(str::to_owned).collect();
        let wrong = texts.iter().filter(|text| !is_legal(text));
        self.0.extend(wrong.map(|text| (setting, format!("{text:?} is not {expected}"))));
        texts
    }

    fn disk(&mut self, text: Option<String>) -> i32 {
        let Some(text) = text else { return DISK_GIB };
        match text.parse() {
            Ok(gib) if gib >= LEAST_DISK_GIB => gib,
            _ => {
                let problem = format!("{text:?} is not a number of GiB, {LEAST_DISK_GIB} at least");
                self.0.push(("disk-gib", problem));
                DISK_GIB
            }
        }
    }

    /// Reads the certificates of a file. Each machine gets a copy of them.
    fn authority(&mut self, file: Option<String>) -> String {
        let Some(file) = file else { return String::new() };
        match std::fs::read_to_string(&file) {
            Ok(text) if is_certificate(&text) => return text,
            Ok(_) => self
                .0
                .push(("authority", format!("{file:?} must contain certificates in PEM and no private key"))),
            Err(error) => self.0.push(("authority", format!("reading {file:?}: {error}"))),
        }
        String::new()
    }

    fn subnets(&mut self, text: Option<String>) -> Vec<Subnet> {
        let subnet = |text: &str| {
            let (zone, id) = text.split_once('=')?;
            let is_legal = is_plain(zone) && id.starts_with("subnet-") && is_plain(id);
            is_legal.then(|| Subnet { zone: zone.to_owned(), id: id.to_owned() })
        };
        let texts = self
            .list("subnets", text, "a subnet with its zone, ZONE=subnet-…", |text| subnet(text).is_some());
        texts.iter().filter_map(|text| subnet(text)).collect()
    }
}

/// Returns whether a text is safe in a name, a shell script and a URL.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_tag(text: &str) -> bool {
    text.chars().count() <= TAG_LENGTH && !text.chars().any(char::is_control)
}

fn is_s3_uri(text: &str) -> bool {
    let is_key = |key: &str| {
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/=+@".contains(&byte);
        !key.is_empty() && key.bytes().all(is_safe)
    };
    let parts = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    parts.is_some_and(|(bucket, key)| is_plain(bucket) && is_key(key))
}

fn is_sha256(text: &str) -> bool {
    text.len() == SHA256_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_image(text: &str) -> bool {
    text.starts_with("ami-") && is_plain(text)
}

fn is_group(text: &str) -> bool {
    text.starts_with("sg-") && is_plain(text)
}

fn is_url(text: &str) -> bool {
    (text.starts_with("http://") || text.starts_with("https://")) && is_graphic(text)
}

/// Returns whether a text contains certificates and nothing else in PEM. A private key is refused, because every machine would
/// get the key in its user data.
fn is_certificate(text: &str) -> bool {
    let mut kinds = text.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN "));
    text.contains("-----BEGIN CERTIFICATE-----") && kinds.all(|kind| kind == "CERTIFICATE-----")
}

fn is_rds(text: &str) -> bool {
    let address = text.split_once('=');
    is_graphic(text) && address.is_some_and(|(id, address)| is_plain(id) && address.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Given {
        let text = |text: &str| Some(text.to_owned());
        Given {
            tag: text("downspout"),
            worker: text("s3://artifacts/ec2-worker/1"),
            worker_sha256: Some("AB".repeat(32)),
            instance_profile: text("downspout-worker"),
            image: text("ami-1"),
            endpoint: text("http://engine.downspout.internal:4567"),
            ..Given::default()
        }
    }

    #[test]
    fn without_any_setting_there_are_no_machines() {
        assert!(Given::default().check("us-east-1").expect("is right").is_none());
    }

    #[test]
    fn missing_settings_have_defaults() {
        let settings = whole().check("eu-west-1").expect("is right").expect("is set");
        assert_eq!((settings.instance_type.as_str(), settings.disk_gib), ("t3.small", 20));
        assert_eq!(settings.regions, ["eu-west-1"]);
        assert_eq!(settings.worker_sha256, "ab".repeat(32));
    }

    #[test]
    fn a_blank_setting_is_a_missing_one() {
        let blank = || Some(" ".to_owned());
        let given = Given { worker: Some(String::new()), authority: blank(), ..Given::default() };
        assert!(given.check("eu-west-1").expect("is right").is_none());
        let given = Given { instance_type: blank(), disk_gib: blank(), authority: blank(), ..whole() };
        let settings = given.check("eu-west-1").expect("is right").expect("is set");
        assert_eq!((settings.instance_type.as_str(), settings.disk_gib), ("t3.small", 20));
    }

    #[test]
    fn given_settings_are_kept() {
        let text = |text: &str| Some(text.to_owned());
        let given = Given {
            subnets: text("eu-west-1a=subnet-1, eu-west-1b=subnet-2"),
            regions: text("us-east-1"),
            disk_gib: text("50"),
            rds_instances: text("main=db.example:5432"),
            ..whole()
        };
        let settings = given.check("eu-west-1").expect("is right").expect("is set");
        assert_eq!(settings.regions, ["eu-west-1", "us-east-1"]);
        let second = Subnet { zone: "eu-west-1b".to_owned(), id: "subnet-2".to_owned() };
        assert_eq!((settings.subnets.get(1), settings.disk_gib), (Some(&second), 50));
        assert_eq!(settings.rds_instances, "main=db.example:5432");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let given = Given {
            worker: text("s3://artifacts/it's"),
            worker_sha256: text("ab"),
            image: text("latest"),
            disk_gib: text("4"),
            subnets: text("subnet-1"),
            security_groups: text("default"),
            endpoint: text("engine:4567"),
            regions: text("eu west"),
            rds_instances: text("main"),
            authority: text("/there/is/no/such/file"),
            ..Given::default()
        };
        let problems = given.check("us-east-1").expect_err("is wrong");
        let named: Vec<_> = problems.iter().map(|(setting, _)| *setting).collect();
        let expected = [
            "tag",
            "worker",
            "worker-sha256",
            "instance-profile",
            "image",
            "endpoint",
            "disk-gib",
            "subnets",
            "security-groups",
            "regions",
            "rds-instances",
            "authority",
        ];
        assert_eq!(named, expected, "{problems:?}");
        assert_eq!(problems[0].1, "missing, but needed for Ec2Resource: a name of at most 256 characters");
    }

    #[test]
    fn the_authority_is_a_certificate_without_its_key() {
        const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("authority.pem");
        let check = |text: &str| {
            std::fs::write(&file, text).expect("a file");
            Given { authority: file.to_str().map(str::to_owned), ..whole() }.check("us-east-1")
        };
        let settings = check(CERTIFICATE).expect("is right").expect("is set");
        assert_eq!(settings.authority, CERTIFICATE);
        let key = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";
        for wrong in ["", &format!("{CERTIFICATE}{key}")] {
            let problems = check(wrong).expect_err("is wrong");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].0, "authority");
        }
    }
}
