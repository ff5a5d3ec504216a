//! Passwords of databases that a definition names by a secret in AWS (`myPasswordSecret`).
//!
//! The worker reads a secret for each task, so a changed password counts from the next task on. The password goes into the
//! objects of the task and nowhere else: no message quotes the content of a secret.

mod call;

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use definition::kind::secret_reference::{MY_PASSWORD_SECRET, SecretReference, SecretStore};
use definition::{Field, PipelineObject};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use self::call::{Call, CallError};
use crate::failure::Failure;
use crate::reader::{component, problem};

/// How often a secret is asked for, if its service does not answer.
const TRIES: u32 = 5;
/// The pause after the first try. Each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

/// Secrets Manager and the parameters of Systems Manager, for one worker.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    config: Arc<OnceCell<SdkConfig>>,
}

/// The content of a secret: a password, and perhaps its user.
struct Login {
    username: Option<String>,
    password: String,
}

impl Secrets {
    /// Returns the services with the region, the credentials and the endpoint of `config`.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { config: Arc::new(OnceCell::new_with(Some(config.clone()))) }
    }

    /// Returns the services with the settings of the environment, which are read before the first call.
    #[must_use]
    pub fn from_env() -> Self {
        Self::default()
    }

    /// Puts the passwords of the named secrets into the objects.
    ///
    /// # Errors
    ///
    /// If a secret cannot be read. The message names the object, the field and the secret.
    pub(crate) async fn resolve<K: Eq + Hash>(
        &self,
        objects: &mut HashMap<K, PipelineObject>,
    ) -> Result<(), Failure> {
        for object in objects.values_mut() {
            // A parameter without a value is the empty text.
            let named = object.string(MY_PASSWORD_SECRET).filter(|name| !name.trim().is_empty());
            let Some(named) = named else { continue };
            let reference = SecretReference::read(named).ok_or_else(|| {
                problem(
                    object,
                    MY_PASSWORD_SECRET,
                    "names no secret; write secretsmanager:NAME, ssm:NAME or an ARN",
                )
            })?;
            let login = self.login(&reference).await.map_err(|mut failure| {
                let message = failure.message;
                failure.message =
                    format!("object `{}`, field `{MY_PASSWORD_SECRET}`: {message}", component(object));
                failure
            })?;
            // The user of the secret wins, because the password is this user's.
            object.fields.retain(|field| {
                let key = field.key.as_str();
                !matches!(key, "*password" | "password") && (key != "username" || login.username.is_none())
            });
            object.fields.extend(login.username.map(|user| Field::string("username", &user)));
            object.fields.push(Field::string("*password", &login.password));
        }
        Ok(())
    }

    async fn login(&self, reference: &SecretReference) -> Result<Login, Failure> {
        let config = self
            .config
            .get_or_init(|| async {
                aws_config::defaults(aws_config::BehaviorVersion::latest()).load().await
            })
            .await;
        let own_region = config.region().map(ToString::to_string);
        let Some(region) = reference.region.clone().or(own_region) else {
            let message = "the worker has no region in which it could look for the secret: set AWS_REGION";
            return Err(Failure::new("Secret:NoRegion", message));
        };
        let call = call(reference, region);
        let mut pause = PAUSE;
        for again in (0..TRIES).rev() {
            match call.send(config).await {
                Ok(answer) => return content(reference, &answer),
                Err(error) if again > 0 && error.may_retry() => {
                    tracing::warn!(error = %error, "a secret cannot be read, trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(refused(reference, &call.region, &error)),
            }
        }
        Err(Failure::internal("a secret was asked for too often"))
    }
}

fn call(reference: &SecretReference, region: String) -> Call {
    let id = &reference.id;
    match reference.store {
        SecretStore::SecretsManager => Call {
            service: "secretsmanager",
            target: "secretsmanager.GetSecretValue",
            endpoint_variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            region,
            request: json!({"SecretId": id}),
        },
        SecretStore::ParameterStore => Call {
            service: "ssm",
            target: "AmazonSSM.GetParameter",
            endpoint_variable: "AWS_ENDPOINT_URL_SSM",
            region,
            request: json!({"Name": id, "WithDecryption": true}),
        },
    }
}

/// Returns the name of a store, and the name of a thing in it, for messages.
fn words(store: SecretStore) -> (&'static str, &'static str) {
    match store {
        SecretStore::SecretsManager => ("Secrets Manager", "secret"),
        SecretStore::ParameterStore => ("Systems Manager", "parameter"),
    }
}

/// Returns the login in the answer of a store.
fn content(reference: &SecretReference, answer: &Value) -> Result<Login, Failure> {
    let text = match reference.store {
        SecretStore::SecretsManager => answer.get("SecretString"),
        SecretStore::ParameterStore => answer.get("Parameter").and_then(|parameter| parameter.get("Value")),
    };
    let read = text.and_then(Value::as_str).map_or(Err("has no text; the worker reads no bytes"), login);
    read.map_err(|what| {
        let (_, kind) = words(reference.store);
        Failure::bad_input("Secret", format!("the {kind} `{}` {what}", reference.id))
    })
}

/// Reads the text of a secret: the password itself, or JSON as Secrets Manager keeps it for databases.
fn login(text: &str) -> Result<Login, &'static str> {
    // A secret that was stored from a file ends with the end of a line.
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => {
            let field = |key: &str| fields.get(key).and_then(Value::as_str).and_then(filled);
            let password = field("password").ok_or("is JSON without a text `password`")?;
            Ok(Login { username: field("username"), password })
        }
        _ => Ok(Login { username: None, password: filled(text).ok_or("is empty")? }),
    }
}

fn refused(reference: &SecretReference, region: &str, error: &CallError) -> Failure {
    let (store, kind) = words(reference.store);
    let id = &reference.id;
    match error {
        CallError::Unreachable(_) => Failure::new(
            "Secret:Unavailable",
            format!("{store} does not answer, so the {kind} `{id}` is unknown: {error}"),
        ),
        CallError::Refused { code, .. } => match code.as_str() {
            "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => {
                Failure::bad_input("NoSuchSecret", format!("{store} has no {kind} `{id}` in {region}"))
            }
            "AccessDeniedException" | "AccessDenied" => Failure::new(
                "Secret:AccessDenied",
                format!("the worker may not read the {kind} `{id}`: {error}"),
            ),
            _ => {
                Failure::new(format!("Secret:{code}"), format!("{store} refuses the {kind} `{id}`: {error}"))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Option<String>, String), &'static str> {
        login(text).map(|login| (login.username, login.password))
    }

    #[test]
    fn a_secret_is_the_password_or_the_json_of_a_login() {
        assert_eq!(read("hush"), Ok((None, "hush".to_owned())));
        assert_eq!(read("hush\r\n"), Ok((None, "hush".to_owned())));
        assert_eq!(read("12345"), Ok((None, "12345".to_owned())));
        assert_eq!(read("{hush"), Ok((None, "{hush".to_owned())));
        let managed = r#"{"username": "loader", "password": "hush", "host": "h"}"#;
        assert_eq!(read(managed), Ok((Some("loader".to_owned()), "hush".to_owned())));
        assert_eq!(read(r#"{"password": "hush"}"#), Ok((None, "hush".to_owned())));
    }

    #[test]
    fn a_secret_without_a_password_is_refused_without_its_content() {
        assert_eq!(read(""), Err("is empty"));
        assert_eq!(read(r#"{"token": "hush"}"#), Err("is JSON without a text `password`"));
        assert_eq!(read(r#"{"password": 1}"#), Err("is JSON without a text `password`"));
    }

    #[test]
    fn a_refusal_says_which_secret_and_why() {
        let reference = SecretReference::read("ssm:/db").expect("a name");
        let refused = |code: &str| {
            let error =
                CallError::Refused { code: code.to_owned(), message: "because".to_owned(), may_retry: false };
            let failure = refused(&reference, "us-east-1", &error);
            format!("{} {}", failure.id, failure.message)
        };
        assert_eq!(
            refused("ParameterNotFound"),
            "BadInput:NoSuchSecret Systems Manager has no parameter `/db` in us-east-1"
        );
        assert_eq!(
            refused("AccessDeniedException"),
            "Secret:AccessDenied the worker may not read the parameter `/db`: AccessDeniedException: because"
        );
        assert_eq!(
            refused("InvalidKeyId"),
            "Secret:InvalidKeyId Systems Manager refuses the parameter `/db`: InvalidKeyId: because"
        );
    }
}
