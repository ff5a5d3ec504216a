//! Users as a web form sends them: some flat, some with the name and the address as objects of their own.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::random::Random;

const FIRST: &[&str] = &[
    "Ada", "Blaise", "Chidi", "Dilara", "Émile", "Fumiko", "Grace", "Héctor", "Ingrid", "Joao", "Kofi",
    "Lena",
];
const LAST: &[&str] = &[
    "Abara",
    "Byrne",
    "Castillo",
    "Dubois",
    "Ekström",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "O'Neill",
    "Петров",
    "Şahin",
];
const CITIES: &[(&str, &str)] = &[
    ("Boston", "02169"),
    ("New York", "10001"),
    ("Portland", "97201"),
    ("Miami", "33101"),
    ("Austin", "73301"),
];

/// Makes a user.
pub(super) fn record(random: &mut Random, _: Timestamp) -> Value {
    let first_name = random.one_of(FIRST);
    let middle_name = random.perhaps(40, &["A.", "M.", "van der", "Lee"]);
    let last_name = random.one_of(LAST);
    let (city, zip_code) = CITIES[random.below(CITIES.len() as u64) as usize];
    let phone = format!("617{:07}", random.below(10_000_000));
    if random.happens(50) {
        return json!({
            "first_name": first_name, "middle_name": middle_name, "last_name": last_name, "zip_code": zip_code,
        });
    }
    json!({
        "name": {"first_name": first_name, "middle_name": middle_name, "last_name": last_name},
        "address": {"city": city, "zip_code": zip_code, "phone": phone},
    })
}
