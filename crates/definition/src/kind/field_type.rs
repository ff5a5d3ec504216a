//! What the texts of fields are read as.

use jiff::Timestamp;

use super::ON_DEMAND_PERIOD;
use crate::{expression::parse_time, period::Period};

/// What the text of a field can be read as.
pub(crate) trait FieldType: Sized {
    /// Reads `text`; none if it is something else.
    fn read(text: &str) -> Option<Self>;
}

impl FieldType for bool {
    fn read(text: &str) -> Option<Self> {
        let is = |word: &str| word.eq_ignore_ascii_case(text.trim());
        is("true").then_some(true).or_else(|| is("false").then_some(false))
    }
}

/// Whole numbers are written as those of expressions are.
macro_rules! whole {
    ($($number:ident)+) => {
        $(impl FieldType for $number {
            fn read(text: &str) -> Option<Self> {
                text.trim().parse::<i64>().ok()?.try_into().ok()
            }
        })+
    };
}

whole!(u32 u64 usize);

impl FieldType for Period {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl FieldType for Timestamp {
    fn read(text: &str) -> Option<Self> {
        parse_time(text).map(|time| time.timestamp())
    }
}

/// Declares the words of a field and what each of them means; they are read in any case.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// Every word, as the tables show it.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];
        }

        impl FieldType for $name {
            fn read(text: &str) -> Option<Self> {
                let text = text.trim();
                let is = |word: &str| word.eq_ignore_ascii_case(text);
                $(if is($word) {
                    return Some(Self::$variant);
                })+
                None
            }
        }
    };
}

words! {
    /// `failureAndRerunMode`: whether an object shares its failures and reruns.
    FailureAndRerunMode {
        /// It keeps them to itself.
        None = "none",
        /// They reach the objects that depend on it.
        Cascade = "cascade",
    }
}

words! {
    /// `actionOnResourceFailure`: what becomes of the work when its machine or cluster has failed.
    OnResourceFailure {
        /// It is tried again on a new one.
        RetryAll = "retryall",
        /// It ends as well.
        RetryNone = "retrynone",
    }
}

words! {
    /// `actionOnTaskFailure`: what becomes of a machine or cluster when work on it has failed.
    OnTaskFailure {
        /// It goes on.
        Continue = "continue",
        /// It is ended.
        Terminate = "terminate",
    }
}

/// A period that may be written as a bare number of hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodOrHours(pub Period);

impl FieldType for PeriodOrHours {
    fn read(text: &str) -> Option<Self> {
        let hours = text.trim().parse::<u32>().ok();
        let period =
            hours.map_or_else(|| Period::parse(text), |hours| Period::parse(&format!("{hours} hours")));
        period.ok().map(Self)
    }
}

words! {
    /// `compression`: how the objects of a data node are packed.
    Compression {
        /// Not at all.
        None = "none",
        /// With gzip.
        Gzip = "gzip",
    }
}

words! {
    /// `myLoadMode`: how a load treats the rows that a table has.
    LoadMode {
        /// They stay.
        Append = "append",
        /// They go.
        Replace = "replace",
        /// Those with the key of a new one are changed.
        Upsert = "upsert",
    }
}

words! {
    /// `startAt`: what a schedule's first interval begins with.
    StartAt {
        /// The first activation of the pipeline.
        FirstActivation = "FIRST_ACTIVATION_DATE_TIME",
        /// Each activation on demand.
        OnDemandActivation = "ONDEMAND_ACTIVATION_TIME",
    }
}

words! {
    /// `scheduleType`: when the instance of an interval may start.
    ScheduleType {
        /// At the interval's beginning.
        Cron = "cron",
        /// At its end, when the data of the interval is complete.
        TimeSeries = "timeseries",
        /// At once: there are no intervals, runs begin when the pipeline is activated.
        OnDemand = "ondemand",
    }
}

words! {
    /// `myStaleRuns`: what happens to earlier pipelines of a definition when a new run starts.
    StaleRuns {
        /// Those that have ended are deleted.
        Delete = "delete",
        /// Those still at work are canceled and deleted as well.
        Replace = "replace",
        /// All are kept.
        Keep = "keep",
    }
}

/// The `period` of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulePeriod {
    /// Runs begin when the pipeline is activated.
    OnDemand,
    /// How long an interval is.
    Every(Period),
}

impl FieldType for SchedulePeriod {
    fn read(text: &str) -> Option<Self> {
        if text.trim().eq_ignore_ascii_case(ON_DEMAND_PERIOD) {
            return Some(Self::OnDemand);
        }
        Period::read(text).map(Self::Every)
    }
}

/// How many records may be refused before a load fails: `myMaxRejects`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So many.
    Count(u64),
    /// So many of a hundred.
    Percent(f64),
}

impl FieldType for Limit {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|p| (0.0..=100.0).contains(p)).map(Self::Percent)
            }
            None => text.parse().ok().map(Self::Count),
        }
    }
}

impl Limit {
    /// Returns whether `refused` is too many already, whatever may follow.
    #[must_use]
    pub fn is_passed(self, refused: u64) -> bool {
        matches!(self, Self::Count(most) if refused > most)
    }

    /// Returns whether `refused` of `total` is too many at the end.
    #[must_use]
    pub fn is_exceeded(self, refused: u64, total: u64) -> bool {
        match self {
            Self::Count(most) => refused > most,
            Self::Percent(percent) => refused as f64 * 100.0 > percent * total as f64,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(most) => write!(f, "{most}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case() {
        assert_eq!(LoadMode::WORDS, ["append", "replace", "upsert"]);
        for (text, mode) in [("append", LoadMode::Append), (" UPSERT ", LoadMode::Upsert)] {
            assert_eq!(LoadMode::read(text), Some(mode));
        }
        assert_eq!(LoadMode::read("merge"), None);
        assert_eq!(
            (bool::read("TRUE"), bool::read("False "), bool::read("yes")),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn a_limit_is_a_count_or_a_percentage() {
        assert_eq!(Limit::read("12"), Some(Limit::Count(12)));
        assert_eq!(Limit::read(" 1 %"), Some(Limit::Percent(1.0)));
        assert_eq!(Limit::read("101%"), None);
        assert_eq!(Limit::read("few"), None);
        assert!(!Limit::Percent(1.0).is_exceeded(1, 100));
        assert!(Limit::Percent(1.0).is_exceeded(2, 100));
        assert!(Limit::Count(0).is_passed(1));
    }
}
