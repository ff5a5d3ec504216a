//! What to do about a whole set: the head, the content in the bucket, and the time decide.

use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{Content, DroppedFile, Head, Ledger, State, after};

/// Changes that follow each other this closely count as one.
const BURST: Duration = Duration::from_secs(60);

/// What the decision depends on besides ledger and content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub now: Timestamp,
    /// `myStaleRuns` is `replace`: new content does not wait for a run at work.
    pub replaces: bool,
    /// No pattern has a name: every drop is the same set, and all its files must be newer than the last run's.
    pub is_fixed: bool,
    /// `myMaxRunsPerDay`.
    pub cap: Option<u32>,
    /// The head's pipeline was looked at just now, and the ledger says what was seen.
    pub has_looked: bool,
}

/// The next step for a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Look at the head's pipeline and decide again.
    Look(String),
    /// A run of this content exists, or somebody is starting one.
    Duplicate(&'static str),
    /// These files are not newer than the last run's.
    Incomplete(Vec<String>),
    /// The set waits for its day.
    Deferred(Timestamp),
    /// Note the content as `next`.
    Queue,
    /// The content is noted as `next` already and has to wait.
    Queued,
    /// What came after the last run never started, and its content is back: that run counts again.
    Restore,
    /// Start a run: a new head.
    Claim,
    /// Go on with the head, whose holder is gone.
    TakeOver,
}

/// Decides what becomes of `content`.
pub(crate) fn decide(ledger: &Ledger, content: &Content, terms: &Terms) -> Step {
    let Some(head) = &ledger.head else { return Step::Claim };
    let is_same = head.run_key == content.run_key;
    match head.state {
        State::Claimed | State::Created if head.is_leased(terms.now) => {
            if is_same {
                Step::Duplicate("another handler is starting it")
            } else {
                queue(ledger, content)
            }
        }
        // The holder is gone, and only the service knows how far it came.
        State::Claimed | State::Created => match &head.pipeline_id {
            Some(id) if !terms.has_looked => Step::Look(id.clone()),
            Some(_) | None if is_same => Step::TakeOver,
            Some(_) | None => new_content(ledger, content, terms),
        },
        State::Activated => while_activated(ledger, head, content, terms),
        State::Finished if is_same => Step::Duplicate("this content was run already"),
        State::Finished => new_content(ledger, content, terms),
        State::Failed | State::Superseded if is_same => again(head, content),
        State::Failed | State::Superseded => new_content(ledger, content, terms),
        State::Deferred => match &head.deferred {
            // A cap that was raised since lets the set go on at once.
            Some(deferral) if is_same && terms.now < deferral.until && terms.cap == Some(deferral.cap) => {
                Step::Deferred(deferral.until)
            }
            Some(_) | None if is_same => Step::Claim,
            Some(_) | None => new_content(ledger, content, terms),
        },
    }
}

fn while_activated(ledger: &Ledger, head: &Head, content: &Content, terms: &Terms) -> Step {
    let is_same = head.run_key == content.run_key;
    if is_same && !is_put_anew(head, content) {
        return Step::Duplicate("this content was started already");
    }
    match &head.pipeline_id {
        Some(id) if !terms.has_looked => Step::Look(id.clone()),
        Some(_) | None if is_same => Step::Duplicate("the run of this content is at work"),
        Some(_) | None if terms.replaces && terms.now >= after(head.claimed_at, BURST) => {
            new_content(ledger, content, terms)
        }
        Some(_) | None => queue(ledger, content),
    }
}

/// The same content once more, after a run of it failed.
fn again(head: &Head, content: &Content) -> Step {
    if is_put_anew(head, content) {
        return Step::Claim;
    }
    match head.state {
        State::Failed => Step::Duplicate("its run failed; drop the files again for another"),
        _ => Step::Duplicate("a later run took its place; drop the files again for another"),
    }
}

/// Other content than the head's, and the head is not at work (or may be replaced).
fn new_content(ledger: &Ledger, content: &Content, terms: &Terms) -> Step {
    if ledger.restorable(&content.run_key).is_some() {
        return Step::Restore;
    }
    if terms.is_fixed
        && let Some(last) = ledger.last_run()
    {
        let old: Vec<String> = content.files.iter().filter(|file| !is_newer(last, file)).map(key).collect();
        if !old.is_empty() {
            return Step::Incomplete(old);
        }
    }
    match &ledger.next {
        // Still within the burst: a further change may follow.
        Some(next) if next.run_key != content.run_key => Step::Queue,
        Some(next) if terms.now < after(next.since, BURST) => Step::Queued,
        Some(_) | None => Step::Claim,
    }
}

fn queue(ledger: &Ledger, content: &Content) -> Step {
    match &ledger.next {
        Some(next) if next.run_key == content.run_key => Step::Queued,
        Some(_) | None => Step::Queue,
    }
}

/// S3 gives the same ETag to the same bytes; that they were put again shows in the time alone.
///
/// All of them: files are put one after another, and each alone would start a run as soon as the one before failed.
fn is_put_anew(head: &Head, content: &Content) -> bool {
    content.files.iter().all(|file| is_newer(head, file))
}

fn is_newer(head: &Head, file: &DroppedFile) -> bool {
    let earlier = head.files.iter().find(|earlier| earlier.key == file.key);
    earlier.is_none_or(|earlier| file.modified > earlier.modified)
}

fn key(file: &DroppedFile) -> String {
    file.key.clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Claim, Deferral, Ending};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn content(etags: &[(&str, &str, i64)]) -> Content {
        let file = |(key, etag, second): &(&str, &str, i64)| DroppedFile {
            key: (*key).to_owned(),
            etag: (*etag).to_owned(),
            modified: at(*second),
        };
        Content::new("orders", "day=1", etags.iter().map(file).collect())
    }

    fn claim(second: i64) -> Claim {
        Claim { holder: "h".to_owned(), now: at(second), lease: Duration::from_secs(60), slot: None }
    }

    fn terms(second: i64) -> Terms {
        Terms { now: at(second), replaces: false, is_fixed: false, cap: None, has_looked: false }
    }

    fn looked(second: i64) -> Terms {
        Terms { has_looked: true, ..terms(second) }
    }

    fn claimed(content: &Content) -> Ledger {
        Ledger::default().claimed(content, &claim(10))
    }

    fn with_pipeline(content: &Content, state: State) -> Ledger {
        let mut ledger = claimed(content);
        let head = ledger.head.as_mut().unwrap();
        head.pipeline_id = Some("df-1".to_owned());
        head.state = state;
        head.activated_at = (state != State::Created).then(|| at(11));
        ledger
    }

    #[test]
    fn a_set_never_seen_is_claimed() {
        assert_eq!(decide(&Ledger::default(), &content(&[("a", "1", 1)]), &terms(2)), Step::Claim);
    }

    #[test]
    fn a_valid_lease_makes_duplicates_and_a_spent_one_is_taken() {
        let one = content(&[("a", "1", 1)]);
        assert!(matches!(decide(&claimed(&one), &one, &terms(69)), Step::Duplicate(_)));
        assert_eq!(decide(&claimed(&one), &one, &terms(70)), Step::TakeOver);
        let other = content(&[("a", "2", 2)]);
        assert_eq!(decide(&claimed(&one), &other, &terms(69)), Step::Queue);
        assert_eq!(decide(&claimed(&one), &other, &terms(70)), Step::Claim);
    }

    #[test]
    fn a_spent_lease_with_a_pipeline_asks_the_service_first() {
        let one = content(&[("a", "1", 1)]);
        let mut ledger = with_pipeline(&one, State::Created);
        assert_eq!(decide(&ledger, &one, &terms(70)), Step::Look("df-1".to_owned()));
        assert_eq!(decide(&ledger, &one, &looked(70)), Step::TakeOver);
        ledger.settle_head(Ending::AtWork, at(70));
        assert!(matches!(decide(&ledger, &one, &looked(70)), Step::Duplicate(_)));
    }

    #[test]
    fn other_content_waits_for_a_run_at_work_and_starts_after_it() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let mut ledger = with_pipeline(&one, State::Activated);
        assert_eq!(decide(&ledger, &other, &terms(20)), Step::Look("df-1".to_owned()));
        assert_eq!(decide(&ledger, &other, &looked(20)), Step::Queue);
        ledger = ledger.with_next(&other, at(20));
        assert_eq!(decide(&ledger, &other, &looked(21)), Step::Queued);
        ledger.settle_head(Ending::Finished, at(30));
        assert_eq!(decide(&ledger, &other, &terms(79)), Step::Queued);
        assert_eq!(decide(&ledger, &other, &terms(80)), Step::Claim);
    }

    #[test]
    fn changes_in_a_burst_count_as_one() {
        let (one, two, three) =
            (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]), content(&[("a", "3", 40)]));
        let mut ledger = with_pipeline(&one, State::Activated).with_next(&two, at(20));
        ledger.settle_head(Ending::Finished, at(30));
        assert_eq!(decide(&ledger, &three, &terms(40)), Step::Queue);
        ledger = ledger.with_next(&three, at(40));
        assert_eq!(decide(&ledger, &three, &terms(99)), Step::Queued);
        assert_eq!(decide(&ledger, &three, &terms(100)), Step::Claim);
    }

    #[test]
    fn replace_does_not_wait_except_for_a_burst() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let ledger = with_pipeline(&one, State::Activated);
        let replacing = |second| Terms { replaces: true, ..looked(second) };
        assert_eq!(decide(&ledger, &other, &replacing(69)), Step::Queue);
        assert_eq!(decide(&ledger, &other, &replacing(70)), Step::Claim);
    }

    #[test]
    fn the_same_files_again_run_only_after_a_failure() {
        let (one, again) = (content(&[("a", "1", 1)]), content(&[("a", "1", 50)]));
        for state in [State::Finished, State::Activated] {
            assert!(matches!(decide(&with_pipeline(&one, state), &again, &looked(50)), Step::Duplicate(_)));
        }
        let failed = with_pipeline(&one, State::Failed);
        assert!(matches!(decide(&failed, &one, &terms(50)), Step::Duplicate(_)));
        assert_eq!(decide(&failed, &again, &terms(50)), Step::Claim);
        let (two, half, whole) = (
            content(&[("a", "1", 1), ("b", "1", 1)]),
            content(&[("a", "1", 50), ("b", "1", 1)]),
            content(&[("a", "1", 50), ("b", "1", 51)]),
        );
        let failed_two = with_pipeline(&two, State::Failed);
        assert!(matches!(decide(&failed_two, &half, &terms(50)), Step::Duplicate(_)));
        assert_eq!(decide(&failed_two, &whole, &terms(51)), Step::Claim);
        let redone = failed.claimed(&again, &claim(50));
        assert_eq!(redone.head.as_ref().map(|head| head.generation), Some(2));
        assert_eq!(redone.behind[0].state, State::Failed);
    }

    #[test]
    fn a_failure_not_yet_written_is_found_out() {
        let (one, again) = (content(&[("a", "1", 1)]), content(&[("a", "1", 50)]));
        let mut ledger = with_pipeline(&one, State::Activated);
        assert_eq!(decide(&ledger, &again, &terms(50)), Step::Look("df-1".to_owned()));
        ledger.settle_head(Ending::Failed, at(50));
        assert_eq!(decide(&ledger, &again, &looked(50)), Step::Claim);
    }

    #[test]
    fn a_deferred_set_waits_for_its_day_or_a_higher_cap() {
        let one = content(&[("a", "1", 1)]);
        let deferral = Deferral { until: at(500), cap: 1 };
        let ledger = Ledger::default().deferred(&one, &claim(10), deferral);
        let capped = |second, cap| Terms { cap: Some(cap), ..terms(second) };
        assert_eq!(decide(&ledger, &one, &capped(499, 1)), Step::Deferred(at(500)));
        assert_eq!(decide(&ledger, &one, &capped(500, 1)), Step::Claim);
        assert_eq!(decide(&ledger, &one, &capped(20, 2)), Step::Claim);
        assert_eq!(decide(&ledger, &content(&[("a", "2", 20)]), &capped(20, 1)), Step::Claim);
    }

    #[test]
    fn content_that_comes_back_before_other_content_ran_is_no_second_run() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let deferral = Deferral { until: at(500), cap: 1 };
        let ledger = with_pipeline(&one, State::Finished).deferred(&other, &claim(20), deferral);
        let back = content(&[("a", "1", 30)]);
        assert_eq!(decide(&ledger, &back, &terms(30)), Step::Restore);
        let restored = ledger.restored(&back.run_key);
        assert!(matches!(decide(&restored, &back, &terms(31)), Step::Duplicate(_)));
        assert_eq!(restored.behind[0].state, State::Superseded);
        let ran = with_pipeline(&one, State::Finished).claimed(&other, &claim(20));
        let mut ran = Ledger {
            head: ran.head.map(|head| Head { pipeline_id: Some("df-2".to_owned()), ..head }),
            ..ran
        };
        ran.settle_head(Ending::Finished, at(30));
        assert_eq!(decide(&ran, &back, &terms(31)), Step::Claim);
    }

    #[test]
    fn without_names_every_file_must_be_newer() {
        let one = content(&[("a", "1", 1), ("b", "1", 1)]);
        let ledger = with_pipeline(&one, State::Finished);
        let fixed = Terms { is_fixed: true, ..terms(90) };
        let half = content(&[("a", "2", 80), ("b", "1", 1)]);
        assert_eq!(decide(&ledger, &half, &fixed), Step::Incomplete(vec!["b".to_owned()]));
        let whole = content(&[("a", "2", 80), ("b", "1", 81)]);
        assert_eq!(decide(&ledger, &whole, &fixed), Step::Claim);
        let failed = with_pipeline(&one, State::Failed);
        let half_again = content(&[("a", "1", 80), ("b", "1", 1)]);
        assert!(matches!(decide(&failed, &half_again, &fixed), Step::Duplicate(_)));
    }

    #[test]
    fn run_keys_tell_contents_apart() {
        let key = |files| content(files).run_key;
        assert_eq!(key(&[("a", "1", 1), ("b", "2", 1)]), key(&[("b", "2", 9), ("a", "1", 9)]));
        assert_ne!(key(&[("a", "1", 1), ("b", "2", 1)]), key(&[("a", "2", 1), ("b", "1", 1)]));
    }
}
