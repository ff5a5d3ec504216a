//! Visits that came from a campaign.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::random::Random;

/// Makes a visit.
pub(super) fn record(random: &mut Random, _: Timestamp) -> Value {
    let (source, medium) =
        [("adwords", "cpc"), ("newsletter", "email"), ("bing", "cpc")][random.below(3) as usize];
    json!({
        "request_id": random.uuid(),
        "source": source,
        "medium": medium,
        "campaign": random.perhaps(10, &["Brand DE", "Brand FR", "Shop, autumn", "Spring \"sale\""]),
        "content": random.perhaps(70, &["banner", "text"]),
        "term": random.perhaps(30, &["web page", "online shop", "página web"]),
        "matchtype": random.perhaps(20, &["e", "p", "b"]),
        "network": random.perhaps(20, &["g", "s"]),
        "ad_id": (medium == "cpc").then(|| format!("{:011}", random.below(100_000_000_000))),
        "ad_pos": random.perhaps(50, &["1t1", "1t2", "1o3"]),
        "placement": Value::Null,
        "placement_category": Value::Null,
        "testgroup": random.perhaps(80, &["a", "b"]),
        "device": random.perhaps(5, &["c", "m", "t"]),
    })
}
