//! Decides how many rows to send at once, while a load searches for the refused rows.
//!
//! If the database names the row at fault, the rows before it are sent, and then this row alone. Otherwise, a group that the
//! database refuses is halved until one row is left. That costs about log2(g) groups for each refused row, where g is the
//! distance between refused rows: the search never sends a group again in which a row at fault is known to be, and after a
//! refused row it begins with as many rows as it passed before that row.

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
    /// Begins a search in `rows` rows. The first group is all of them, or, if the database has named a row of them before
    /// (counted from 1), the rows before this row.
    pub(super) fn new(rows: usize, named: Option<usize>) -> Self {
        let mut groups = Self { size: rows.max(1), suspected: 0, passed: 0 };
        if rows > 1 && named.is_some() {
            groups.refused(rows, named);
        }
        groups
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

    /// The database has refused a group of `count` rows, and may have named one of them, counted from 1. A group of one row
    /// is the row at fault.
    pub(super) fn refused(&mut self, count: usize, named: Option<usize>) {
        match named.filter(|row| (1..=count).contains(row)) {
            _ if count <= 1 => {
                (self.suspected, self.size) = (0, self.passed.max(1));
                self.passed = 0;
            }
            // First the rows before the named one, then the named one alone.
            Some(row) => (self.suspected, self.size) = (row, (row - 1).max(1)),
            None => (self.suspected, self.size) = (count, count / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the refused rows that a search finds among `rows` rows, and the number of groups that it sends.
    fn search(rows: usize, at_fault: impl Fn(usize) -> bool) -> (Vec<usize>, usize) {
        search_with_names(rows, at_fault, |_| None)
    }

    /// As [`search`], with the row that the database names for the first row at fault in a group.
    fn search_with_names(
        rows: usize,
        at_fault: impl Fn(usize) -> bool,
        named: impl Fn(usize) -> Option<usize>,
    ) -> (Vec<usize>, usize) {
        let (mut at, mut sent, mut found, mut groups) = (0, 0, Vec::new(), Groups::new(rows, None));
        while at < rows {
            let count = groups.next(rows - at);
            assert!(count > 0);
            sent += 1;
            let Some(first) = (at..at + count).position(&at_fault) else {
                groups.accepted(count);
                at += count;
                continue;
            };
            groups.refused(count, named(first));
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
    fn a_named_row_costs_few_groups_and_a_wrong_name_costs_more_groups() {
        let at_fault = |row| row % 100 == 50;
        let expected: Vec<usize> = (0..10_000).filter(|row| at_fault(*row)).collect();
        let (found, sent) = search_with_names(10_000, at_fault, |first| Some(first + 1));
        assert_eq!(found, expected);
        assert!(sent <= 5 * found.len(), "{sent} groups");
        for wrong in [0, 1, 2, 7, 100, 1_000_000] {
            let (found, _) = search_with_names(10_000, at_fault, |_| Some(wrong));
            assert_eq!(found, expected, "{wrong}");
        }
    }

    #[test]
    fn crowded_rows_at_fault_cost_little_more_than_themselves() {
        let (found, sent) = search(10_000, |row| (4_000..5_000).contains(&row));
        assert_eq!(found.len(), 1_000);
        assert!(sent < 1_060, "{sent} groups");
    }
}
