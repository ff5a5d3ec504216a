//! A shop that is not ours: three files as German programs write them, loaded by fields of the definition alone.
//!
//! Of the 50,000 rows, 20 are broken, each in its own way. Exactly these rows must be refused, at their lines, and all
//! others must be in the table as they were meant.

use std::collections::BTreeMap;

use aws_sdk_datapipeline::types::{Field, PipelineObject};

use super::World;
use super::stack::{BUCKET, Stack, object, refers, string, value};

const TABLE: &str =
    "CREATE TABLE bestellungen (nr int PRIMARY KEY, datum date NOT NULL, kunde varchar(20) NOT NULL,
    betrag numeric(12,2) CONSTRAINT nicht_negativ CHECK (betrag >= 0), bemerkung text)";
const ROWS: u32 = 50_000;
const NAMES: [&str; 6] = ["Müller", "Weiß & Söhne", "Großhandel Ömer", "Café Zürich", "Schmidt", "Jäger KG"];
const NOTES: [&str; 6] =
    ["", "zahlt in €", "\"eilig; bitte anrufen\"", "\"sagt \"\"ja\"\"\"", "ß", "\"Straße 1\nKöln\""];

/// How a program writes its file.
#[derive(Clone, Copy)]
struct Program {
    key: &'static str,
    end: &'static str,
    first: &'static str,
    encode: fn(&str) -> Vec<u8>,
    format: &'static [(&'static str, &'static str)],
}

const PROGRAMS: [Program; 3] = [
    Program { key: "utf8.csv", end: "\r\n", first: "\u{feff}", encode: utf8, format: &[] },
    Program { key: "utf16.csv", end: "\n", first: "\u{feff}", encode: utf16, format: &[] },
    Program {
        key: "ansi.csv",
        end: "\r\n",
        first: "Bestellungen für Köln\r\n",
        encode: ansi,
        format: &[("myEncoding", "windows-1252"), ("mySkipLines", "1")],
    },
];

/// Stands in the texts for bytes that are not in the encoding of the file.
const UNDECODABLE: char = '\u{e000}';

fn utf8(text: &str) -> Vec<u8> {
    let pieces = text.split(UNDECODABLE).map(str::as_bytes);
    pieces.collect::<Vec<_>>().join(&b"\xfc"[..])
}

fn utf16(text: &str) -> Vec<u8> {
    // Half of a pair of surrogates.
    let units = text.encode_utf16().map(|unit| if unit == 0xe000 { 0xd801 } else { unit });
    units.flat_map(u16::to_le_bytes).collect()
}

fn ansi(text: &str) -> Vec<u8> {
    let (bytes, _, has_unmappable) = encoding_rs::WINDOWS_1252.encode(text);
    assert!(!has_unmappable, "the encoding has every byte");
    bytes.into_owned()
}

/// A row that must be refused: the number of its file, the row after it, its text, its column, a part of the reason.
type Broken = (usize, u32, &'static str, Option<&'static str>, &'static str);

const BROKEN: [Broken; 20] = [
    (0, 10, "900001;31.02.2026;Schmidt;1,00;", Some("datum"), "\"31.02.2026\" is not a date"),
    (0, 11, "900002;01.02.2026;Schmidt;12,5O;", Some("betrag"), "\"12,5O\" is not a number"),
    (0, 700, "900003;01.02.2026;Schmidt;1,00", None, "4 columns instead of 5"),
    (0, 701, "900004;01.02.2026;Schmidt;1,00;;x", None, "6 columns instead of 5"),
    (
        0,
        5_000,
        "900005;01.02.2026;Donaudampfschifffahrtsgesellschaft;1,00;",
        Some("kunde"),
        "but the column takes 20",
    ),
    (0, 9_000, "17;01.02.2026;Schmidt;1,00;", None, "duplicate key"),
    (0, 9_001, "900006;;Schmidt;1,00;", Some("datum"), "is empty, but the column is NOT NULL"),
    (0, 9_002, "900007;01.02.2026;Schmidt;-5,00;", None, "nicht_negativ"),
    (
        0,
        16_000,
        "900008;01.02.2026;\"Schmidt\" & Sohn;1,00;",
        Some("kunde"),
        "text follows the closing quote",
    ),
    (0, 16_001, "900009;01.02.2026;M\u{e000}ller;1,00;", Some("kunde"), "is not UTF-8"),
    (1, 1, "1;01.02.2026;Schmidt;1,00;", None, "duplicate key"),
    (1, 2_000, "900010;01.02.2026;M\u{e000}ller;1,00;", Some("kunde"), "is not UTF-16"),
    (1, 2_001, "900011;2026-13-01;Schmidt;1,00;", Some("datum"), "is not a date"),
    (1, 2_002, "900012;01.02.2026;Schmidt;12.34,00;", Some("betrag"), "is not a number"),
    (1, 9_000, "99999999999;01.02.2026;Schmidt;1,00;", Some("nr"), "out of range"),
    (2, 20, "900013;01.02.2026;;1,00;", Some("kunde"), "is empty, but the column is NOT NULL"),
    (2, 21, "900014;01.02.2026;Jäger;99.999.999.999,00;", Some("betrag"), "out of range"),
    (2, 8_000, "900015;29.02.2025;Jäger;1,00;", Some("datum"), "\"29.02.2025\" is not a date"),
    (2, 8_001, "900016;01.02.2026;Jäger;eins;", Some("betrag"), "\"eins\" is not a number"),
    (2, 15_000, "900017;01.02.2026;Jäger;1,00;ein \"\u{0}\" darin", Some("bemerkung"), "NUL"),
];

/// Writes cents with points between groups of three digits, and a comma before the last two.
fn german(cents: u64) -> String {
    let euros = (cents / 100).to_string();
    let first = (euros.len() - 1) % 3 + 1;
    let mut groups = vec![&euros[..first]];
    groups.extend((first..euros.len()).step_by(3).map(|at| &euros[at..at + 3]));
    format!("{},{:02}", groups.join("."), cents % 100)
}

/// The files, the rows that must be in the table, and the refused rows by file and line.
struct Shop {
    files: Vec<Vec<u8>>,
    rows: Vec<String>,
    cents: u64,
    refused: BTreeMap<(String, u64), Broken>,
}

fn shop() -> Shop {
    let mut shop = Shop { files: Vec::new(), rows: Vec::new(), cents: 0, refused: BTreeMap::new() };
    let good = ROWS - u32::try_from(BROKEN.len()).expect("few");
    let each = good.div_ceil(3);
    for (number, program) in PROGRAMS.iter().enumerate() {
        let mut text = format!("{}Nr;Datum;Kunde;Betrag;Bemerkung{}", program.first, program.end);
        let mut line = text.matches('\n').count() as u64 + 1;
        let own = (each * u32::try_from(number).expect("few")..good).take(each as usize);
        for (at, id) in own.enumerate() {
            for broken in BROKEN.iter().filter(|broken| broken.0 == number && broken.1 as usize == at) {
                let key = format!("s3://{BUCKET}/{}", program.key);
                shop.refused.insert((key, line), *broken);
                text.push_str(broken.2);
                text.push_str(program.end);
                line += 1;
            }
            let row = shop.good_row(id);
            line += row.matches('\n').count() as u64 + 1;
            text.push_str(&row);
            text.push_str(program.end);
        }
        shop.files.push((program.encode)(&text));
    }
    shop
}

impl Shop {
    /// Adds a good row, and returns it as the shop writes it.
    fn good_row(&mut self, id: u32) -> String {
        let index = id as usize;
        let (name, note) = (NAMES[index % NAMES.len()], NOTES[index / 7 % NOTES.len()]);
        let (day, month, year) = (id % 28 + 1, id / 28 % 12 + 1, 2020 + id % 7);
        // Amounts of every length.
        let cents = u64::from(id) * 7_919 % 10_u64.pow(id % 10 + 1);
        self.cents += cents;
        let plain = note.strip_prefix('"').and_then(|note| note.strip_suffix('"')).unwrap_or(note);
        let plain = if note.is_empty() { "NULL".to_owned() } else { plain.replace("\"\"", "\"") };
        let (euros, rest) = (cents / 100, cents % 100);
        self.rows.push(format!("{id}|{year}-{month:02}-{day:02}|{name}|{euros}.{rest:02}|{plain}"));
        format!("{id};{day:02}.{month:02}.{year};{name};{};{note}", german(cents))
    }
}

fn definition(url: &str, program: &Program, limit: usize) -> Vec<PipelineObject> {
    let texts = |fields: &[(&str, &str)]| -> Vec<Field> {
        fields.iter().map(|(key, text)| string(key, text)).collect()
    };
    let mut format = texts(&[
        ("type", "Custom"),
        ("columnSeparator", ";"),
        ("myHeader", "true"),
        ("myDateFormat", "dd.MM.yyyy"),
        ("myDecimal", ","),
        ("myGrouping", "."),
    ]);
    format.extend(texts(program.format));
    let database = texts(&[
        ("type", "JdbcDatabase"),
        ("connectionString", url),
        ("jdbcDriverClass", "org.postgresql.Driver"),
        ("username", "postgres"),
        ("*password", "unused"),
    ]);
    let path = format!("s3://{BUCKET}/{}", program.key);
    let file = vec![string("type", "S3DataNode"), string("filePath", &path), refers("dataFormat", "Format")];
    let node = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "bestellungen")];
    let mut copy = vec![string("type", "CopyActivity"), refers("input", "In"), refers("output", "Out")];
    copy.push(string("myMaxRejects", &limit.to_string()));
    let objects = [("Format", format), ("Db", database), ("In", file), ("Out", node), ("Load", copy)];
    objects.into_iter().map(|(id, fields)| object(id, fields)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_twenty_broken_rows_of_fifty_thousand_are_refused() {
    let world = World::new(TABLE).await;
    let stack = Stack::start().await;
    let shop = shop();
    for (number, program) in PROGRAMS.iter().enumerate() {
        stack.put(program.key, shop.files[number].clone()).await;
        let broken = BROKEN.iter().filter(|broken| broken.0 == number).count();
        // The limit is exactly the number of broken rows, so one more refused row would fail the load.
        let attempt = stack.run(definition(&world.postgres.url(), program, broken)).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{}: {attempt:#?}", program.key);
        assert_eq!(value(&attempt, "rowsRejected"), broken.to_string(), "{}: {attempt:#?}", program.key);
    }
    let sum = format!("{}.{:02}", shop.cents / 100, shop.cents % 100);
    let counted = world.rows("SELECT count(*), sum(betrag) FROM bestellungen").await;
    assert_eq!(counted, format!("{}|{sum}", ROWS as usize - BROKEN.len()));
    let loaded =
        world.texts("SELECT nr, datum, kunde, betrag, bemerkung FROM bestellungen ORDER BY nr").await;
    for (loaded, expected) in loaded.iter().zip(&shop.rows) {
        assert_eq!(loaded, expected);
    }
    check_refused(&world, &shop).await;
}

async fn check_refused(world: &World, shop: &Shop) {
    let query = "SELECT file, line, coalesce(column_name, ''), reason, raw_line FROM bestellungen_rejects";
    let messages = world.client.query(query, &[]).await.expect("the table for refused rows");
    let mut wrong = Vec::new();
    for row in &messages {
        let (file, line): (String, i64) = (row.get(0), row.get(1));
        let (column, reason, raw): (String, String, String) = (row.get(2), row.get(3), row.get(4));
        let known = shop.refused.get(&(file.clone(), u64::try_from(line).expect("a line")));
        let fits = known.is_some_and(|(_, _, text, wanted, part)| {
            let is_whole = text.contains([UNDECODABLE, '\0']) || raw == *text;
            column == wanted.unwrap_or_default() && reason.contains(part) && is_whole
        });
        if !fits {
            wrong.push(format!("{file}, line {line}, column {column}: {reason}: {raw}; expected {known:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(messages.len(), shop.refused.len());
}
