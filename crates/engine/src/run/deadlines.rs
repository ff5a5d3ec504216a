//! Time-outs and retry delays: which instance is due when.

use jiff::Timestamp;

use crate::run::Run;

impl Run {
    /// Returns the instances that are due at `now`, the most overdue first.
    pub(crate) fn due(&self, now: Timestamp) -> Vec<usize> {
        self.deadlines.iter().take_while(|(due, _)| *due <= now).map(|(_, place)| *place).collect()
    }

    /// Brings the index up to date with the instance at `place`.
    pub(crate) fn refresh_deadline(&mut self, place: usize) {
        let due = self.instances[place].deadline(self.header.is_suspended);
        let kept = self.indexed[place];
        if kept == due {
            return;
        }
        if let Some(old) = kept {
            self.deadlines.remove(&(old, place));
        }
        if let Some(new) = due {
            self.deadlines.insert((new, place));
        }
        self.indexed[place] = due;
    }
}
