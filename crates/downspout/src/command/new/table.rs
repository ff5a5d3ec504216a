//! The table for a file, and how a load reads the file into it.

use ec2_worker::etl::column::{Column, ColumnType};
use ec2_worker::etl::dialect::Form;
use ec2_worker::etl::inspect::Inspection;
use ec2_worker::etl::inspect::verdict::SqlType;
use serde_json::{Map, Value, json};

use super::names;
use super::pattern::DropPattern;

/// One file of the pipeline.
pub(super) struct FileTable {
    pub(super) pattern: DropPattern,
    pub(super) inspection: Inspection,
    pub(super) sheet: Option<String>,
    /// The name of the table.
    pub(super) table: String,
    /// The names of the columns.
    pub(super) columns: Vec<String>,
    /// Whether the header lacks a name, or has one twice as far as PostgreSQL keeps it, so that a load needs the names of the
    /// columns by their places.
    pub(super) needs_places: bool,
}

impl FileTable {
    pub(super) fn of(pattern: DropPattern, inspection: Inspection, sheet: Option<String>) -> Self {
        let by_name = names::of_header(&inspection.names);
        // A load finds the row names by their position, too, because the header has no name for their column.
        let needs_places = by_name.is_none() || inspection.rows.has_r_header;
        let columns = by_name.unwrap_or_else(|| names::of_places(&inspection.names));
        let table = names::plain(&pattern.stem, "data");
        Self { pattern, inspection, sheet, table, columns, needs_places }
    }

    /// Returns the type of each column.
    pub(super) fn types(&self) -> Vec<SqlType> {
        let verdicts = self.inspection.verdicts.iter().zip(&self.columns);
        let of = |(verdict, name): (&ec2_worker::etl::inspect::verdict::Verdict, &String)| {
            // `myColumn` has a blank after the name of its column.
            let has_pattern = !verdict.patterns.is_empty();
            if has_pattern && name.contains(char::is_whitespace) { SqlType::Text } else { verdict.safe() }
        };
        verdicts.map(of).collect()
    }

    /// Returns the columns as a load knows them.
    pub(super) fn load_columns(&self) -> Vec<Column> {
        let column = |(name, of): (&String, SqlType)| Column {
            name: name.clone(),
            type_name: of.to_string(),
            kind: match of {
                SqlType::Boolean => ColumnType::Bool,
                SqlType::Integer => ColumnType::Int4,
                SqlType::Bigint => ColumnType::Int8,
                SqlType::Numeric => ColumnType::Numeric(None),
                SqlType::Double => ColumnType::Float8,
                SqlType::Date => ColumnType::Date,
                SqlType::Timestamp => ColumnType::Timestamp,
                SqlType::Timestamptz => ColumnType::TimestampTz,
                SqlType::Time => ColumnType::Time,
                SqlType::Uuid => ColumnType::Uuid,
                SqlType::Jsonb => ColumnType::Jsonb,
                SqlType::Text => ColumnType::Text(None),
            },
            not_null: false,
            has_default: false,
            precision: None,
            stored_as: None,
            inside: None,
        };
        self.columns.iter().zip(self.types()).map(column).collect()
    }

    /// Returns the data format of the file as an object of a definition.
    pub(super) fn format(&self, id: &str) -> Value {
        let (rows, survey) = (&self.inspection.rows, &self.inspection.survey);
        let dialect = &rows.dialect;
        let mut fields = Map::new();
        let mut set = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
        set("id", json!(id));
        match survey.form {
            Form::Json => {
                set("type", json!("CSV"));
                set("myDialect", json!("json"));
            }
            Form::Workbook => {
                set("type", json!("CSV"));
                set("myDialect", json!("xlsx"));
                if let Some(sheet) = &self.sheet {
                    set("mySheet", json!(sheet));
                }
            }
            Form::Text => set_text_fields(dialect, &mut set),
        }
        if !dialect.comment.is_empty() {
            set("myCommentPrefix", json!(String::from_utf8_lossy(&dialect.comment)));
        }
        if dialect.skip_lines > 0 {
            set("mySkipLines", json!(dialect.skip_lines.to_string()));
        }
        if rows.header.is_some() && survey.form != Form::Json {
            set("myHeader", json!("true"));
        }
        if self.needs_places {
            set("column", json!(self.columns));
        }
        if let Some(encoding) = survey.declared {
            set("myEncoding", json!(encoding.name().to_lowercase()));
        }
        self.set_value_fields(&mut set);
        Value::Object(fields)
    }

    fn set_value_fields(&self, set: &mut impl FnMut(&str, Value)) {
        let rules = &self.inspection.rules;
        let mut patterns = Vec::new();
        for ((name, verdict), of) in self.columns.iter().zip(&self.inspection.verdicts).zip(self.types()) {
            let is_read = matches!(of, SqlType::Date | SqlType::Timestamp | SqlType::Timestamptz);
            patterns.extend(verdict.patterns.iter().filter(|_| is_read).map(|of| format!("{name} {of}")));
        }
        if !patterns.is_empty() {
            set("myColumn", list(patterns));
        }
        let (decimal, grouping) = ec2_worker::etl::inspect::number::FORMS[rules.form];
        if rules.has_numbers && decimal != '.' {
            set("myDecimal", json!(decimal.to_string()));
        }
        if let Some(grouping) = grouping.filter(|_| rules.has_numbers) {
            set("myGrouping", json!(grouping.to_string()));
        }
        if !rules.currencies.is_empty() {
            set("myCurrency", list(rules.currencies.iter().map(ToString::to_string).collect()));
        }
        if rules.has_percentages {
            set("myPercent", json!("true"));
        }
        if rules.has_trailing_signs {
            set("myTrailingSign", json!("true"));
        }
        if !rules.truths.is_empty() {
            set("myTrue", list(words(rules.truths.iter().map(|(truth, _)| *truth))));
            set("myFalse", list(words(rules.truths.iter().map(|(_, falsehood)| *falsehood))));
        }
        if !rules.nulls.is_empty() {
            set("myNullValues", list(rules.nulls.iter().map(ToString::to_string).collect()));
        }
        if rules.has_quoted_nulls {
            set("myQuotedNulls", json!("true"));
        }
    }
}

fn set_text_fields(dialect: &ec2_worker::etl::dialect::Dialect, set: &mut impl FnMut(&str, Value)) {
    let (kind, usual_quote) = match dialect.separator.as_slice() {
        b"," => ("CSV", Some(b'"')),
        b"\t" => ("TSV", None),
        _ => ("Custom", Some(b'"')),
    };
    set("type", json!(kind));
    if kind == "Custom" {
        set("columnSeparator", json!(written(&dialect.separator)));
    }
    if dialect.quote != usual_quote {
        set("myQuote", json!(dialect.quote.map_or_else(|| "none".to_owned(), |quote| written(&[quote]))));
    }
    if let Some(escape) = dialect.escape {
        set(if kind == "Custom" { "myEscapeChar" } else { "escapeChar" }, json!(written(&[escape])));
    }
}

/// Returns special bytes as a definition writes them.
fn written(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let letter = |c: char| match c {
        '\t' => "\\t".to_owned(),
        '\\' => "\\\\".to_owned(),
        _ if c.is_control() => format!("\\x{:02x}", u32::from(c)),
        _ => c.to_string(),
    };
    text.chars().map(letter).collect()
}

/// Returns one text, or a list of several.
fn list(mut texts: Vec<String>) -> Value {
    if texts.len() == 1 { json!(texts.remove(0)) } else { json!(texts) }
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let words: std::collections::BTreeSet<&str> = words.collect();
    words.into_iter().map(str::to_owned).collect()
}
