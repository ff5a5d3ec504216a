//! Random values of every type, as texts that the server reads.

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _};

/// Types, for which [`value`] gives values. The first ones have a binary form in a load.
pub(crate) const TYPES: &[&str] = &[
    "bool",
    "int2",
    "int4",
    "int8",
    "numeric",
    "numeric(12,3)",
    "float4",
    "float8",
    "text",
    "varchar(12)",
    "char(6)",
    "bytea",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "uuid",
    "json",
    "jsonb",
    "mood",
    "days",
    "name",
    // The types that are sent as text.
    "money",
    "interval",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(5)",
    "varbit",
    "int4[]",
    "text[]",
    "date[]",
    "timestamptz[]",
    "time[]",
    "pair",
    "int4range",
    "numrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "datemultirange",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "xml",
    "tsvector",
    "tsquery",
    "xid8",
    "pg_lsn",
    "oid",
    "pg_snapshot",
    "jsonpath",
    "\"char\"",
    "moods",
];
/// The number of types that have a binary form.
pub(super) const BINARY: usize = 23;

/// The types of the user that [`TYPES`] names.
pub(crate) const CREATE: &str =
    "CREATE TYPE mood AS ENUM ('sad', 'so, so', '', 'NULL'); CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN days AS date CHECK (VALUE > '1000-01-01'); CREATE DOMAIN moods AS mood[]; SET timezone = 'UTC'";

/// The parts of texts that every encoding has.
const PARTS: &[&str] = &[
    ",",
    ";",
    "\t",
    "|",
    "||",
    "|~|",
    "\"",
    "'",
    "\\",
    "\n",
    "\r",
    "\r\n",
    " ",
    " ",
    "a",
    "b",
    "x",
    "0",
    "N",
    "\\N",
    "NULL",
    "NA",
    "null",
    "#",
    "//",
    "sep=;",
    "\\.",
    "\u{1}",
    "\u{1f}",
    "\u{1e}",
    "{",
    "}",
    "\"\"",
    "''",
    "-",
    "=",
    "Total",
    "\u{7f}",
    "PK\u{3}\u{4}",
    "BZh9",
];

pub(crate) fn pick<T: Clone>(all: &[T], random: &mut StdRng) -> T {
    all[random.random_range(0..all.len())].clone()
}

/// Returns a text of the parts that every encoding has, and of `letters`.
pub(super) fn text(random: &mut StdRng, letters: &[&str]) -> String {
    let count = pick(&[0, 1, 1, 2, 3, 5, 9], random);
    let part = |random: &mut StdRng| {
        if random.random_ratio(1, 3) { pick(letters, random) } else { pick(PARTS, random) }
    };
    (0..count).map(|_| part(random)).collect()
}

/// Returns the text of a value of a type. Texts in it consist of `letters` and of ASCII.
pub(crate) fn value(random: &mut StdRng, of: &str, letters: &[&str]) -> String {
    let short =
        |random: &mut StdRng, most: usize| text(random, letters).chars().take(most).collect::<String>();
    match of {
        "bool" => pick(&["true", "false", "t", "no", "ON", "1", "fal"], random).to_owned(),
        "text" => text(random, letters),
        "varchar(12)" => short(random, 12),
        "char(6)" => short(random, 6),
        "name" => short(random, 15),
        "mood" => pick(&["sad", "so, so", "NULL"], random).to_owned(),
        "moods" => pick(&["{sad,\"so, so\"}", "{}", "{\"\",NULL,\"NULL\"}"], random).to_owned(),
        "bytea" => bytea(random),
        "json" | "jsonb" => json(random, letters),
        "text[]" => texts(random, letters),
        "pair" => pair(random, letters),
        "\"char\"" => pick(&["a", "\"", ",", "\\", " ", ""], random).to_owned(),
        "xml" => format!("<a b=\"{}\">{}</a>", number(random, 9), pick(&["x, \"y\"", "&lt;\n", ""], random)),
        "uuid" => uuid(random),
        _ if of.contains("date")
            || of.contains("time")
            || of == "days"
            || of == "interval"
            || of.contains("tstz") =>
        {
            moment(random, of)
        }
        _ if of.starts_with("int") || of.contains("num") || of.contains("float") || of == "money" => {
            numbers(random, of)
        }
        _ => other(random, of),
    }
}

/// Returns a whole number of at most so many digits.
fn number(random: &mut StdRng, digits: u32) -> i64 {
    let most = 10_i64.pow(random.random_range(0..=digits)) - 1;
    random.random_range(-most..=most)
}

fn decimal(random: &mut StdRng, digits: u32, places: usize) -> String {
    let whole = number(random, digits);
    let places = random.random_range(0..=places);
    let fraction: String = (0..places).map(|_| char::from(b'0' + random.random_range(0..10))).collect();
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

fn numbers(random: &mut StdRng, of: &str) -> String {
    match of {
        "int2" => pick(&["-32768".to_owned(), "32767".to_owned(), number(random, 4).to_string()], random),
        "int4" => pick(&["-2147483648".to_owned(), "+7".to_owned(), number(random, 9).to_string()], random),
        "int8" => pick(&[i64::MIN.to_string(), i64::MAX.to_string(), number(random, 18).to_string()], random),
        "numeric" => {
            let special =
                ["NaN", "Infinity", "-Infinity", "1e-30", "-0.00", "123456789012345678901234567890.000"];
            if random.random_ratio(1, 4) {
                pick(&special, random).to_owned()
            } else {
                decimal(random, 18, 12)
            }
        }
        "numeric(12,3)" => decimal(random, 8, 5),
        "money" => decimal(random, 9, 2),
        "float4" => match f32::from_bits(random.next_u32()) {
            value if value.is_nan() => {
                pick(&["NaN", "Infinity", "-Infinity", "-0", "1e-45"], random).to_owned()
            }
            value => format!("{value:e}"),
        },
        "float8" => match f64::from_bits(random.next_u64()) {
            value if value.is_nan() => "nan".to_owned(),
            _ if random.random_ratio(1, 8) => {
                pick(&["inf", "-inf", "-0", "5e-324", "0.1"], random).to_owned()
            }
            value => format!("{value:e}"),
        },
        "int4[]" => pick(
            &[
                "{}".to_owned(),
                "[0:1]={1,2}".to_owned(),
                format!("{{{{{},NULL}},{{3,4}}}}", number(random, 9)),
            ],
            random,
        ),
        "int4range" => {
            let (low, more) = (number(random, 8), random.random_range(1..99));
            pick(
                &[
                    "empty".to_owned(),
                    format!("[{low},{})", low + more),
                    format!("({low},]"),
                    "(,)".to_owned(),
                ],
                random,
            )
        }
        "numrange" => format!("[{},{}.5]", -random.random_range(0..99), random.random_range(0..99)),
        "int4multirange" => {
            pick(&["{}".to_owned(), format!("{{[1,3),[{},)}}", random.random_range(5..99))], random)
        }
        _ => number(random, 9).to_string(),
    }
}

fn moment(random: &mut StdRng, of: &str) -> String {
    let (month, day) = (random.random_range(1..=12), random.random_range(1..=28));
    let date = format!("{:04}-{month:02}-{day:02}", random.random_range(1001..=2999));
    let micros = pick(&["", ".5", ".000001", ".999999", ".123"], random);
    let (hour, minute, second) =
        (random.random_range(0..24), random.random_range(0..60), random.random_range(0..60));
    let time = format!("{hour:02}:{minute:02}:{second:02}{micros}");
    let offset = pick(&["", "Z", "+05:30", "-03:30:15", "+00", " UTC"], random);
    let odd = random.random_ratio(1, 6);
    match of {
        "date" if odd => pick(&["infinity", "-infinity", "0044-03-15 BC", "12024-01-01"], random).to_owned(),
        "date" | "days" => date,
        "time" if odd => "24:00".to_owned(),
        "time" => time,
        "timetz" => format!("{time}{offset}"),
        "timestamp" if odd => {
            pick(&["infinity", "0001-01-01 00:00 BC", "294276-12-31 23:59:59.999999"], random).to_owned()
        }
        "timestamp" => format!("{date}{}{time}", pick(&[" ", "T"], random)),
        "timestamptz" if odd => pick(&["-infinity", "2024-10-27 03:30 Europe/Berlin"], random).to_owned(),
        "timestamptz" => format!("{date} {time}{offset}"),
        "interval" => {
            pick(&["1 year -2 days 03:04:05.6", "-00:00:01", "P1Y2M3DT4H", "90 min", "0"], random).to_owned()
        }
        "date[]" => pick(
            &[format!("{{{date},NULL}}"), format!("{{{{{date}}},{{\"{date}\"}}}}"), "{}".to_owned()],
            random,
        ),
        "time[]" => format!("{{{time},NULL}}"),
        "timestamptz[]" => format!("{{\"{date} {time}+02\",infinity}}"),
        "tstzrange" => format!("[\"{date} {time}+02\",)"),
        "daterange" => {
            pick(&[format!("[{date},3000-01-01)"), "empty".to_owned(), format!("(,{date}]")], random)
        }
        "datemultirange" => format!("{{[{date},3000-01-01),[3001-01-01,]}}"),
        _ => unreachable!("{of}"),
    }
}

fn other(random: &mut StdRng, of: &str) -> String {
    let n = random.random_range(0..200);
    match of {
        "inet" => pick(&[format!("10.0.{n}.1/8"), "::1".to_owned(), format!("192.168.0.{n}")], random),
        "cidr" => pick(&[format!("10.{n}.0.0/16"), "2001:db8::/32".to_owned()], random),
        "macaddr" => format!("08:00:2b:01:02:{n:02x}"),
        "macaddr8" => format!("08:00:2b:01:02:03:04:{n:02x}"),
        "bit(5)" => format!("{:05b}", n % 32),
        "varbit" => pick(&[format!("{n:b}"), String::new()], random),
        "point" => format!("({n}.5,-1e-5)"),
        "line" => format!("{{1,2,{n}}}"),
        "lseg" => format!("[(0,1),({n},2)]"),
        "box" => format!("({n},{n}),(0,-1)"),
        "path" => pick(&[format!("[(0,0),({n},1)]"), format!("((0,0),({n},1))")], random),
        "polygon" => format!("((0,0),({n},1),(2,2))"),
        "circle" => format!("<(1,2),{n}.25>"),
        "tsvector" => pick(&[String::new(), format!("'a,b':{} 'c''d':2B", n + 1)], random),
        "tsquery" => pick(&[String::new(), "'a' & !'b, c'".to_owned()], random),
        "pg_lsn" => format!("16/B374D{n:03X}"),
        "pg_snapshot" => "10:20:10,14,15".to_owned(),
        "jsonpath" => pick(&["$.\"a, b\"[*]", "$.a"], random).to_owned(),
        _ => n.to_string(),
    }
}

fn bytea(random: &mut StdRng) -> String {
    let bytes: Vec<u8> = (0..random.random_range(0..9)).map(|_| random.random()).collect();
    match random.random_range(0..4) {
        0 => pick(&["a\\\\b\\001", "", "x,\"y\"", "\\\\N"], random).to_owned(),
        _ => format!("\\x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    }
}

fn json(random: &mut StdRng, letters: &[&str]) -> String {
    let string = serde_json::to_string(&text(random, letters)).expect("a text");
    pick(
        &[
            format!("{{\"a\": [1, {string}]}}"),
            string,
            "null".to_owned(),
            "-1.50e3".to_owned(),
            "[]".to_owned(),
        ],
        random,
    )
}

/// Returns an array of texts with its own quotes and escapes.
fn texts(random: &mut StdRng, letters: &[&str]) -> String {
    let element = |random: &mut StdRng| match random.random_range(0..5) {
        0 => "NULL".to_owned(),
        _ => format!("\"{}\"", text(random, letters).replace('\\', "\\\\").replace('"', "\\\"")),
    };
    let two = |random: &mut StdRng| format!("{{{},{}}}", element(random), element(random));
    let nested = format!("{{{},{}}}", two(random), two(random));
    pick(&[nested, two(random), "{}".to_owned()], random)
}

fn pair(random: &mut StdRng, letters: &[&str]) -> String {
    let note = text(random, letters).replace('\\', "\\\\").replace('"', "\"\"");
    pick(&[format!("({},\"{note}\")", number(random, 9)), "(,)".to_owned(), "(1,\"\")".to_owned()], random)
}

fn uuid(random: &mut StdRng) -> String {
    let hex = format!("{:032x}", u128::from(random.next_u64()) << 64 | u128::from(random.next_u64()));
    let parted = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    pick(&[parted.clone(), hex, format!("{{{}}}", parted.to_uppercase())], random)
}
