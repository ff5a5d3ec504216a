//! The shapes of values: which values a field can hold.

use super::{Group, Kind};

/// The values that a field can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueShape {
    /// Any text.
    Text,
    /// A whole number within limits.
    Integer {
        /// The smallest number.
        least: i64,
        /// The largest number.
        most: i64,
    },
    /// A decimal number within limits.
    Double {
        /// The smallest number.
        least: f64,
        /// The largest number.
        most: f64,
    },
    /// `true` or `false`.
    Boolean,
    /// A period such as `15 minutes`.
    Period,
    /// A period, or a bare number of hours (`terminateAfter` of a cluster).
    PeriodOrHours,
    /// The period of a schedule: 15 minutes to 3 years, or `ONDEMAND_PERIOD`.
    SchedulePeriod,
    /// A time in UTC such as `2030-01-31T22:00:00`.
    DateTime,
    /// One of the words. Upper and lower case are equal.
    Word(&'static [&'static str]),
    /// A reference to another object.
    Ref(RefTarget),
    /// The highest price for a spot machine, in dollars an hour.
    BidPrice {
        /// Whether the word `OnDemandPrice` is allowed in place of a number.
        or_on_demand: bool,
    },
    /// A number of rows, or a percentage such as `1%`.
    CountOrPercentage,
    /// An S3 prefix such as `s3://bucket/prefix`.
    S3Prefix,
    /// A Joda pattern of dates such as `dd/MM/yyyy`.
    DatePattern,
    /// A column and a Joda pattern of its dates, such as `order_date dd/MM/yyyy`.
    ColumnPattern,
    /// One character that is not an ASCII letter or digit, `+`, `-` or `%`.
    Character,
    /// A pattern of S3 keys such as `incoming/{day}/orders.csv`.
    KeyPattern,
    /// The IANA name of a time zone such as `Europe/Berlin`.
    TimeZone,
    /// A period, or a time of day such as `by 08:30`.
    WaitFor,
    /// A reference to a secret in AWS: `secretsmanager:NAME`, `ssm:NAME` or an ARN. An empty text means no secret.
    SecretReference,
}

/// A bid price must be below this limit, in dollars an hour.
pub const BID_PRICE_LIMIT: f64 = 20.0;
/// The `period` of a schedule on demand: a run begins when the pipeline is activated.
pub const ON_DEMAND_PERIOD: &str = "ONDEMAND_PERIOD";
/// The bid price that equals the price of a machine on demand.
pub const ON_DEMAND_PRICE: &str = "OnDemandPrice";

impl ValueShape {
    /// Returns a readable phrase for the values of the field.
    #[must_use]
    pub fn describe(self) -> String {
        let fixed = match self {
            Self::Text => "text",
            Self::Boolean => "true or false",
            Self::Period => "a period such as 15 minutes",
            Self::PeriodOrHours => "a period such as 2 hours, or a bare number of hours",
            Self::SchedulePeriod => "a period from 15 minutes to 3 years, or ONDEMAND_PERIOD",
            Self::DateTime => "a time in UTC such as 2030-01-31T22:00:00",
            Self::CountOrPercentage => "a count of rows, or a percentage such as 1%",
            Self::S3Prefix => "an S3 prefix, s3://bucket/prefix",
            Self::DatePattern => "a Joda date pattern such as dd/MM/yyyy",
            Self::ColumnPattern => "a column and a Joda date pattern such as order_date dd/MM/yyyy",
            Self::Character => "one character that is not a letter, a digit, +, - or %",
            Self::KeyPattern => "a key pattern such as incoming/{day}/orders.csv",
            Self::TimeZone => "the IANA name of a time zone such as Europe/Berlin",
            Self::WaitFor => "a period such as 15 minutes, or a time of day such as by 08:30",
            Self::SecretReference => "the name of a secret: secretsmanager:NAME, ssm:NAME or an ARN",
            Self::BidPrice { or_on_demand: false } => "dollars per hour, above 0 and below 20.00",
            Self::BidPrice { or_on_demand: true } => {
                "dollars per hour, above 0 and below 20.00, or OnDemandPrice"
            }
            Self::Integer { least, most: i64::MAX } => {
                return format!("a whole number of at least {least}");
            }
            Self::Integer { least, most } => return format!("a whole number from {least} to {most}"),
            Self::Double { least, most } => return format!("a number from {least:?} to {most:?}"),
            Self::Word(words) => return one_of(words.iter().copied()),
            Self::Ref(target) => return format!("a reference to {}", target.describe_plainly()),
        };
        fixed.to_owned()
    }
}

/// The objects that a reference field accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefTarget {
    /// Any object.
    Any,
    /// Any object that is executed.
    Runnable,
    /// Any object of a group.
    Group(Group),
    /// Objects of these types.
    Kinds(&'static [Kind]),
}

impl RefTarget {
    /// Returns whether the field accepts an object of the type `kind`.
    #[must_use]
    pub fn accepts(self, kind: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Runnable => kind.is_runnable(),
            Self::Group(group) => kind.group() == group,
            Self::Kinds(kinds) => kinds.contains(&kind),
        }
    }

    /// Returns the accepted types as AWS's messages list them: quoted names of types or groups, or `any`.
    #[must_use]
    pub fn describe(self) -> String {
        let quoted = |kinds: &mut dyn Iterator<Item = Kind>| {
            kinds.map(|kind| format!("'{}'", kind.name())).collect::<Vec<_>>().join(" or ")
        };
        match self {
            Self::Any => "any".to_owned(),
            Self::Runnable => "'Activity' or 'DataNode' or 'Resource' or 'Precondition'".to_owned(),
            Self::Group(group) => quoted(&mut Kind::ALL.iter().copied().filter(|kind| kind.group() == group)),
            Self::Kinds(kinds) => quoted(&mut kinds.iter().copied()),
        }
    }

    /// Returns the accepted objects as a phrase for people.
    fn describe_plainly(self) -> String {
        match self {
            Self::Any => "any object".to_owned(),
            Self::Runnable => "an activity, data node, resource or precondition".to_owned(),
            Self::Group(group) => group.singular().to_owned(),
            Self::Kinds(kinds) => one_of(kinds.iter().map(|kind| kind.name())),
        }
    }
}

/// Joins the words: `a`, `a or b`, `a, b or c`.
fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
