//! The cost of each dialect and each encoding, in comparison with plain CSV with the same rows.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use definition::kind::field::OnColumns;
use ec2_worker::database::Pool;
use ec2_worker::etl::column::{Column, ColumnType};
use ec2_worker::etl::date::Pattern;
use ec2_worker::etl::dialect::{Dialect, Form, RecordEnd};
use ec2_worker::etl::header::Target;
use ec2_worker::etl::input::Input;
use ec2_worker::etl::number_form::NumberForm;
use ec2_worker::etl::record_writer::RecordWriter;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::transform::{self, Message, Plan, RowsOf, Shape};
use ec2_worker::etl::value_rules::ValueRules;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::native::{Native, megabytes};
use crate::stack::{new_load, seconds_of, with_header};
use crate::{Figure, median};

const TABLE: &str = "staging.orders";
const ROUNDS: usize = 3;

/// A way of writing the orders file.
struct Variant {
    name: &'static str,
    dialect: Dialect,
    rules: ValueRules,
    /// Changes the text of a field, whose column has this index.
    change: fn(usize, &str) -> String,
    /// Makes the bytes of the file of its records.
    finish: fn(Vec<u8>) -> Result<Vec<u8>>,
}

impl Variant {
    fn new(name: &'static str, dialect: Dialect) -> Self {
        Self { name, dialect, rules: ValueRules::default(), change: |_, text| text.to_owned(), finish: Ok }
    }
}

/// Returns a variant in an encoding. `has_umlauts` says whether the encoding has the ö of the orders file.
fn encoded(label: &'static str, has_umlauts: bool) -> Variant {
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes());
    let variant = Variant::new(label, Dialect { encoding, ..with_header() });
    if has_umlauts { variant } else { Variant { change: |_, text| text.replace('ö', "o"), ..variant } }
}

fn variants() -> Result<Vec<Variant>> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let with = |change: fn(&mut Dialect)| {
        let mut dialect = with_header();
        change(&mut dialect);
        dialect
    };
    let german = NumberForm { decimal: ',', ..NumberForm::default() };
    let day_first = Pattern::new("dd/MM/yyyy").map_err(anyhow::Error::msg)?;
    let rules = ValueRules { numbers: Some(german), dates: vec![day_first], ..ValueRules::default() };
    let by_country: fn(usize, &str) -> String =
        |column, text| match (column, text.split('-').collect::<Vec<_>>()) {
            (2, parts) if parts.len() == 3 => format!("{}/{}/{}", parts[2], parts[1], parts[0]),
            (4 | 6, _) => text.replace('.', ","),
            _ => text.to_owned(),
        };
    let semicolon = with(|dialect| dialect.separator = b";".to_vec());
    Ok(vec![
        Variant::new("plain", with_header()),
        Variant::new("tab", with(|dialect| dialect.separator = b"\t".to_vec())),
        Variant {
            rules,
            change: by_country,
            ..Variant::new("decimal commas, dd/MM/yyyy", semicolon.clone())
        },
        Variant::new("separator ||", Dialect { separator: bytes("||"), ..with_header() }),
        Variant::new(
            "record end |~|",
            Dialect { record_end: RecordEnd::Bytes(bytes("|~|")), ..with_header() },
        ),
        Variant::new("quote '", with(|dialect| dialect.quote = Some(b'\''))),
        Variant::new("quotes and escapes", with(|dialect| dialect.escape = Some(b'\\'))),
        Variant::new(
            "escapes only (aws)",
            with(|dialect| (dialect.quote, dialect.escape) = (None, Some(b'\\'))),
        ),
        Variant::new("comments", with(|dialect| dialect.comment = b"#".to_vec())),
        Variant { finish: with_footer, ..Variant::new("footer", with(|dialect| dialect.skip_footer = 1)) },
        Variant::new(
            "words for NULL",
            with(|dialect| dialect.nulls = vec![b"NULL".to_vec(), b"n/a".to_vec()]),
        ),
        Variant { finish: with_crlf, ..Variant::new("CR LF", with_header()) },
        Variant::new("detected", Dialect { detects: true, ..semicolon }),
        encoded("utf-16le", true),
        encoded("windows-1252", true),
        encoded("iso-8859-15", true),
        encoded("gb18030", true),
        encoded("shift_jis", false),
        encoded("euc-kr", false),
        encoded("big5", false),
        Variant { finish: as_utf32, ..Variant::new("utf-32", with_header()) },
        Variant { finish: as_json, ..Variant::new("json lines", with(|dialect| dialect.form = Form::Json)) },
    ])
}

fn with_footer(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    bytes.extend_from_slice(b"total\n");
    Ok(bytes)
}

fn with_crlf(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut in_quotes = false;
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for byte in bytes {
        in_quotes ^= byte == b'"';
        if byte == b'\n' && !in_quotes {
            out.push(b'\r');
        }
        out.push(byte);
    }
    Ok(out)
}

fn as_utf32(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let text = String::from_utf8(bytes)?;
    Ok(std::iter::once('\u{feff}')
        .chain(text.chars())
        .flat_map(|letter| u32::from(letter).to_le_bytes())
        .collect())
}

fn as_json(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let names = reader.headers()?.clone();
    let mut out = Vec::new();
    for record in reader.records() {
        let object: serde_json::Map<_, _> = names
            .iter()
            .zip(&record?)
            .map(|(name, text)| (name.to_owned(), serde_json::Value::String(text.to_owned())))
            .collect();
        serde_json::to_writer(&mut out, &object)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Measures each variant: its reading and encoding alone, and its whole load into a native PostgreSQL.
pub(crate) fn figures(target: &Path, runtime: &Runtime) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    let megabytes = megabytes()?.div_ceil(16);
    let orders = native.orders(megabytes)?;
    let variants = variants()?;
    let mut files = Vec::new();
    for variant in &variants {
        let name = format!("dialect-{}-{megabytes}mb.csv", variant.name.replace([' ', '|', '/', '\''], "-"));
        files.push(native.file(&name, |out| Ok(out.write_all(&written(variant, &orders)?)?))?);
    }
    let pool = Pool::default();
    let (mut plain, mut worst) = ((0.0, 0.0), [("", 0.0), ("", 0.0)]);
    let mut sums = String::new();
    for (variant, file) in variants.iter().zip(&files) {
        let (mut readings, mut loads) = (vec![], vec![]);
        for _ in 0..ROUNDS {
            readings.push(reading(variant, file, runtime)?);
            native.empty(TABLE)?;
            let source = Source { origin: Origin::File(file.clone()), gzip: false };
            let mut load = new_load(&native.url(), TABLE, vec![source], variant.dialect.clone())?;
            load.rules = variant.rules.clone();
            loads.push(runtime.block_on(seconds_of(&load, &pool))?);
        }
        let found = native.psql(&[
            "-c",
            &format!(
                "SELECT count(*), sum(order_id), sum(quantity), sum(total_price), \
            sum(order_date - date '2025-01-01'), sum(length(customer_id)) FROM {TABLE}"
            ),
        ])?;
        if sums.is_empty() {
            sums.clone_from(&found);
        }
        ensure!(found == sums, "{}: the load gave {found}, plain CSV {sums}", variant.name);
        let (reading, load) = (median(&mut readings), median(&mut loads));
        if variant.name == "plain" {
            plain = (reading, load);
        }
        let ratios = [reading / plain.0, load / plain.1];
        println!(
            "{:<28} read and encoded in {reading:.2} s: {:.2}; loaded in {load:.2} s: {:.2}",
            variant.name, ratios[0], ratios[1]
        );
        for (worst, ratio) in worst.iter_mut().zip(ratios) {
            if ratio > worst.1 {
                *worst = (variant.name, ratio);
            }
        }
    }
    let figure = |name, (variant, ratio): (&'static str, f64), plain: f64| Figure {
        name,
        value: ratio * plain * 1_000.0,
        unit: "ms",
        rival: Some(variant),
        ratio: Some(ratio),
    };
    Ok(vec![
        figure("slowest_dialect_load", worst[1], plain.1),
        figure("slowest_dialect_reading", worst[0], plain.0),
    ])
}

/// Returns the orders file in a variant.
fn written(variant: &Variant, orders: &Path) -> Result<Vec<u8>> {
    let is_utf8_text = variant.dialect.form == Form::Text;
    let dialect = if is_utf8_text { variant.dialect.clone() } else { with_header() };
    let mut writer = RecordWriter::new(&Dialect { detects: false, skip_footer: 0, ..dialect }, true);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(orders)?;
    let mut out = Vec::new();
    for (number, record) in reader.records().enumerate() {
        writer.begin(number == 0);
        for (column, text) in record?.iter().enumerate() {
            let text = if number == 0 { text.to_owned() } else { (variant.change)(column, text) };
            writer.push(Some(text.as_bytes())).map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        }
        writer.end().map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
        out.append(&mut writer.take());
    }
    (variant.finish)(out)
}

/// Reads and encodes a file as a load does, without a database, and returns the seconds.
fn reading(variant: &Variant, file: &PathBuf, runtime: &Runtime) -> Result<f64> {
    let bytes = Bytes::from(fs::read(file)?);
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel(8);
    let mut rest = bytes;
    std::thread::spawn(move || {
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(256 * 1024));
            if sender.blocking_send(Ok(piece)).is_err() {
                return;
            }
        }
        drop(sender.blocking_send(Ok(Bytes::new())));
    });
    let input = Input::new(variant.name.to_owned(), receiver, false);
    let column = |(name, kind): (&str, ColumnType)| Column {
        name: name.to_owned(),
        type_name: "the type".to_owned(),
        kind,
        not_null: true,
        has_default: false,
        precision: None,
        stored_as: None,
        inside: None,
    };
    let columns = [
        ("order_id", ColumnType::Int8),
        ("customer_id", ColumnType::Text(None)),
        ("order_date", ColumnType::Date),
        ("product_id", ColumnType::Text(None)),
        ("unit_price", ColumnType::Numeric(Some((12, 2)))),
        ("quantity", ColumnType::Int4),
        ("total_price", ColumnType::Numeric(Some((14, 2)))),
    ];
    let columns = columns.into_iter().map(column).collect();
    let target = Target { columns, generated: Vec::new(), on_columns: OnColumns::Strict };
    let plan = Plan {
        file: variant.name.to_owned(),
        table: TABLE.to_owned(),
        dialect: variant.dialect.clone(),
        rules: variant.rules.clone(),
        shape: Shape::Table { target, declared: Vec::new() },
        scratch: std::env::temp_dir(),
        is_plain: false,
        rows_of: RowsOf::File,
    };
    let rows = runtime.block_on(async {
        let mut messages = transform::start(input, plan);
        let mut rows = 0;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Chunk(chunk) => rows += chunk.rows,
                Message::Failed(failure) => anyhow::bail!("{}: {failure}", variant.name),
                Message::Begin(_) | Message::End(_) => {}
            }
        }
        Ok(rows)
    });
    rows.and_then(|rows| (rows > 0).then_some(()).context("no rows"))?;
    Ok(start.elapsed().as_secs_f64())
}
