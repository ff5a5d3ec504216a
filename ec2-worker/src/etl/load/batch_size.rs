//! Chooses the size of the batches of a load from the distance between refused rows.
//!
//! A batch with a refused row is sent twice, on average half of it in vain, so batches should be small where many rows are
//! refused. Each batch also needs a savepoint and a `COPY` of its own, so batches should be large where few rows are refused.
//! The sum of both costs is least if the size is the square root of the distance times the bytes that are sent
//! in the time of two such savepoints.

/// The largest size of a batch in encoded bytes. With batches of this size, the savepoints cost almost nothing.
const LARGEST: u64 = 32 * 1024 * 1024;
/// The smallest size of a batch in encoded bytes. A refused batch is read again, from S3 with a request of its own.
const SMALLEST: u64 = 512 * 1024;
/// Roughly the bytes that a database stores in the time of two savepoints with their `COPY`.
const IN_TWO_SAVEPOINTS: u64 = 48 * 1024;

/// The size of the next batch.
#[derive(Debug, Default)]
pub(super) struct BatchSize {
    /// The usual number of bytes between two refused batches, if a batch was refused.
    distance: Option<u64>,
    /// The bytes that the database has accepted since the last refused batch.
    accepted: u64,
}

impl BatchSize {
    /// Returns the size of the next batch in encoded bytes.
    pub(super) fn bytes(&self) -> u64 {
        let Some(distance) = self.distance else { return LARGEST };
        let distance = distance.max(self.accepted);
        (distance.saturating_mul(IN_TWO_SAVEPOINTS)).isqrt().clamp(SMALLEST, LARGEST)
    }

    /// The database has accepted a batch of `bytes`.
    pub(super) fn accepted(&mut self, bytes: u64) {
        self.accepted += bytes;
    }

    /// The database has refused a batch.
    pub(super) fn refused(&mut self) {
        let last = self.accepted;
        self.distance = Some(self.distance.map_or(last, |distance| distance.midpoint(last)));
        self.accepted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_small_where_many_rows_are_refused_and_large_where_none_are() {
        let mut size = BatchSize::default();
        size.accepted(10 * LARGEST);
        assert_eq!(size.bytes(), LARGEST);
        for _ in 0..20 {
            size.refused();
        }
        assert_eq!(size.bytes(), SMALLEST);
        let mut sent = 0;
        while size.bytes() < LARGEST {
            let bytes = size.bytes();
            size.accepted(bytes);
            sent += 1;
            assert!(size.bytes() >= bytes);
        }
        assert!((100..2_000).contains(&sent), "{sent} batches");
    }

    #[test]
    fn a_size_is_the_square_root_of_the_distance() {
        let mut size = BatchSize::default();
        for _ in 0..30 {
            size.accepted(48 * 1024 * 400);
            size.refused();
        }
        assert!((950 * 1024..=960 * 1024).contains(&size.bytes()), "{}", size.bytes());
    }
}
