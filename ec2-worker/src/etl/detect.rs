//! Finds the separator, the quote and the escape of a file in a sample of it.
//!
//! Every combination cuts the sample into records. The best one gives the most records with the same number of
//! fields, beginning with the first record.

use super::dialect::{Dialect, shown};
use super::splitter::{Splitter, Step};

/// The separators that are tried. Among equals the first is taken: a comma often stands in numbers and texts.
const SEPARATORS: [u8; 6] = [b'\t', b'|', b';', b',', b'\x01', b'^'];
/// The quotes and escapes that are tried. Among equals the first is taken.
const QUOTING: [(Option<u8>, Option<u8>); 6] = [
    (Some(b'"'), None),
    (Some(b'"'), Some(b'\\')),
    (Some(b'\''), None),
    (Some(b'\''), Some(b'\\')),
    (None, None),
    (None, Some(b'\\')),
];
/// The largest number of records that are looked at.
const RECORDS: usize = 2000;

/// A dialect that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The dialect.
    pub dialect: Dialect,
    /// A sentence for the user.
    pub note: String,
}

/// Finds the dialect of a file that begins with `sample`. `is_whole` says that the sample is the whole file. `columns`
/// is the number of columns that a record should have, if that is known. Without any separator in the sample, the
/// declared dialect stays.
#[must_use]
pub fn dialect(declared: &Dialect, sample: &[u8], is_whole: bool, columns: Option<usize>) -> Found {
    let mut best: Option<(Score, Dialect)> = None;
    for separator in SEPARATORS {
        for (quote, escape) in QUOTING {
            let is_used = |byte: Option<u8>| byte.is_none_or(|byte| memchr::memchr(byte, sample).is_some());
            if !is_used(Some(separator)) || !is_used(escape) || (quote == Some(b'\'') && !is_used(quote)) {
                continue;
            }
            let tried =
                Dialect { separator: vec![separator], quote, escape, detects: false, ..declared.clone() };
            let score = score(&tried, sample, is_whole, columns);
            if score.columns > 1 && best.as_ref().is_none_or(|(known, _)| score.is_better(known)) {
                best = Some((score, tried));
            }
        }
    }
    let Some((_, dialect)) = best else {
        let dialect = Dialect { detects: false, ..declared.clone() };
        let note = format!("no separator was found; read with the separator {}", dialect.shown_separator());
        return Found { dialect, note };
    };
    let dialect = with_comments(dialect, sample, is_whole);
    let note = note(&dialect);
    Found { dialect, note }
}

fn note(dialect: &Dialect) -> String {
    let mut note = format!("found the separator {}", dialect.shown_separator());
    match dialect.quote {
        Some(quote) => note.push_str(&format!(", the quote {}", shown(&[quote]))),
        None => note.push_str(", no quotes"),
    }
    if let Some(escape) = dialect.escape {
        note.push_str(&format!(", the escape {}", shown(&[escape])));
    }
    if !dialect.comment.is_empty() {
        note.push_str(&format!(", comments after {}", shown(&dialect.comment)));
    }
    note
}

/// How well a dialect fits a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Score {
    /// The number of fields that most records have.
    columns: usize,
    /// The share of records with that number, less the share of records with faults.
    agreement: f64,
    /// Whether the first record has that number of fields, and all of them have a text.
    has_header: bool,
    /// Whether the number is the expected one.
    is_expected: bool,
    /// The share of fields that still have quotes around them or escaped quotes in them, as text.
    quotes_left: f64,
}

impl Score {
    fn is_better(&self, other: &Self) -> bool {
        let total = |score: &Self| {
            score.agreement
                + 0.5 * f64::from(u8::from(score.has_header))
                + 0.5 * f64::from(u8::from(score.is_expected))
                - score.quotes_left
        };
        total(self) > total(other) + 1e-9
    }
}

fn score(dialect: &Dialect, sample: &[u8], is_whole: bool, columns: Option<usize>) -> Score {
    let records = counted(dialect, sample, is_whole);
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for record in &records {
        *counts.entry(record.fields).or_default() += 1;
    }
    let (columns_found, agreeing) =
        counts.into_iter().max_by_key(|(fields, count)| (*count, *fields)).unwrap_or_default();
    let (total, fields) = (
        records.len().max(1) as f64,
        records.iter().map(|record| record.fields).sum::<usize>().max(1) as f64,
    );
    let faulty = records.iter().filter(|record| record.is_faulty).count() as f64;
    let left = records.iter().map(|record| record.quotes_left).sum::<usize>();
    let left = (left + apostrophes_left(&records)) as f64;
    Score {
        columns: columns_found,
        agreement: (agreeing as f64 - faulty) / total,
        has_header: records.first().is_some_and(|first| first.fields == columns_found && first.is_full),
        is_expected: columns == Some(columns_found),
        quotes_left: left / fields,
    }
}

/// A record of the sample.
struct Counted {
    fields: usize,
    is_faulty: bool,
    /// Whether every field has a text.
    is_full: bool,
    /// The number of unquoted fields with quotes around them, and of fields with `\"` in them.
    quotes_left: usize,
    /// For each field, whether it has apostrophes around it; `None` for an empty field, and for two apostrophes alone.
    apostrophes: Vec<Option<bool>>,
    is_hash: bool,
}

fn counted(dialect: &Dialect, sample: &[u8], is_whole: bool) -> Vec<Counted> {
    let mut splitter = Splitter::new(dialect);
    let (mut at, mut records) = (0, Vec::new());
    while at < sample.len() && records.len() < RECORDS {
        match splitter.split(sample, at, is_whole) {
            Step::Record { len, .. } => {
                let record = &sample[at..at + len];
                at += len;
                if record.iter().all(u8::is_ascii_whitespace) || is_comment(dialect, record) {
                    continue;
                }
                let texts = splitter.fields().iter().map(|span| (&sample[span.start..span.end], span.quoted));
                let has_quotes_left = |(text, quoted): &(&[u8], bool)| {
                    let around = is_within(text, b'"');
                    let escaped = dialect.escape.is_none() && memchr::memmem::find(text, b"\\\"").is_some();
                    (!quoted && around) || escaped
                };
                records.push(Counted {
                    fields: splitter.fields().len(),
                    is_faulty: splitter.text_after_quote().is_some(),
                    is_full: texts
                        .clone()
                        .all(|(text, _)| !matches!(text.trim_ascii(), b"" | b"\"\"" | b"''")),
                    quotes_left: texts.clone().filter(has_quotes_left).count(),
                    apostrophes: texts
                        .map(|(text, quoted)| {
                            (!matches!(text, b"" | b"''")).then(|| !quoted && is_within(text, b'\''))
                        })
                        .collect(),
                    is_hash: record.starts_with(b"#"),
                });
            }
            Step::NeedMore => break,
            Step::QuoteOpen(_) => {
                let fields = splitter.fields().len() + 1;
                records.push(Counted {
                    fields,
                    is_faulty: true,
                    is_full: false,
                    quotes_left: 0,
                    apostrophes: Vec::new(),
                    is_hash: false,
                });
                break;
            }
        }
    }
    records
}

fn is_within(text: &[u8], quote: u8) -> bool {
    text.len() > 1 && text[0] == quote && text.ends_with(&[quote])
}

/// Returns the number of fields with apostrophes around them, in columns in which all records have them, perhaps without the
/// header. In another column, apostrophes belong to the texts.
fn apostrophes_left(records: &[Counted]) -> usize {
    let Some(first) = records.first() else { return 0 };
    let has = |record: &Counted, column: usize| record.apostrophes.get(column).copied().flatten();
    let count = |column: usize| {
        let begin = usize::from(has(first, column) == Some(false));
        let found: Vec<bool> = records[begin..].iter().filter_map(|record| has(record, column)).collect();
        if found.len() > begin && found.iter().all(|has| *has) { found.len() } else { 0 }
    };
    (0..first.apostrophes.len()).map(count).sum()
}

fn is_comment(dialect: &Dialect, record: &[u8]) -> bool {
    !dialect.comment.is_empty() && record.starts_with(&dialect.comment)
}

/// Takes lines at the start for comments if they begin with `#` and have another number of fields than the others.
fn with_comments(dialect: Dialect, sample: &[u8], is_whole: bool) -> Dialect {
    let records = counted(&dialect, sample, is_whole);
    let hashes = records.iter().take_while(|record| record.is_hash).count();
    let Some(usual) = records.get(hashes).map(|record| record.fields) else { return dialect };
    let odd = records[..hashes].iter().all(|record| record.fields != usual);
    if hashes == 0 || !odd || !dialect.comment.is_empty() {
        return dialect;
    }
    Dialect { comment: b"#".to_vec(), ..dialect }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sample: &str, columns: Option<usize>) -> String {
        dialect(&Dialect { detects: true, ..Dialect::default() }, sample.as_bytes(), true, columns).note
    }

    #[test]
    fn separators_are_found_though_other_separators_stand_in_the_texts() {
        assert_eq!(found("id;amount\n1;1,5\n2;2,5\n", None), "found the separator `;`, the quote `\"`");
        assert_eq!(found("id,tags\n1,a|b\n2,c|d\n", None), "found the separator `,`, the quote `\"`");
        assert_eq!(found("1;1,5\n2;2,5\n", Some(2)), "found the separator `;`, the quote `\"`");
        assert_eq!(found("a\tb\n1\t2,3\n", None), "found the separator tab, the quote `\"`");
        assert_eq!(
            found("id,note\n1,\"a;b;c\nd\"\n2,\"x\"\"y\"\n", None),
            "found the separator `,`, the quote `\"`"
        );
        assert_eq!(found("id\n1\n2\n", None), "no separator was found; read with the separator `,`");
    }

    #[test]
    fn quotes_and_escapes_are_found_by_the_records_that_they_make_whole() {
        assert_eq!(
            found("id,name\n1,Smith\\, John\n2,C:\\\\data\n3,plain\n", None),
            "found the separator `,`, the quote `\"`, the escape `\\`"
        );
        assert_eq!(
            found("id,name\n1,\"say \\\"a,b\\\" now\"\n2,x\n", None),
            "found the separator `,`, the quote `\"`, the escape `\\`"
        );
        assert_eq!(found("id,name\n1,'a,b'\n2,'c'\n", None), "found the separator `,`, the quote `'`");
        assert_eq!(
            found("id\tsize\n1\t\"5\n2\t6\"\n3\t\"7\n4\t8\n", None),
            "found the separator tab, no quotes"
        );
    }

    #[test]
    fn apostrophes_are_quotes_only_where_a_whole_column_has_them_or_a_record_needs_them() {
        for (sample, quote) in [
            ("name,note\nw,''\nx,y\n", '"'),
            ("name,note\n1,'tis said'\n2,plain\n", '"'),
            ("name,note\n1,'a'\n2,\n3,'b'\n", '\''),
            ("'name','note'\n1,'a'\n2,\n3,'b'\n", '\''),
            ("1,'a'\n2,'b'\n", '\''),
            ("name,note\n1,'a,b'\n2,c\n", '\''),
        ] {
            assert_eq!(
                found(sample, None),
                format!("found the separator `,`, the quote `{quote}`"),
                "{sample}"
            );
        }
    }

    #[test]
    fn an_empty_name_in_quotes_does_not_speak_against_the_quotes() {
        let frame = "\"\",\"id\",\"val\"\n\"1\",1,NA\n\"2\",2,3.5\n";
        assert_eq!(found(frame, None), "found the separator `,`, the quote `\"`");
    }

    #[test]
    fn lines_of_remarks_before_the_header_are_comments() {
        let note = found("# made by a tool\n# on Monday\nid;name\n1;a\n", None);
        assert_eq!(note, "found the separator `;`, the quote `\"`, comments after `#`");
        assert_eq!(found("#id;name\n1;a\n", None), "found the separator `;`, the quote `\"`");
    }
}
