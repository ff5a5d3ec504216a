//! Counts the values of a column by their kinds, in one pass and in bounded memory.

use std::collections::hash_map::{Entry, HashMap};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use super::moments::DateCounts;
use super::numbers::Numbers;
use super::place::{Place, SHOWN, cut};
use super::{moment, number, words};

/// After this many values, a class to which fewer than half of them belong is not counted any more.
const GIVE_UP_AFTER: u64 = 500;
/// The largest number of examples of a column.
const EXAMPLES: usize = 3;

/// A kind of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// True or false, by the pair of words with this index.
    Truth(usize),
    /// A UUID with its hyphens.
    Uuid,
    /// A date, with or without a time of day.
    Moment,
    /// A time of day.
    Time,
    /// A number, in the form with this index.
    Number(usize),
    /// An object or an array of JSON.
    Json,
}

/// How many values are of a class.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The number of values of the class.
    pub fits: u64,
    /// The first values that are not.
    pub misfits: Vec<Place>,
}

/// How often a null word is in a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NullWord {
    /// How often it is there, with and without quotes.
    pub count: u64,
    /// How often it is in quotes.
    pub quoted: u64,
}

/// The statistics of a column.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The number of fields with a text.
    pub values: u64,
    /// The number of fields without a text and without quotes. Such a field means NULL.
    pub nulls: u64,
    /// The number of quoted fields without a text.
    pub empty: u64,
    /// The null words in the column. They count as values.
    pub null_words: BTreeMap<&'static str, NullWord>,
    /// The classes that are still possible.
    pub classes: BTreeMap<Class, Tally>,
    /// For each pair of words, whether the word for false was seen, and whether the word for true was.
    pub truths: [[bool; 2]; words::TRUTHS.len()],
    /// The findings about numbers.
    pub numbers: Numbers,
    /// The findings about dates.
    pub moments: DateCounts,
    /// The number of values in quotes.
    pub quoted: u64,
    /// The form that all values have, if they have one in common: see `text_pattern`.
    shape: Option<String>,
    /// The smallest text.
    pub least: Option<String>,
    /// The largest text.
    pub most: Option<String>,
    /// The length of the longest text, in characters.
    pub longest: usize,
    /// The first different values.
    pub examples: Vec<Place>,
    /// The number of values that begin or end with a blank.
    pub blanks: u64,
    /// The first of these values.
    pub blank_places: Vec<Place>,
    /// The number of values with a backslash before a letter that some programs write for a line break or a tab.
    pub escapes: u64,
    /// The first of these values.
    pub escape_places: Vec<Place>,
    /// The number of values that were there before, in an earlier row.
    pub duplicates: u64,
    /// The first of these values.
    pub duplicate_places: Vec<Place>,
    /// The number of values so far that were sorted into classes.
    looked: u64,
    /// The hashes of the values, with the lines where they came first.
    seen: HashMap<u64, u64>,
    /// The largest number of values that `seen` remembers.
    limit: usize,
}

impl Stats {
    /// Returns the statistics of a column without values. They will remember at most `limit` different values.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let truths = (0..words::TRUTHS.len()).map(Class::Truth);
        let forms = (0..number::FORMS.len()).map(Class::Number);
        let others = [Class::Uuid, Class::Moment, Class::Time, Class::Json];
        Self {
            values: 0,
            nulls: 0,
            empty: 0,
            null_words: BTreeMap::new(),
            classes: truths.chain(forms).chain(others).map(|class| (class, Tally::default())).collect(),
            truths: [[false; 2]; words::TRUTHS.len()],
            numbers: Numbers::default(),
            moments: DateCounts::default(),
            quoted: 0,
            shape: None,
            least: None,
            most: None,
            longest: 0,
            examples: Vec::new(),
            blanks: 0,
            escapes: 0,
            escape_places: Vec::new(),
            blank_places: Vec::new(),
            duplicates: 0,
            duplicate_places: Vec::new(),
            looked: 0,
            seen: HashMap::new(),
            limit,
        }
    }

    /// Counts one field. `text` is `None` if the field means NULL.
    pub fn add(&mut self, text: Option<&str>, quoted: bool, line: u64) {
        let Some(text) = text else {
            self.nulls += 1;
            return;
        };
        if text.is_empty() {
            self.empty += u64::from(quoted);
            self.nulls += u64::from(!quoted);
            return;
        }
        match &self.shape {
            None if self.values == 0 => self.shape = Some(text_pattern(text)),
            Some(known) if *known != text_pattern(text) => self.shape = None,
            _ => {}
        }
        self.values += 1;
        self.quoted += u64::from(quoted);
        self.remember(text, line);
        let trimmed = text.trim_ascii();
        if trimmed.len() != text.len() {
            self.blanks += 1;
            Place::push(&mut self.blank_places, line, text);
        }
        if has_escape(text) {
            self.escapes += 1;
            Place::push(&mut self.escape_places, line, text);
        }
        if let Some(word) = words::null(text) {
            let known = self.null_words.entry(word).or_default();
            known.count += 1;
            known.quoted += u64::from(quoted);
            return;
        }
        self.classify(trimmed, line);
    }

    /// Returns the number of values that are not null words.
    #[must_use]
    pub fn real(&self) -> u64 {
        self.values - self.null_words.values().map(|word| word.count).sum::<u64>()
    }

    /// Returns the number of values of a class.
    #[must_use]
    pub fn fits(&self, class: Class) -> u64 {
        self.classes.get(&class).map_or(0, |tally| tally.fits)
    }

    /// Returns the number of different values that are remembered, and whether there may be more.
    #[must_use]
    pub fn distinct(&self) -> (usize, bool) {
        (self.seen.len(), self.seen.len() >= self.limit)
    }

    /// Returns whether a text is among the remembered values.
    #[must_use]
    pub fn has(&self, text: &str) -> bool {
        self.seen.contains_key(&hash(text))
    }

    /// Returns the classes to which all values belong, except for null words.
    #[must_use]
    pub fn whole(&self) -> BTreeSet<Class> {
        let real = self.real();
        let whole = self.classes.iter().filter(|(_, tally)| real > 0 && tally.fits == real);
        whole.map(|(class, _)| *class).collect()
    }

    /// Returns whether a text has the form that all values have in common, as A13 has the form of A12. Returns `None`
    /// if the values have no form in common, or if this form has no digits.
    #[must_use]
    pub fn has_common_form(&self, text: &str) -> Option<bool> {
        let known = self.shape.as_ref().filter(|shape| self.values > 1 && shape.contains('9'))?;
        Some(text_pattern(text) == *known)
    }

    fn remember(&mut self, text: &str, line: u64) {
        self.longest = self.longest.max(text.chars().count());
        if self.least.as_deref().is_none_or(|least| text < least) {
            self.least = Some(cut(text));
        }
        if self.most.as_deref().is_none_or(|most| text > most) {
            self.most = Some(cut(text));
        }
        let is_full = self.seen.len() >= self.limit;
        match self.seen.entry(hash(text)) {
            Entry::Occupied(first) => {
                self.duplicates += 1;
                if self.duplicate_places.len() < SHOWN {
                    let text = format!("{}, as in line {}", cut(text), first.get());
                    self.duplicate_places.push(Place { line, text });
                }
            }
            Entry::Vacant(place) if !is_full => {
                place.insert(line);
                if self.examples.len() < EXAMPLES {
                    Place::push(&mut self.examples, line, text);
                }
            }
            Entry::Vacant(_) => {}
        }
    }

    fn classify(&mut self, text: &str, line: u64) {
        let looks_like_number = self.classes.keys().any(|class| matches!(class, Class::Number(_)));
        let number = if looks_like_number { number::look(text) } else { None };
        if number::is_code(text) {
            self.numbers.add_code(text);
        }
        if let Some(look) = &number {
            self.numbers.add(look, text, line);
        }
        let is_moment = self.classes.contains_key(&Class::Moment) && self.moments.add(text, line);
        let is_time = self.classes.contains_key(&Class::Time)
            && matches!(moment::iso(text), Some(moment::Iso::Time(_)));
        let truths = &mut self.truths;
        let looked = self.looked;
        let mut given_up = Vec::new();
        for (class, tally) in &mut self.classes {
            let fits = match class {
                Class::Truth(pair) => match words::truth(&words::TRUTHS[*pair], text) {
                    Some(truth) => {
                        truths[*pair][usize::from(truth)] = true;
                        true
                    }
                    None => false,
                },
                Class::Uuid => is_uuid(text),
                Class::Moment => is_moment,
                Class::Time => is_time,
                Class::Number(form) => number.as_ref().is_some_and(|look| look.plain(*form).is_some()),
                Class::Json => is_json(text),
            };
            if fits {
                tally.fits += 1;
            } else {
                Place::push(&mut tally.misfits, line, text);
            }
            if looked > GIVE_UP_AFTER && tally.fits * 2 < looked {
                given_up.push(*class);
            }
        }
        for class in given_up {
            self.classes.remove(&class);
        }
        self.looked += 1;
    }
}

/// Returns the form of a text: one `a` in place of consecutive letters, one `9` in place of consecutive digits, as
/// `a9` for A12.
fn text_pattern(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.trim().chars() {
        let of = match letter {
            _ if letter.is_numeric() => '9',
            _ if letter.is_alphabetic() => 'a',
            other => other,
        };
        if !shape.ends_with(of) {
            shape.push(of);
        }
    }
    shape
}

fn hash(text: &str) -> u64 {
    // The seed is fixed, because hashes of different calls are compared.
    foldhash::fast::FixedState::default().hash_one(text)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns whether the text has `\n`, `\r` or `\t`, and is not a path of Windows.
fn has_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_escape = |index: usize| matches!(bytes.get(index + 1), Some(b'n' | b'r' | b't'));
    memchr::memchr_iter(b'\\', bytes).any(is_escape) && !text.contains(":\\") && !text.starts_with("\\\\")
}
