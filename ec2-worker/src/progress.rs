//! Gathers the fields and log lines of a task while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Fields as the service stores them. A key may appear more than once.
pub type Fields = Vec<(String, String)>;

/// The largest number of lines in the log of an activity; further lines are dropped. People read the log, so more lines
/// would not help.
const LINES: usize = 10_000;
/// The largest number of values that [`Progress::add`] keeps for one key.
const MOST_VALUES: usize = 10;

/// The fields and log lines of one task. Activities write them, and the runner reads them.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    fields: Fields,
    log: Vec<String>,
}

impl Progress {
    /// Sets the field `key` to one value, and removes its earlier values.
    pub fn set(&self, key: &str, value: impl ToString) {
        let mut state = self.state();
        state.fields.retain(|(known, _)| known != key);
        state.fields.push((key.to_owned(), value.to_string()));
    }

    /// Adds a value to the field `key`. A value that the field has already, and any value after the tenth, is dropped.
    pub fn add(&self, key: &str, value: impl Into<String>) {
        let field = (key.to_owned(), value.into());
        let mut state = self.state();
        let values = state.fields.iter().filter(|(known, _)| known == key).count();
        if values < MOST_VALUES && !state.fields.contains(&field) {
            state.fields.push(field);
        }
    }

    /// Adds a remark for the user, to the log and to the field `note`.
    pub fn note(&self, text: impl Into<String>) {
        let text = text.into();
        self.log(&text);
        self.add("note", text);
    }

    /// Replaces all fields by `fields`.
    pub fn replace(&self, fields: Fields) {
        self.state().fields = fields;
    }

    /// Adds a line to the log, with the present time.
    pub fn log(&self, line: &str) {
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut state = self.state();
        if state.log.len() < LINES {
            state.log.push(format!("{at} {line}"));
        }
    }

    /// Returns the fields so far.
    #[must_use]
    pub fn fields(&self) -> Fields {
        self.state().fields.clone()
    }

    /// Returns the log so far.
    #[must_use]
    pub fn log_text(&self) -> String {
        let state = self.state();
        let mut text = state.log.join("\n");
        text.push('\n');
        text
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_one_value_or_several_that_differ() {
        let progress = Progress::default();
        progress.set("rowsLoaded", 1);
        progress.set("rowsLoaded", 2);
        progress.add("note", "a");
        progress.add("note", "a");
        progress.add("note", "b");
        let keys: Vec<_> =
            progress.fields().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(keys, ["rowsLoaded=2", "note=a", "note=b"]);
    }
}
