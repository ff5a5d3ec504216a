//! The addresses of the instances of RDS, which a definition names by their ids alone.
//!
//! On AWS, the service asks RDS for the address of an instance. Elsewhere, the user tells the worker the address.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::str::FromStr;

use definition::kind::Kind;
use definition::{Field, PipelineObject};

/// The port of PostgreSQL, for addresses without a port.
const USUAL_PORT: &str = "5432";

/// An instance of RDS and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdsInstance {
    id: String,
    /// The host and the port.
    address: String,
}

/// The reason why a text does not name an instance and its address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an instance with its address, such as orders-db=db.example.com:5432")]
pub struct ParseInstanceError(String);

impl FromStr for RdsInstance {
    type Err = ParseInstanceError;

    fn from_str(text: &str) -> Result<Self, ParseInstanceError> {
        let wrong = || ParseInstanceError(text.to_owned());
        let (id, address) = text.trim().split_once('=').ok_or_else(wrong)?;
        // An address of IPv6 is in brackets, so the last colon outside them begins the port.
        let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port),
            None => (address, USUAL_PORT),
        };
        let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ', ',']);
        if id.is_empty() || !is_host || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        Ok(Self { id: id.to_owned(), address: format!("{host}:{port}") })
    }
}

/// The instances that a worker knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdsInstances(Vec<RdsInstance>);

impl From<Vec<RdsInstance>> for RdsInstances {
    fn from(instances: Vec<RdsInstance>) -> Self {
        Self(instances)
    }
}

impl fmt::Display for RdsInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|it| format!("{}={}", it.id, it.address)).collect();
        f.write_str(&pairs.join(","))
    }
}

impl RdsInstances {
    /// Returns the objects, in which each `RdsDatabase` of a known instance has the `connectionString` of its address.
    #[must_use]
    pub fn located<'a, K: Clone + Eq + Hash>(
        &self,
        objects: &'a HashMap<K, PipelineObject>,
    ) -> Cow<'a, HashMap<K, PipelineObject>> {
        let mut located = Cow::Borrowed(objects);
        for (key, object) in objects {
            if let Some(url) = self.url(object)
                && let Some(object) = located.to_mut().get_mut(key)
            {
                object.fields.push(Field::string("connectionString", url));
            }
        }
        located
    }

    /// Returns the URL of an `RdsDatabase` that has none; `None` for other objects and for unknown instances.
    fn url(&self, object: &PipelineObject) -> Option<String> {
        let is_rds =
            Kind::of(object) == Some(Kind::RdsDatabase) && object.string("connectionString").is_none();
        let id = object.string("rdsInstanceId").filter(|_| is_rds)?;
        let instance = self.0.iter().find(|instance| instance.id == id)?;
        let name = object.string("databaseName").or_else(|| object.string("username")).unwrap_or_default();
        Some(format!("jdbc:postgresql://{}/{name}", instance.address))
    }
}

#[cfg(test)]
mod tests {
    use definition::{ObjectId, file};

    use super::*;

    #[test]
    fn an_instance_has_an_id_a_host_and_perhaps_a_port() {
        let shown =
            |text: &str| text.parse::<RdsInstance>().map(|it| format!("{}={}", it.id, it.address)).ok();
        assert_eq!(shown("orders-db=db.example.com").as_deref(), Some("orders-db=db.example.com:5432"));
        assert_eq!(shown("a=127.0.0.1:6432").as_deref(), Some("a=127.0.0.1:6432"));
        assert_eq!(shown("a=[::1]").as_deref(), Some("a=[::1]:5432"));
        assert_eq!(shown("a=[::1]:6432").as_deref(), Some("a=[::1]:6432"));
        for text in ["a", "=h", "a=", "a=:5432", "a=h:port", "a=u@h", "a=h/x", "a=h:99999"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn databases_of_known_instances_get_their_address() {
        let text = r#"{"objects": [
            {"id": "Known", "type": "RdsDatabase", "rdsInstanceId": "a", "username": "me", "databaseName": "shop"},
            {"id": "Unknown", "type": "RdsDatabase", "rdsInstanceId": "b", "username": "me"},
            {"id": "Other", "type": "JdbcDatabase", "rdsInstanceId": "a"}]}"#;
        let objects = file::parse(text).expect("a definition").objects.into_iter();
        let objects: HashMap<ObjectId, _> = objects.map(|object| (object.id.clone(), object)).collect();
        let instances = RdsInstances::from(vec!["a=h:1".parse().expect("an instance")]);
        let located = instances.located(&objects);
        let url = |id: &str| located[&ObjectId::from(id)].string("connectionString").map(str::to_owned);
        assert_eq!(url("Known").as_deref(), Some("jdbc:postgresql://h:1/shop"));
        assert_eq!((url("Unknown"), url("Other")), (None, None));
        assert!(matches!(RdsInstances::default().located(&objects), Cow::Borrowed(_)));
    }
}
