//! Lines of raw and quarantine objects: a line that is read and written again is read as the same line.

use jiff::Timestamp;
use stream::encode::{quarantine_line, raw_line, read_quarantined, read_raw};
use stream::{ErrorCode, Refusal};

/// Checks the bytes as a line of each object, and as the data of a record.
pub(crate) fn check(bytes: &[u8]) {
    let mut line = Vec::new();
    if let Ok(stored) = read_raw(bytes) {
        raw_line(&stored.as_record(), &mut line);
        assert_eq!(read_raw(&line).as_ref(), Ok(&stored));
    }
    if let Ok(refused) = read_quarantined(bytes) {
        let refusal = Refusal { code: ErrorCode::NotJson, message: refused.error_message.clone() };
        line.clear();
        quarantine_line(
            &refused.record.as_record(),
            &refusal,
            refused.version,
            Timestamp::UNIX_EPOCH,
            &mut line,
        );
        let again = read_quarantined(&line).expect("what was written is read");
        assert_eq!((again.record, again.error_message), (refused.record, refused.error_message));
    }
    line.clear();
    raw_line(&super::record(bytes), &mut line);
    assert_eq!(read_raw(&line).expect("what was written is read").data, bytes);
}
