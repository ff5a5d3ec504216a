//! The rules of a log.

use std::convert::Infallible;

use super::totals::Amount;
use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn new(name: &str) -> NewLog {
    NewLog {
        name: name.to_owned(),
        id: "id".to_owned(),
        origin: Origin::Kinesis,
        is_on_demand: true,
        role_arn: Some("role".to_owned()),
        now: NOW,
    }
}

fn group(records: usize, size: usize) -> Group {
    let mut group = Group::default();
    for _ in 0..records {
        let write = |buffer: &mut Vec<u8>| {
            buffer.resize(buffer.len() + size, b'x');
            Ok::<_, Infallible>(())
        };
        group.push(0, NOW, "key", write).unwrap();
    }
    group
}

fn cut(bytes: u64) -> NewCut {
    NewCut { version: 1, decided_at: NOW, mark: "mark".to_owned(), bytes }
}

async fn deliver(log: &Log, bytes: u64) -> Cut {
    let cut = log.save_cut(cut(bytes)).await.unwrap().unwrap();
    let counts = Counts { opened: cut.amount.records, left_out: cut.amount.records, ..Counts::default() };
    log.settle(&cut, counts, NOW).await.unwrap();
    cut
}

#[tokio::test]
async fn the_sums_are_the_same_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let log = Log::open(&path, Some(&new("events")), None).unwrap();
    let source = |text: &str| Source { text: text.to_owned(), ..Source::default() };
    assert_eq!(log.save_version(source("1"), NOW).await.unwrap(), 1);
    for _ in 0..3 {
        log.append(group(10, 100), u64::MAX).await.unwrap();
    }
    let first = deliver(&log, 1500).await;
    assert_eq!(first.amount, Amount { records: 20, bytes: 2000 });
    let open = log.save_cut(cut(1)).await.unwrap();
    log.append(group(1, 7), u64::MAX).await.unwrap();
    assert_eq!(
        log.save_version(source("1"), NOW).await.unwrap(),
        1,
        "the same definition is not a new version"
    );
    assert_eq!(log.save_version(source("2"), NOW).await.unwrap(), 2);
    let before = log.totals();
    assert_eq!((before.waiting().records, before.uncut()), (11, Amount { records: 1, bytes: 7 }));
    drop(log);
    let log = Log::open(&path, None, None).unwrap();
    let after = log.totals();
    assert_eq!(format!("{after:?}"), format!("{before:?}"));
    assert_eq!(after.open_cut, open);
    assert_eq!(log.last_version().unwrap(), Some((2, source("2"))));
    let header = log.header();
    assert_eq!(
        (header.origin, header.is_on_demand, header.role_arn.as_deref()),
        (Origin::Kinesis, true, Some("role"))
    );
    let places = log.append(group(1, 1), u64::MAX).await.unwrap();
    assert_eq!(places, [(32, 0)]);
}

#[tokio::test]
async fn delivered_rows_leave_the_file_and_their_space_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    let log = Log::open(&path, Some(&new("events")), None).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        for _ in 0..24 {
            log.append(group(2, 512 << 10), u64::MAX).await.unwrap();
        }
        deliver(&log, u64::MAX).await;
        assert!(log.totals().kept_bytes <= KEPT_BYTES, "{:?}", log.totals());
        assert_eq!(log.totals().waiting(), Amount::default());
        sizes.push(std::fs::metadata(&path).unwrap().len());
    }
    // 96 MiB went through. The file holds one round, and the records that are kept for `tail`.
    assert!(sizes.iter().all(|size| *size < 48 << 20), "{sizes:?}");
    let kept = log.row_after(0, u64::MAX >> 1).unwrap();
    assert!(kept.is_some_and(|row| row.first > 150), "the newest rows are kept");
}

#[tokio::test]
async fn small_rows_leave_the_file_many_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("log.sqlite"), Some(&new("events")), None).unwrap();
    for _ in 0..300 {
        log.append(group(1, 64 << 10), u64::MAX).await.unwrap();
    }
    let changes = log.changes();
    deliver(&log, u64::MAX).await;
    assert!(changes.has_changed().unwrap());
    assert!(log.totals().kept_bytes <= KEPT_BYTES);
    let before = log.row_before(10_000).unwrap();
    assert_eq!(before, 299, "the row before the newest one");
}

#[tokio::test]
async fn a_backlog_that_is_full_is_a_refusal_until_something_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::open(&folder.path().join("log.sqlite"), Some(&new("events")), None).unwrap();
    log.append(group(1, 600), 1000).await.unwrap();
    let refused = log.append(group(1, 600), 1000).await.unwrap_err();
    assert_eq!(refused, AppendError::Backlog { waiting_bytes: 600, limit_bytes: 1000 });
    deliver(&log, u64::MAX).await;
    log.append(group(1, 600), 1000).await.unwrap();
}

#[test]
fn a_file_without_tables_is_distinguished_from_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.sqlite");
    std::fs::write(&path, "").unwrap();
    assert!(matches!(Log::open(&path, None, None), Err(LogError::Unfinished(_))));
    remove(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(&path, "no database at all, but long enough to look like the head of one").unwrap();
    assert!(matches!(Log::open(&path, None, None), Err(LogError::Open { .. })));
}
