//! The name of a secret that a store outside of the definition keeps.

/// The own field of a database that names the secret with its password.
pub const MY_PASSWORD_SECRET: &str = "myPasswordSecret";

/// A service of AWS that keeps secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretStore {
    /// Secrets Manager.
    SecretsManager,
    /// The parameters of Systems Manager.
    ParameterStore,
}

/// A secret that a definition names. It is never the secret itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    /// The service that keeps the secret.
    pub store: SecretStore,
    /// The name or the ARN of the secret in its store.
    pub id: String,
    /// The region of the store, which only an ARN tells.
    pub region: Option<String>,
}

impl SecretReference {
    /// Reads `secretsmanager:NAME`, `ssm:NAME`, or the ARN of a secret or of a parameter. Returns `None` for any other text.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (service, name) = text.split_once(':')?;
        let (service, resource, id, region) = match service {
            "arn" => {
                let parts: Vec<&str> = name.splitn(5, ':').collect();
                let &[_, service, region, _, resource] = parts.as_slice() else { return None };
                let kind = if service == "ssm" { "parameter/" } else { "secret:" };
                let name = resource.strip_prefix(kind).filter(|_| !region.is_empty())?;
                (service, name, text, Some(region.to_owned()))
            }
            _ => (service, name, name, None),
        };
        let store = match service {
            "secretsmanager" => SecretStore::SecretsManager,
            "ssm" => SecretStore::ParameterStore,
            _ => return None,
        };
        // RDS names the secrets of the passwords that it manages with `!`, such as rds!db-1.
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-:!".contains(c);
        let is_name = !resource.is_empty() && resource.chars().all(is_of_a_name);
        is_name.then(|| Self { store, id: id.to_owned(), region })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_its_service_or_by_its_arn() {
        let read = |text: &str| SecretReference::read(text).map(|it| (it.store, it.id, it.region));
        let named =
            |store, id: &str, region: Option<&str>| Some((store, id.to_owned(), region.map(str::to_owned)));
        use SecretStore::{ParameterStore, SecretsManager};
        assert_eq!(read("secretsmanager:prod/db"), named(SecretsManager, "prod/db", None));
        assert_eq!(read(" ssm:/prod/db:3 "), named(ParameterStore, "/prod/db:3", None));
        let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf";
        assert_eq!(read(secret), named(SecretsManager, secret, Some("eu-west-1")));
        let parameter = "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/prod/db";
        assert_eq!(read(parameter), named(ParameterStore, parameter, Some("cn-north-1")));
    }

    #[test]
    fn other_texts_name_no_secret() {
        for text in [
            "",
            "hush",
            "secretsmanager:",
            "ssm:a b",
            "vault:db",
            "arn:aws:s3:::bucket/key",
            "arn:aws:ssm:us-east-1:123456789012:secret:db",
            "arn:aws:secretsmanager::123456789012:secret:db",
        ] {
            assert_eq!(SecretReference::read(text), None, "{text}");
        }
    }
}
