//! Decides how many rows to send at once, while a load searches for the refused rows.
//!
//! A group that the database refuses is halved until one row is left. The search costs about log2(g) groups for each
//! refused row, where g is the distance between refused rows: it never sends a group again in which a row at fault is
//! known to be, and after a refused row it begins with as many rows as it passed before that row.

/// The search for refused rows in a sequence of rows.
pub(super) struct Groups {
    /// The number of rows to send next.
    size: usize,
    /// How many of the next rows were refused together, so that a row at fault is probably among them; 0 if none were.
    suspected: usize,
    /// The number of rows that the database has accepted since the last refused row.
    passed: usize,
}

impl Groups {
    /// Begins a search in `rows` rows, with all of them as the first group.
    pub(super) fn new(rows: usize) -> Self {
        Self { size: rows.max(1), suspected: 0, passed: 0 }
    }

    /// Returns the size of the next group if `left` rows are left.
    pub(super) fn next(&self, left: usize) -> usize {
        self.size.min(left)
    }

    /// The database has accepted a group of `count` rows.
    pub(super) fn accepted(&mut self, count: usize) {
        self.passed += count;
        self.suspected = self.suspected.saturating_sub(count);
        self.size = if self.suspected > 0 { self.suspected.div_ceil(2) } else { count * 2 };
    }

    /// The database has refused a group of `count` rows. A group of one row is the row at fault.
    pub(super) fn refused(&mut self, count: usize) {
        if count > 1 {
            (self.suspected, self.size) = (count, count / 2);
        } else {
            (self.suspected, self.size) = (0, self.passed.max(1));
            self.passed = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the refused rows that a search finds among `rows` rows, and the number of groups that it sends.
    fn search(rows: usize, at_fault: impl Fn(usize) -> bool) -> (Vec<usize>, usize) {
        let (mut at, mut sent, mut found, mut groups) = (0, 0, Vec::new(), Groups::new(rows));
        while at < rows {
            let count = groups.next(rows - at);
            assert!(count > 0);
            sent += 1;
            if !(at..at + count).any(&at_fault) {
                groups.accepted(count);
                at += count;
                continue;
            }
            groups.refused(count);
            if count == 1 {
                found.push(at);
                at += 1;
            }
        }
        (found, sent)
    }

    #[test]
    fn every_row_at_fault_is_found_with_few_groups() {
        let rows = 10_000;
        for every in [1, 2, 3, 10, 100, 999, 5_000, 10_000] {
            let (found, sent) = search(rows, |row| row % every == every / 2);
            let expected: Vec<usize> = (0..rows).filter(|row| row % every == every / 2).collect();
            assert_eq!(found, expected, "every {every}");
            let most = found.len() * (every.ilog2() as usize + 4) + 30;
            assert!(sent <= most, "every {every}: {sent} groups, at most {most}");
        }
    }

    #[test]
    fn crowded_rows_at_fault_cost_little_more_than_themselves() {
        let (found, sent) = search(10_000, |row| (4_000..5_000).contains(&row));
        assert_eq!(found.len(), 1_000);
        assert!(sent < 1_060, "{sent} groups");
    }
}
