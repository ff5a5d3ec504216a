//! Texts of every type with random damage: binary `COPY`, text `COPY` and `insertQuery` store what the server itself reads,
//! or all refuse the text.
//!
//! Every third type has 40 texts. With `DOWNSPOUT_SOAK_TEXTS`, all types have as many texts as it says.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::World;
use super::random_tables::count;
use super::random_tables::values::{TYPES, pick, value};
use super::values::{READING, readings, rules, stored};

/// The types of the user that [`TYPES`] names, apart from those of [`READING`].
const MORE: &str = "CREATE DOMAIN days AS date CHECK (VALUE > '1000-01-01'); CREATE DOMAIN moods AS mood[]";
const PARTS: &[&str] = &[
    "0", "9", "-", "+", ".", ",", ":", " ", "e", "{", "}", "(", ")", "[", "]", "\"", "\\", "'", "NULL", "ä",
    "x", "\t", "\n", "%", "/", "T", "BC",
];

/// Damages a text in one place or two.
fn damaged(random: &mut StdRng, text: &str) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..random.random_range(0..3) {
        let at = random.random_range(0..=letters.len());
        match random.random_range(0..5) {
            0 if at < letters.len() => drop(letters.remove(at)),
            1 if at < letters.len() => letters.insert(at, letters[at]),
            2 if at + 1 < letters.len() => letters.swap(at, at + 1),
            3 => letters = letters.iter().map(char::to_ascii_uppercase).collect(),
            _ => drop(letters.splice(at..at, pick(PARTS, random).chars())),
        }
    }
    letters.into_iter().collect()
}

#[tokio::test]
async fn damaged_texts_have_one_meaning_on_every_way() {
    let world = World::new(&format!("{READING}{MORE}")).await;
    let texts = count("DOWNSPOUT_SOAK_TEXTS", 0);
    let (every, texts) = if texts == 0 { (3, 40) } else { (1, texts) };
    let mut wrong = Vec::new();
    for (number, of) in TYPES.iter().enumerate().step_by(every) {
        let random = &mut StdRng::seed_from_u64(number as u64);
        let text = |random: &mut StdRng| {
            let legal = value(random, of, &["ä", "中"]);
            damaged(random, &legal)
        };
        let all: Vec<String> =
            (0..texts).map(|_| text(random)).filter(|text| !text.trim().is_empty()).collect();
        let found = stored(&world, of, &rules(), &all).await;
        let read = readings(&world, &all).await;
        let may_be_refused =
            ["date", "time", "days", "tstz", "interval", "money"].iter().any(|part| of.contains(part));
        for ((text, found), read) in all.iter().zip(&found).zip(&read) {
            // Dates and times that have two meanings are refused, and so are intervals and amounts with marks that PostgreSQL leaves
            // out.
            if found != read && !(may_be_refused && found == "refused") {
                wrong.push(format!("{of} {text:?}: {found}, not {read}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_value_is_a_refused_row_whatever_code_its_type_refuses_it_with() {
    let world = World::new(READING).await;
    let deep = "[".repeat(200_000);
    for (of, legal, refused) in [
        ("tsvector", "'a b':1", "'a"),
        ("tsquery", "a & b", "a &"),
        ("jsonpath", "$.a", "$["),
        ("regclass", "pg_class", "nowhere"),
        ("regtype", "int4", "nothing"),
        ("regproc", "now", "never"),
        ("json", "[1]", &deep),
        ("jsonb", "[1]", &deep),
    ] {
        let found = stored(&world, of, &rules(), &[legal.to_owned(), refused.to_owned()]).await;
        assert_ne!(found[0], "refused", "{of}");
        assert_eq!(found[1], "refused", "{of}");
    }
}
