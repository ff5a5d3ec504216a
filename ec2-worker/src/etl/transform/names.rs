//! Recognises a record that has the names of the columns as its values: a header in the middle of a file, as in files that were
//! joined, or at the start of a file that is declared as one without a header.

use super::rows::Refusal;
use super::{FileReader, Layout, Plan};
use crate::etl::dialect::Form;
use crate::etl::header::{is_loosely, loose};
use crate::etl::records::Record;
use crate::etl::splitter::Span;

/// The source of the records, which decides how their columns are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowsOf {
    /// A file.
    #[default]
    File,
    /// A table of a database. Its columns have names.
    Table,
    /// A query. Its columns have names, but these need not be those of the table to fill.
    Query,
}

/// The column names, in the order of a record's fields.
pub(super) struct Names {
    /// The names without what makes no difference between a header and a table.
    loose: Vec<String>,
    /// Whether they stand in the header of the file. If not, they are those of the table.
    are_of_header: bool,
    /// For each byte, whether the first field of a header may begin with it.
    begins: [bool; 256],
}

impl Default for Names {
    fn default() -> Self {
        Self { loose: Vec::new(), are_of_header: false, begins: [false; 256] }
    }
}

impl Names {
    /// Returns the names of the fields in a layout. Those of a statement are the columns that its placeholders fill. Objects of JSON and the
    /// rows of a database have names of their own, so none of them is a header.
    pub(super) fn of(layout: &Layout, plan: &Plan) -> Self {
        if plan.rows_of != RowsOf::File || plan.dialect.source_form() == Form::Json {
            return Self::default();
        }
        let width = layout.width();
        let (names, are_of_header): (Vec<&str>, bool) = match layout {
            Layout::Binary(fit) | Layout::Text(fit) if !fit.names.is_empty() => {
                (fit.names.iter().map(String::as_str).collect(), true)
            }
            Layout::Statements(statement) if statement.is_named => {
                (statement.columns.iter().map(|column| column.name.as_str()).collect(), true)
            }
            Layout::Statements(statement) => (statement.targets.iter().map(String::as_str).collect(), false),
            Layout::Binary(_) | Layout::Text(_) => {
                let columns = (0..width).map(|field| layout.column_of(field));
                let names: Option<Vec<&str>> =
                    columns.map(|column| column.map(|column| column.name.as_str())).collect();
                (names.unwrap_or_default(), false)
            }
        };
        let loose: Vec<String> = names.into_iter().map(loose).collect();
        let mut begins = [false; 256];
        if loose.len() != width || loose.iter().any(String::is_empty) {
            return Self::default();
        }
        // A name in lower case may begin with another byte than in capitals if the letter is not ASCII.
        let first = loose.iter().filter_map(|name| name.bytes().next());
        for byte in first {
            begins[usize::from(byte)] = true;
            begins[usize::from(byte.to_ascii_uppercase())] = true;
        }
        for byte in *b" \t_-" {
            begins[usize::from(byte)] = true;
        }
        if begins[0x80..].contains(&true) {
            begins[0x80..].fill(true);
        }
        Self { loose, are_of_header, begins }
    }

    /// Returns whether a record may have the names as its values. It looks at one byte only, because every record is asked.
    #[inline]
    pub(super) fn may_begin(&self, window: &[u8], fields: &[Span]) -> bool {
        let first = fields.first().and_then(|span| window[span.start..span.end].first());
        first.is_some_and(|byte| self.begins[usize::from(*byte)])
    }
}

impl FileReader {
    /// Notes a record that has the names of the columns as its values. A record that has them in another order is refused,
    /// because the values of the records after it would get into the wrong columns.
    #[cold]
    pub(super) fn check_header_again(&mut self, record: &Record) -> Result<(), Refusal> {
        let (records, names) = (&self.records, &self.names);
        let window = records.window();
        let fields = records.splitter().fields().get(..names.loose.len()).unwrap_or_default();
        let longest = names.loose.iter().map(String::len).max().unwrap_or(0);
        let mut text = Vec::new();
        let mut found = Vec::with_capacity(fields.len());
        for span in fields {
            // Blanks in a name make no difference, but a long text is not a name.
            if span.end - span.start > 4 * longest + 16 {
                return Ok(());
            }
            let bytes = if span.escaped {
                records.splitter().unescape(window, *span, &mut text);
                text.as_slice()
            } else {
                &window[span.start..span.end]
            };
            let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
            let Some(name) = names.loose.iter().find(|name| is_loosely(text, name)) else { return Ok(()) };
            found.push(name);
        }
        if found.iter().copied().eq(&names.loose) {
            let are_of_header = self.names.are_of_header;
            self.records.note_header(record.at.line, are_of_header);
            return Ok(());
        }
        let (mut sorted, mut wanted) = (found, names.loose.iter().collect::<Vec<_>>());
        sorted.sort_unstable();
        wanted.sort_unstable();
        if sorted != wanted || sorted.windows(2).any(|two| two[0] == two[1]) {
            return Ok(());
        }
        let of = if names.are_of_header { "header" } else { "table" };
        Err((
            None,
            format!(
                "the record has the names of the columns in another order than the {of}, as a header in files that were joined; load the \
                 files one by one, or all of a directory, because each header then counts for its own file"
            ),
        ))
    }
}
