//! Durations in words, as messages and listings state them.

use jiff::SignedDuration;

/// Returns `duration` in words: `850 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`. A negative duration is shown as
/// `0 ms`.
#[must_use]
pub fn in_words(duration: SignedDuration) -> String {
    let millis = duration.as_millis().max(0);
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        let words = |millis| in_words(SignedDuration::from_millis(millis));
        assert_eq!([-1, 0, 7, 850].map(words), ["0 ms", "0 ms", "7 ms", "850 ms"]);
        assert_eq!([1_250, 1_260].map(words), ["1.2 s", "1.2 s"]);
        assert_eq!([61_000, 200_000].map(words), ["1 min 1 s", "3 min 20 s"]);
        assert_eq!([7_260_000, 7_500_000].map(words), ["2 h 1 min", "2 h 5 min"]);
    }
}
