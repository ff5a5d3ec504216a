//! Matches a key with the parts of a pattern, in a time that grows linearly with the key.
//!
//! From the end of the pattern to its beginning, a table notes for each part at which positions of the key a match of
//! the rest can begin. So the search for the captures, from the beginning to the end, never has to go back.

use std::collections::BTreeMap;

use super::Captures;
use super::class::{CharSet, Run};
use super::date_form::DateForm;
use super::part::{Part, Takes};

/// How far a key may differ from a pattern and still match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Laxity {
    case: Case,
    /// Whether captures take everything but `/`.
    is_any_text_captured: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Exact,
    /// Upper and lower case are equal in the last segment, the name of the file.
    IgnoredInName,
    Ignored,
}

impl Laxity {
    pub(super) const NONE: Self = Self { case: Case::Exact, is_any_text_captured: false };
    pub(super) const CASE_OF_NAME: Self = Self { case: Case::IgnoredInName, is_any_text_captured: false };
    pub(super) const CASE: Self = Self { case: Case::Ignored, is_any_text_captured: false };
    pub(super) const ALL: Self = Self { case: Case::Ignored, is_any_text_captured: true };
}

/// One row of the table.
enum Row<'p> {
    /// A literal text, with the index of the first character whose case is ignored.
    Literal {
        letters: Vec<char>,
        loose_from: usize,
    },
    Run(&'p CharSet, usize, usize),
    Date(&'p DateForm, bool),
}

/// The parts of a pattern as rows.
pub(super) struct Matcher<'p> {
    parts: &'p [Part],
    rows: Vec<Row<'p>>,
    /// The index of the first row of each part, and the number of rows.
    begins: Vec<usize>,
    ignores_case: bool,
}

impl<'p> Matcher<'p> {
    pub(super) fn new(parts: &'p [Part], laxity: Laxity) -> Self {
        let (mut rows, mut begins) = (Vec::new(), Vec::new());
        let has_slash = |part: &Part| matches!(part, Part::Literal(text) if text.contains('/'));
        let last_slash = parts.iter().rposition(has_slash);
        for (index, part) in parts.iter().enumerate() {
            begins.push(rows.len());
            let is_in_name = last_slash.is_none_or(|last| index > last);
            let ignores_case = match laxity.case {
                Case::Exact => false,
                Case::IgnoredInName => is_in_name,
                Case::Ignored => true,
            };
            match part {
                Part::Literal(text) => {
                    let letters: Vec<char> = text.chars().collect();
                    let after_slash =
                        letters.iter().rposition(|letter| *letter == '/').map_or(0, |at| at + 1);
                    let loose_from = match laxity.case {
                        Case::IgnoredInName if last_slash == Some(index) => after_slash,
                        _ if ignores_case => 0,
                        _ => letters.len(),
                    };
                    rows.push(Row::Literal { letters, loose_from });
                }
                Part::Star { least } => rows.push(Row::Run(&CharSet::Any, *least, usize::MAX)),
                Part::Capture { .. } if laxity.is_any_text_captured => {
                    rows.push(Row::Run(&CharSet::Any, 1, usize::MAX));
                }
                Part::Capture { takes, .. } => match takes {
                    Takes::Plain => rows.push(Row::Run(&CharSet::Safe, 1, usize::MAX)),
                    Takes::Date(form) => rows.push(Row::Date(form, ignores_case)),
                    Takes::Class { runs, .. } => {
                        rows.extend(runs.iter().map(|Run { set, least, most }| Row::Run(set, *least, *most)));
                    }
                },
            }
        }
        begins.push(rows.len());
        Self { parts, rows, begins, ignores_case: laxity.case != Case::Exact }
    }

    /// Returns the values that are captured from `key`, or `None` if the key does not match, and the number of steps.
    pub(super) fn captures(&self, key: &str) -> (Option<Captures>, u64) {
        let mut steps = 1;
        if let (Some(Part::Literal(first)), false) = (self.parts.first(), self.ignores_case)
            && !key.starts_with(first.as_str())
        {
            return (None, steps);
        }
        let letters: Vec<char> = key.chars().collect();
        let table = self.table(&letters, &mut steps);
        let found = if table[0][0] { self.walk(&letters, &table, &mut steps) } else { None };
        (found, steps)
    }

    /// Returns for each row and position whether the rest of the key matches from this row on.
    fn table(&self, key: &[char], steps: &mut u64) -> Vec<Vec<bool>> {
        let mut table = vec![vec![false; key.len() + 1]; self.rows.len() + 1];
        table[self.rows.len()][key.len()] = true;
        for (index, row) in self.rows.iter().enumerate().rev() {
            let (rows, after) = table.split_at_mut(index + 1);
            row.fill(key, &after[0], &mut rows[index], steps);
        }
        table
    }

    /// Reads the captures from the beginning of the key on. Each takes as few characters as possible.
    fn walk(&self, key: &[char], table: &[Vec<bool>], steps: &mut u64) -> Option<Captures> {
        let mut bound: BTreeMap<String, String> = BTreeMap::new();
        let mut at = 0;
        for (index, part) in self.parts.iter().enumerate() {
            let (first, end) = (self.begins[index], self.begins[index + 1]);
            let begin = at;
            if let Part::Capture { name, takes } = part
                && let Some(value) = bound.get(name)
            {
                let written: Vec<char> = takes.written(value)?.chars().collect();
                *steps += written.len() as u64;
                let is_here = key[at..].starts_with(&written);
                at += written.len();
                if !is_here || !table[end][at] {
                    return None;
                }
                continue;
            }
            for row in first..end {
                at = self.rows[row].shortest(key, at, &table[row + 1], steps)?;
            }
            if let Part::Capture { name, takes } = part {
                let text: String = key[begin..at].iter().collect();
                let value = match takes {
                    Takes::Date(form) => form.value(&text, self.ignores_case).unwrap_or(text),
                    Takes::Plain if text == "." || text == ".." => return None,
                    Takes::Plain | Takes::Class { .. } => text,
                };
                bound.insert(name.clone(), value);
            }
        }
        Some(Captures(bound))
    }
}

impl Row<'_> {
    /// Fills the row of the table: from which positions this row and all after it match. `after` is the row after it.
    fn fill(&self, key: &[char], after: &[bool], here: &mut [bool], steps: &mut u64) {
        match self {
            Self::Literal { letters, loose_from } => {
                for (at, is_begin) in here.iter_mut().enumerate() {
                    *is_begin = after.get(at + letters.len()) == Some(&true)
                        && is_literal(&key[at..], letters, *loose_from, steps);
                    *steps += 1;
                }
            }
            Self::Run(set, least, most) => {
                // How many characters of the set follow, and the next position from which the rest matches.
                let mut run = 0;
                let next = nexts(after);
                for at in (0..=key.len()).rev() {
                    *steps += 1;
                    run = if key.get(at).is_some_and(|letter| set.has(*letter)) { run + 1 } else { 0 };
                    here[at] = *least <= run && next[at + least] <= at + run.min(*most);
                }
            }
            Self::Date(form, ignores_case) => {
                for (at, is_begin) in here.iter_mut().enumerate() {
                    *is_begin = form.ends(key, at, *ignores_case, steps).iter().any(|end| after[*end]);
                    *steps += 1;
                }
            }
        }
    }

    /// Returns the first end of this row from `at` on after which the rest matches.
    fn shortest(&self, key: &[char], at: usize, after: &[bool], steps: &mut u64) -> Option<usize> {
        match self {
            Self::Literal { letters, .. } => Some(at + letters.len()),
            Self::Run(_, least, _) => {
                let end = after.iter().skip(at + least).position(|is_begin| *is_begin)?;
                *steps += end as u64 + 1;
                Some(at + least + end)
            }
            Self::Date(form, ignores_case) => {
                let ends = form.ends(key, at, *ignores_case, steps);
                ends.into_iter().find(|end| after[*end])
            }
        }
    }
}

/// Returns for each position the first position from there on that is `true`, or a position behind all.
fn nexts(row: &[bool]) -> Vec<usize> {
    let mut next = vec![usize::MAX; row.len() + 1];
    for at in (0..row.len()).rev() {
        next[at] = if row[at] { at } else { next[at + 1] };
    }
    next
}

fn is_literal(key: &[char], letters: &[char], loose_from: usize, steps: &mut u64) -> bool {
    key.iter().zip(letters).enumerate().all(|(index, (one, other))| {
        *steps += 1;
        one == other || (index >= loose_from && one.to_lowercase().eq(other.to_lowercase()))
    })
}
