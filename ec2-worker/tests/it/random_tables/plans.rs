//! Random dialects, with the jobs by which `write_tables.py` writes them.

use ec2_worker::etl::dialect::{Dialect, RecordEnd};
use encoding_rs::Encoding;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::values::pick;

/// The names of encodings in Python and in the WHATWG standard (empty if only a mark in the file says it), and letters
/// that they have. Some letters have a backslash as their second byte.
const ENCODINGS: &[(&str, &str, &[&str])] = &[
    ("utf-8", "utf-8", UNICODE),
    ("utf-8", "", UNICODE),
    ("utf-8", "windows-1252", UNICODE),
    ("utf-16-le", "utf-16le", UNICODE),
    ("utf-16-be", "", UNICODE),
    ("utf-32-le", "", UNICODE),
    ("utf-32-be", "", UNICODE),
    ("cp1252", "windows-1252", &["ä", "€", "¦", "\u{a0}", "Ž"]),
    ("cp1252", "iso-8859-1", &["ä", "€", "ß"]),
    ("iso8859_2", "iso-8859-2", &["ł", "ő", "č"]),
    ("iso8859_15", "iso-8859-15", &["€", "š", "ÿ"]),
    ("cp1251", "windows-1251", &["Ж", "я", "№"]),
    ("koi8_r", "koi8-r", &["Ж", "я"]),
    ("cp866", "ibm866", &["Ж", "я"]),
    ("mac_roman", "macintosh", &["ä", "ƒ", "†"]),
    ("cp932", "shift_jis", &["日", "表", "ソ", "カ", "ｱ"]),
    ("gbk", "gbk", &["中", "文", "乗"]),
    ("gb18030", "gb18030", &["中", "\u{1f600}", "ä", "乗"]),
    ("big5", "big5", &["許", "功", "蓋"]),
    ("cp949", "euc-kr", &["한", "국"]),
    ("euc_jp", "euc-jp", &["日", "本"]),
    ("iso2022_jp", "iso-2022-jp", &["日", "本"]),
];
const UNICODE: &[&str] = &[
    "ä",
    "中",
    "\u{1f600}",
    "\u{a0}",
    "\u{2028}",
    "\u{85}",
    "e\u{301}",
    "\u{feff}",
    "¦",
    "\u{fffd}",
    "\u{10ffff}",
];

/// A dialect, and how a file in it is written.
pub(super) struct Plan {
    pub(super) dialect: Dialect,
    pub(super) job: Value,
    /// Letters beside ASCII that the encoding has.
    pub(super) letters: &'static [&'static str],
    /// Whether no text may have a line feed, because then it would be no file whose lines end with CR.
    pub(super) lacks_line_feeds: bool,
    /// Whether an empty text cannot be told from NULL.
    pub(super) lacks_empty: bool,
    /// Whether the columns may come in another order.
    pub(super) is_mixed: bool,
    pub(super) gzip: bool,
}

impl Plan {
    pub(super) fn random(random: &mut StdRng, seed: u64) -> Self {
        let (codec, label, letters) = pick(ENCODINGS, random);
        let is_own = random.random_ratio(2, 3);
        let quote = pick(&[Some('"'), Some('"'), Some('"'), Some('\''), None], random);
        let escape =
            if quote.is_none() { Some('\\') } else { pick(&[None, None, Some('\\'), Some('^')], random) };
        let separators: &[&str] = if is_own {
            &[",", ";", "\t", "|", "||", "|~|", "\u{1}", "\u{1f}\u{1f}"]
        } else {
            &[",", ";", "\t", "|"]
        };
        let separator = pick(separators, random);
        let ends: &[(&str, bool)] = &[
            ("\n", false),
            ("\r\n", false),
            ("\r\n", false),
            ("\r", false),
            ("\u{1e}", true),
            ("#~\n", true),
            ("\r", true),
        ];
        let (end, declares_end) = if is_own { pick(ends, random) } else { pick(&ends[..4], random) };
        let (null, nulls) =
            pick(&[("", ""), ("NULL", "NULL"), ("\\N", "\\N"), ("NA", "NA"), ("", "NULL")], random);
        let (null, nulls) = if quote.is_none() && !is_own { ("", "") } else { (null, nulls) };
        // Python's writer without quotes does not know the words for NULL, and escapes them. In front of another escape, `\N` is an ordinary word.
        let is_escaped = null.starts_with('\\') && (escape == Some('^') || !is_own && escape.is_some());
        let (null, nulls) = if is_escaped { ("NA", "NA") } else { (null, nulls) };
        let header = random.random();
        let comment = if is_own { pick(&["", "", "#", "//"], random) } else { "" };
        let head: &[&str] =
            if random.random_ratio(1, 4) { &["Report of \"Monday, it's", ",,;\t"] } else { &[] };
        let foot: &[&str] = if random.random_ratio(1, 4) { &["Total,5", "end"] } else { &[] };
        let names_separator =
            is_own && head.is_empty() && separator.len() == 1 && !declares_end && random.random_ratio(1, 5);
        let needs_mark = label.is_empty() && codec != "utf-8" || codec == "utf-8" && label == "windows-1252";
        let marks = if needs_mark {
            1
        } else if codec.starts_with("utf") {
            random.random_range(0..2)
        } else {
            0
        };
        let packing = pick(&["none", "none", "gzip", "zstd", "bzip2", "xz", "zip"], random);
        let dialect = Dialect {
            separator: if names_separator { b",".to_vec() } else { separator.as_bytes().to_vec() },
            quote: quote.map(|letter| letter as u8),
            escape: escape.map(|letter| letter as u8),
            record_end: if declares_end {
                RecordEnd::Bytes(end.as_bytes().to_vec())
            } else {
                RecordEnd::Line
            },
            header,
            nulls: words(nulls, escape),
            comment: comment.as_bytes().to_vec(),
            skip_lines: head.len() as u64,
            skip_footer: foot.len(),
            encoding: Encoding::for_label(label.as_bytes()),
            ..Dialect::default()
        };
        let job = json!({
            "seed": seed, "writer": if is_own { "own" } else { "csv" }, "quoting": pick(&["all", "minimal", "random"], random),
            "separator": separator, "quote": quote, "escape": escape, "end": end, "header": header,
            "trailing": is_own && header && random.random_ratio(1, 4), "null": (null),
            "nulls": if nulls.is_empty() { vec![] } else { vec![nulls] }, "comment": comment, "head": head, "foot": foot,
            "names_separator": names_separator, "blank_lines": random.random_ratio(1, 3), "open_end": random.random_ratio(1, 4),
            "codec": codec, "marks": marks, "packing": packing,
        });
        let (gzip, is_mixed) = (packing == "gzip" && random.random(), is_own && header);
        let lacks_line_feeds = end == "\r" && !declares_end;
        Self { dialect, job, letters, lacks_line_feeds, lacks_empty: quote.is_none(), is_mixed, gzip }
    }

    /// Returns a dialect in which an export can express every text of [`Self::letters`].
    pub(super) fn of_export(&self, random: &mut StdRng) -> Dialect {
        let is_unicode = self.job["codec"].as_str().is_some_and(|codec| codec.starts_with("utf"));
        let own = self.dialect.encoding.filter(|_| !is_unicode);
        let quote = pick(b"\"\"'", random);
        let null = pick(&["", "NULL", "NA"], random);
        let end = pick(&[None, None, Some("\u{1e}"), Some("#~\n"), Some("@;")], random);
        let encodings = [None, Some(encoding_rs::UTF_16LE), Some(encoding_rs::GB18030), own];
        let encoding = pick(if own.is_some() { &encodings } else { &encodings[..3] }, random);
        Dialect {
            separator: pick(&[",", ";", "\t", "|", "||", "|~|", "\u{1}"], random).as_bytes().to_vec(),
            quote: Some(quote),
            escape: pick(&[None, Some(b'\\'), Some(b'^')], random),
            record_end: end.map_or(RecordEnd::Line, |end| RecordEnd::Bytes(end.as_bytes().to_vec())),
            header: random.random(),
            nulls: if null.is_empty() { Vec::new() } else { vec![null.as_bytes().to_vec()] },
            null: null.as_bytes().to_vec(),
            comment: pick(&["", "#", "//"], random).as_bytes().to_vec(),
            encoding,
            ..Dialect::default()
        }
    }
}

/// Returns the words for NULL of a dialect, as a data format with this escape has them.
fn words(word: &str, escape: Option<char>) -> Vec<Vec<u8>> {
    let mut words = if word.is_empty() { Vec::new() } else { vec![word.as_bytes().to_vec()] };
    if escape == Some('\\') && word != "\\N" {
        words.push(b"\\N".to_vec());
    }
    words
}
