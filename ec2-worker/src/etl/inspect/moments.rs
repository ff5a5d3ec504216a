//! Counts the dates of a column by their shapes, and finds the patterns that read them.

use super::moment::{self, Iso, Order, Reading};
use super::place::{Place, cut};
use crate::etl::date::Moment;

/// The largest number of shapes of a column. A text of a further shape does not count as a date.
const SHAPES: usize = 12;

/// The findings about the dates of a column.
#[derive(Clone, Debug, Default)]
pub struct DateCounts {
    /// The number of dates that need no pattern.
    pub iso: u64,
    /// The number of dates with a time of day.
    pub times: u64,
    /// The number of dates with an offset from UTC.
    pub offsets: u64,
    /// The shapes of the other dates.
    pub shapes: Vec<Shape>,
    /// The range of the dates that need no pattern.
    pub span: Span,
}

/// Dates that look alike.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The number of these dates that at least one of the ways reads.
    pub read: u64,
    /// The first of these dates.
    pub places: Vec<Place>,
    /// The ways to read them.
    pub ways: Vec<Way>,
}

/// A way to read the dates of a shape.
#[derive(Clone, Debug)]
pub struct Way {
    /// The pattern and its order.
    pub reading: Reading,
    /// The number of dates that it reads.
    pub fits: u64,
    /// The first dates that it does not read.
    pub misfits: Vec<Place>,
    /// The range of the dates that it reads.
    pub span: Span,
}

/// The earliest and the latest of some dates: each as days and microseconds, and as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The earliest date.
    pub least: Option<((i32, i64), String)>,
    /// The latest date.
    pub most: Option<((i32, i64), String)>,
}

impl DateCounts {
    /// Counts a text, and returns whether it may be a date.
    pub fn add(&mut self, text: &str, line: u64) -> bool {
        match moment::iso(text) {
            Some(Iso::Moment { moment, has_time }) => {
                self.iso += 1;
                self.times += u64::from(has_time);
                self.offsets += u64::from(moment.offset.is_some());
                self.span.add(moment, text);
                return true;
            }
            Some(Iso::Time(_)) => return false,
            None => {}
        }
        let known = self.shapes.iter().position(|shape| shape.reads(text));
        let index = match known {
            Some(index) => index,
            None => {
                let readings = moment::readings(text);
                let Some(first) = readings.first() else { return false };
                let pattern = first.pattern.text();
                match self.shapes.iter().position(|shape| shape.ways[0].reading.pattern.text() == pattern) {
                    Some(index) => index,
                    None if self.shapes.len() == SHAPES => return false,
                    None => {
                        self.shapes.push(Shape::of(readings));
                        self.shapes.len() - 1
                    }
                }
            }
        };
        let shape = &mut self.shapes[index];
        let pattern = &shape.ways[0].reading.pattern;
        self.times += u64::from(pattern.has_time());
        self.offsets += u64::from(pattern.text().contains('Z'));
        shape.add(text, line)
    }
}

impl Shape {
    fn of(readings: Vec<Reading>) -> Self {
        let way = |reading| Way { reading, fits: 0, misfits: Vec::new(), span: Span::default() };
        Self { read: 0, places: Vec::new(), ways: readings.into_iter().map(way).collect() }
    }

    fn reads(&self, text: &str) -> bool {
        self.ways.iter().any(|way| way.reading.pattern.moment(text.as_bytes()).is_some())
    }

    fn add(&mut self, text: &str, line: u64) -> bool {
        let mut is_read = false;
        for way in &mut self.ways {
            match way.reading.pattern.moment(text.as_bytes()) {
                Some(moment) => {
                    way.fits += 1;
                    way.span.add(moment, text);
                    is_read = true;
                }
                None => Place::push(&mut way.misfits, line, text),
            }
        }
        if is_read {
            self.read += 1;
            Place::push(&mut self.places, line, text);
        }
        is_read
    }

    /// Returns the ways that read all dates of the shape.
    pub fn whole(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| way.fits == self.read)
    }

    /// Returns the order of day, month and year, if the shape has several orders and only one of them reads all dates.
    #[must_use]
    pub fn proven(&self) -> Option<Order> {
        let mut whole = self.whole();
        let only = whole.next()?.reading.order;
        (whole.next().is_none() && self.ways.len() > 1).then_some(only)
    }

    /// Returns whether the years have two digits.
    #[must_use]
    pub fn has_short_years(&self) -> bool {
        let pattern = self.ways[0].reading.pattern.text();
        pattern.contains("yy") && !pattern.contains("yyyy")
    }
}

impl Span {
    fn add(&mut self, moment: Moment, text: &str) {
        let at = (moment.days, moment.micros - i64::from(moment.offset.unwrap_or(0)) * 1_000_000);
        if self.least.as_ref().is_none_or(|(least, _)| at < *least) {
            self.least = Some((at, cut(text)));
        }
        if self.most.as_ref().is_none_or(|(most, _)| at > *most) {
            self.most = Some((at, cut(text)));
        }
    }
}
