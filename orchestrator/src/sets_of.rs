//! The sets of one definition, found without an event: by a key of theirs, by captured values, or by a ledger.

use definition::trigger::{Captures, Trigger};
use jiff::Timestamp;

use crate::definitions::{Definitions, Triggered};
use crate::ledger::Ledger;
use crate::sets::Set;

/// The sets of one definition, found by a key of theirs.
pub(crate) struct SetsOf<'a> {
    triggered: Triggered<'a>,
    values: &'a [definition::ParameterValue],
}

impl<'a> SetsOf<'a> {
    /// Returns `None` if there is no such definition, or if drops do not start it.
    pub(crate) fn definition(definitions: &'a Definitions, name: &str) -> anyhow::Result<Option<Self>> {
        let Some(triggered) = definitions.triggered().find(|(file, ..)| file.name == name) else {
            return Ok(None);
        };
        definitions.check_values()?;
        Ok(Some(Self { triggered, values: definitions.values().unwrap_or_default() }))
    }

    pub(crate) fn trigger(&self) -> &'a Trigger {
        self.triggered.2
    }

    /// Returns when the file of the definition was uploaded.
    pub(crate) fn uploaded(&self) -> Timestamp {
        self.triggered.0.modified
    }

    pub(crate) fn set(&self, bucket: &str, captures: Captures) -> Set<'a> {
        Set::new(self.triggered, self.values, bucket, captures)
    }
}

/// Returns the captured values of the set of a ledger, if its files still match the trigger.
pub(crate) fn captures_of(ledger: &Ledger, trigger: &Trigger) -> Option<Captures> {
    let Ledger { head, next, .. } = ledger;
    let files = head.as_ref().map(|head| &head.files).or(next.as_ref().map(|next| &next.files))?;
    trigger.captures(&files.first()?.key)
}
