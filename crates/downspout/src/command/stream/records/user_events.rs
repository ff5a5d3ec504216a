//! Events of users in an editor of web pages.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::random::Random;

const TOPICS: &[&str] = &[
    "cms.wizard.step.name.set",
    "cms.wizard.step.color_palette.set",
    "cms.wizard.step.finished",
    "cms.page.created",
    "cms.page.published",
    "cms.image.uploaded",
    "shop.product.added",
    "shop.checkout.opened",
];
const LANGUAGES: &[&str] = &["de", "en", "es", "fr", "ja", "pt"];
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
];

/// Makes an event that happened at `at`.
pub(super) fn record(random: &mut Random, at: Timestamp) -> Value {
    let topic = random.one_of(TOPICS);
    let language = random.one_of(LANGUAGES);
    let message = json!({"language": language, "step": random.below(9), "isRecommended": random.happens(30)});
    let environment = topic.split('.').next();
    json!({
        "request_id": random.uuid(),
        "request_timestamp": at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string(),
        "cookie_id": random.uuid(),
        "topic": topic,
        "message": message.to_string(),
        "environment": environment,
        "website_id": random.happens(60).then(|| random.uuid()),
        "user_account_id": random.happens(80).then(|| random.uuid()),
        "location": format!("https://www.example.com/{language}/{}", topic.replace('.', "/")),
        "user_agent": random.one_of(AGENTS),
        "referrer": random.perhaps(50, &["https://www.example.org/", "https://search.example.net/?q=web+page"]),
    })
}
