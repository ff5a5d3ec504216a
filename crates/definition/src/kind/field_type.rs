//! Converts the texts of fields to Rust types.

use jiff::{Timestamp, civil::Time, tz::TimeZone};

use super::ON_DEMAND_PERIOD;
use crate::{expression::parse_time, period::Period, time_zone};

/// A Rust type to which the text of a field can be converted.
pub(crate) trait FieldType: Sized {
    /// Converts `text` to this type. Returns `None` if the text is not a value of the type.
    fn read(text: &str) -> Option<Self>;
}

impl FieldType for bool {
    fn read(text: &str) -> Option<Self> {
        let is = |word: &str| word.eq_ignore_ascii_case(text.trim());
        is("true").then_some(true).or_else(|| is("false").then_some(false))
    }
}

/// Reads whole numbers by the same rules as in expressions.
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

impl FieldType for TimeZone {
    fn read(text: &str) -> Option<Self> {
        time_zone::named(text)
    }
}

/// `myWaitFor`: when a set that is still incomplete causes a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// This long after the first file of the set arrived.
    After(Period),
    /// At this time of the set's day.
    By(Time),
}

impl FieldType for WaitFor {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some((word, time)) = text.split_once(char::is_whitespace) else {
            return Period::read(text).map(Self::After);
        };
        if !word.eq_ignore_ascii_case("by") {
            return Period::read(text).map(Self::After);
        }
        let (hour, minute) = time.trim().split_once(':')?;
        let number = |digits: &str| {
            let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<i8>().ok().filter(|_| is_number)
        };
        let minute = number(minute).filter(|_| minute.len() == 2)?;
        Time::new(number(hour)?, minute, 0, 0).ok().map(Self::By)
    }
}

/// Declares an enum for a field that holds one of several words. Upper and lower case are equal.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// Every word of the field, spelled as in the tables of fields.
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
    /// `myDialect`: how to read a file, if the other fields of its data format are not enough.
    MyDialect {
        /// The separator, the quote and the escape are found in the file.
        Auto = "auto",
        /// As AWS documents it for CopyActivity: backslash escapes, no quotes, `\N` or `\n` for NULL.
        Aws = "aws",
        /// A sheet of an Excel workbook.
        Xlsx = "xlsx",
        /// JSON lines, or one array of objects.
        Json = "json",
    }
}

words! {
    /// `myPublish`: when other users of the database see the changes of an activity.
    Publish {
        /// At the end of the activity.
        Each = "each",
        /// At the end of the run, all tables of the run at once.
        Together = "together",
        /// This activity puts the tables of all activities with `together` in place.
        Here = "here",
    }
}

words! {
    /// `failureAndRerunMode`: whether a failure or a rerun spreads to other objects.
    FailureAndRerunMode {
        /// A failure or a rerun stays with this object.
        None = "none",
        /// A failure or a rerun spreads to the objects that depend on this object.
        Cascade = "cascade",
    }
}

words! {
    /// `actionOnResourceFailure`: how the work continues after its machine or cluster failed.
    OnResourceFailure {
        /// The work is tried again on a new machine or cluster.
        RetryAll = "retryall",
        /// The work fails, too.
        RetryNone = "retrynone",
    }
}

words! {
    /// `actionOnTaskFailure`: the fate of a machine or cluster after work on it failed.
    OnTaskFailure {
        /// The machine or cluster continues.
        Continue = "continue",
        /// The machine or cluster is terminated.
        Terminate = "terminate",
    }
}

/// A period, or a bare number that counts hours.
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
    /// `compression`: how the S3 objects of a data node are compressed.
    Compression {
        /// No compression.
        None = "none",
        /// Compression with gzip.
        Gzip = "gzip",
    }
}

words! {
    /// `myLoadMode`: how a load treats the rows that are already in the table.
    LoadMode {
        /// The old rows stay.
        Append = "append",
        /// The old rows are deleted.
        Replace = "replace",
        /// A new row replaces the row with the same primary key.
        Upsert = "upsert",
    }
}

words! {
    /// `myOnColumns`: how a load treats the columns of a file that the table lacks.
    OnColumns {
        /// The file is refused.
        Strict = "strict",
        /// The columns are left out.
        IgnoreExtra = "ignore-extra",
        /// The columns are added to the table.
        AddMissing = "add-missing",
    }
}

words! {
    /// `startAt`: when the first interval of a schedule begins.
    StartAt {
        /// The first interval begins at the first activation of the pipeline.
        FirstActivation = "FIRST_ACTIVATION_DATE_TIME",
        /// Each activation on demand begins an interval.
        OnDemandActivation = "ONDEMAND_ACTIVATION_TIME",
    }
}

words! {
    /// `scheduleType`: when the instance of an interval may start.
    ScheduleType {
        /// The instance starts at the beginning of the interval.
        Cron = "cron",
        /// The instance starts at the end of the interval, when the data of the interval is complete.
        TimeSeries = "timeseries",
        /// The instance starts at once. There are no intervals: activating the pipeline starts a run.
        OnDemand = "ondemand",
    }
}

words! {
    /// `myStaleRuns`: the fate of earlier pipelines of a definition when a new run starts.
    StaleRuns {
        /// Pipelines that have ended are deleted.
        Delete = "delete",
        /// Pipelines that have ended are deleted, and those that still run are canceled and deleted.
        Replace = "replace",
        /// All pipelines are kept.
        Keep = "keep",
    }
}

words! {
    /// `myMatch`: which files a node reads if several match the pattern of a dropped file.
    MatchMode {
        /// The file that was dropped last.
        Newest = "newest",
        /// All of them, in the order of their names.
        All = "all",
        /// The only one. Two files stop the set.
        One = "one",
    }
}

/// The `period` of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchedulePeriod {
    /// A run begins when the pipeline is activated.
    OnDemand,
    /// The length of each interval.
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

/// `myMaxRejects`: the largest number of refused records with which a load does not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A number of records.
    Count(u64),
    /// A percentage of all records.
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
    /// Returns whether `refused` records exceed the limit before the end of the load. A percentage can only be
    /// exceeded at the end, when the number of all records is known: see [`Self::is_exceeded`].
    #[must_use]
    pub fn is_surely_exceeded(self, refused: u64) -> bool {
        matches!(self, Self::Count(most) if refused > most)
    }

    /// Returns whether `refused` of `total` records exceed the limit at the end of the load.
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
    fn a_wait_is_a_period_or_a_time_of_day() {
        let by = |hour, minute| Some(WaitFor::By(Time::constant(hour, minute, 0, 0)));
        assert_eq!(WaitFor::read("by 08:30"), by(8, 30));
        assert_eq!(WaitFor::read(" By  0:05 "), by(0, 5));
        assert_eq!(WaitFor::read("90 minutes"), Period::parse("90 minutes").ok().map(WaitFor::After));
        assert_eq!(WaitFor::read("90minutes"), Period::parse("90 minutes").ok().map(WaitFor::After));
        for text in [
            "by",
            "by ",
            "by 8",
            "by 24:00",
            "by 08:60",
            "by 8:5",
            "by +8:30",
            "by 08:30:00",
            "08:30",
            "at 08:30",
        ] {
            assert_eq!(WaitFor::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_limit_is_a_count_or_a_percentage() {
        assert_eq!(Limit::read("12"), Some(Limit::Count(12)));
        assert_eq!(Limit::read(" 1 %"), Some(Limit::Percent(1.0)));
        assert_eq!(Limit::read("101%"), None);
        assert_eq!(Limit::read("few"), None);
        assert!(!Limit::Percent(1.0).is_exceeded(1, 100));
        assert!(Limit::Percent(1.0).is_exceeded(2, 100));
        assert!(Limit::Count(0).is_surely_exceeded(1));
    }
}
