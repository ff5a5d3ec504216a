//! A clock that runs faster than the wall clock, and shows the same time in every process that gets it as an argument.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Error};
use jiff::Timestamp;

/// A clock that agrees with the wall clock at one moment and runs faster from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastClock {
    since: Timestamp,
    speed: i32,
}

impl FastClock {
    /// Returns a clock that shows the right time now, and runs `speed` times as fast as the wall clock.
    #[must_use]
    pub fn starting_now(speed: i32) -> Self {
        Self { since: Timestamp::now(), speed }
    }

    /// Returns the time of the clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Timestamp::now())
    }

    fn at(&self, wall: Timestamp) -> Timestamp {
        wall.duration_since(self.since)
            .checked_mul(self.speed)
            .and_then(|passed| self.since.checked_add(passed).ok())
            .unwrap_or(Timestamp::MAX)
    }
}

/// Writes the clock as an argument of a command line.
impl fmt::Display for FastClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}*{}", self.since, self.speed)
    }
}

impl FromStr for FastClock {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (since, speed) = text.split_once('*').context("a clock is TIME*SPEED")?;
        let since = since.parse().with_context(|| format!("the clock's time {since}"))?;
        let speed = speed.parse().with_context(|| format!("the clock's speed {speed}"))?;
        Ok(Self { since, speed })
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;

    #[test]
    fn a_clock_of_speed_sixty_keeps_its_speed_when_written_and_read() {
        let clock = FastClock::starting_now(60);
        let told: FastClock = clock.to_string().parse().expect("a clock");
        assert_eq!(told, clock);
        assert_eq!(told.at(clock.since + 1.second()), clock.since + 1.minute());
    }
}
