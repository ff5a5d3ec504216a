//! The decision about a whole set, from the ledger, the content in the bucket, and the time.

use std::time::Duration;

use definition::trigger::Trigger;
use jiff::Timestamp;

use crate::content::stem;
use crate::event::Arrival;
use crate::ledger::{Content, DroppedFile, Head, HeadState, Ledger, after};

const STARTED_ALREADY: &str = "a run of these files was started already";
const RUN_ALREADY: &str = "these files were run already";
const FAILED_ALREADY: &str = "the run of these files failed; drop all of them again to start another";

const GONE: &str = "no file was dropped since the last run of this set; files are gone";
const GONE_AFTER_FAILURE: &str = "the run of this set failed, and some of its files were deleted since then; drop these files again, or \
                                  run the files that are there with `downspout rerun`";

/// The facts that a decision depends on besides the ledger and the content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub now: Timestamp,
    /// Whether `myStaleRuns` is `replace`: new content does not wait for a run at work.
    pub replaces: bool,
    /// Whether no pattern has a `{name}`. Then every drop belongs to the same set, and all files of the set must be newer
    /// than those of the last run.
    pub is_fixed: bool,
    /// `myMaxRunsPerDay`.
    pub cap: Option<u32>,
    /// The end of the day for which the cap counts now.
    pub day_end: Timestamp,
    /// `mySettle`: changes that follow each other within this time count as one change.
    pub settle: Duration,
}

/// The next step for a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Do nothing: the content has a run, or a handler is starting one. The value is the reason, for people.
    Duplicate(&'static str),
    /// Do nothing: the files with these keys are not newer than those of the last run.
    NotNewer(Vec<String>),
    /// Do nothing until this time, because of the day's cap.
    Deferred(Timestamp),
    /// Note the content as next.
    Queue,
    /// Do nothing: the content is noted as next already and has to wait.
    Queued,
    /// Make the last run the head again: its content is back, and the later content never started.
    Restore,
    /// Start a run: a new head.
    Claim,
    /// Continue the start of the head, whose holder is gone.
    TakeOver,
}

/// Returns why the arrival of a file of data changes nothing, if the set has a marker and the newest run has read the file. The reason is
/// the one that [`decide`] would give.
///
/// A file may be put again with the same bytes after a handler listed the set and before it claimed the run; this function does not see
/// that. No run starts from such a file before the marker comes again, and the event of a marker is never answered here.
pub(crate) fn already_read(ledger: &Ledger, trigger: &Trigger, arrival: &Arrival) -> Option<&'static str> {
    let is_marked_data =
        trigger.marker.as_ref().is_some_and(|marker| marker.captures(&arrival.key).is_none());
    let head = ledger.head.as_ref().filter(|_| ledger.next.is_none() && ledger.rerun.is_none())?;
    let is_this = |file: &DroppedFile| file.key == arrival.key && Some(&file.etag) == arrival.etag.as_ref();
    if !is_marked_data || arrival.at? > head.claimed_at || !head.files.iter().any(is_this) {
        return None;
    }
    match head.state {
        HeadState::Activated => Some(STARTED_ALREADY),
        HeadState::Finished => Some(RUN_ALREADY),
        HeadState::Failed => Some(FAILED_ALREADY),
        HeadState::Claimed | HeadState::Created | HeadState::Deferred | HeadState::Superseded => None,
    }
}

/// Returns the pipeline whose progress the decision about `content` depends on.
///
/// The caller must ask the service about this pipeline, and write the answer into the ledger, before it calls [`decide`].
pub(crate) fn pipeline_to_ask<'a>(ledger: &'a Ledger, content: &Content, now: Timestamp) -> Option<&'a str> {
    let head = ledger.head.as_ref()?;
    let depends = match head.state {
        // The lease has ended, and only the service knows how far the start came.
        HeadState::Claimed | HeadState::Created => !head.is_leased(now),
        // Other content waited for the end of this run and is gone again, so no later claim asks for the outcome.
        HeadState::Activated if ledger.next.is_some() => true,
        HeadState::Activated => head.run_key != content.run_key || is_put_again(head, content),
        // A person may have let the failed run go on meanwhile.
        HeadState::Failed => head.run_key == content.run_key && is_put_again(head, content),
        HeadState::Finished | HeadState::Deferred | HeadState::Superseded => false,
    };
    head.pipeline_id.as_deref().filter(|_| depends)
}

/// Decides the next step for `content`. The ledger must know the progress of the [`pipeline_to_ask`].
pub(crate) fn decide(ledger: &Ledger, content: &Content, terms: &Terms) -> Step {
    let Some(head) = &ledger.head else { return Step::Claim };
    let is_same = head.run_key == content.run_key;
    let is_wished = is_same && ledger.rerun.is_some();
    match head.state {
        HeadState::Claimed | HeadState::Created if head.is_leased(terms.now) => {
            if is_same {
                Step::Duplicate("another handler is starting this set")
            } else {
                queue(ledger, content)
            }
        }
        HeadState::Claimed | HeadState::Created if is_same => Step::TakeOver,
        HeadState::Claimed | HeadState::Created => new_content(ledger, content, terms),
        HeadState::Activated => while_activated(ledger, head, content, terms),
        HeadState::Finished | HeadState::Failed | HeadState::Superseded if is_wished => Step::Claim,
        HeadState::Deferred if is_same && ledger.is_forced() => Step::Claim,
        HeadState::Finished if is_same => Step::Duplicate(RUN_ALREADY),
        HeadState::Finished => new_content(ledger, content, terms),
        HeadState::Failed | HeadState::Superseded if is_same => same_again(head, content),
        HeadState::Failed | HeadState::Superseded => new_content(ledger, content, terms),
        HeadState::Deferred => match &head.deferred {
            Some(deferral) if is_same && deferral.holds(terms.now, terms.cap, terms.day_end) => {
                Step::Deferred(deferral.until)
            }
            Some(_) | None if is_same => Step::Claim,
            Some(_) | None => new_content(ledger, content, terms),
        },
    }
}

fn while_activated(ledger: &Ledger, head: &Head, content: &Content, terms: &Terms) -> Step {
    let is_same = head.run_key == content.run_key;
    if is_same && !is_put_again(head, content) {
        return Step::Duplicate(STARTED_ALREADY);
    }
    if is_same {
        return Step::Duplicate("a run of these files is at work");
    }
    if terms.replaces && terms.now >= after(head.claimed_at, terms.settle) {
        return new_content(ledger, content, terms);
    }
    queue(ledger, content)
}

/// Decides about the head's own content, whose run failed or was superseded.
fn same_again(head: &Head, content: &Content) -> Step {
    if is_put_again(head, content) {
        return Step::Claim;
    }
    match head.state {
        HeadState::Failed => Step::Duplicate(FAILED_ALREADY),
        _ => Step::Duplicate(
            "a later run replaced the run of these files; drop all of them again to start another",
        ),
    }
}

/// Decides about content other than the head's, when the head is not at work or may be replaced.
fn new_content(ledger: &Ledger, content: &Content, terms: &Terms) -> Step {
    if ledger.restorable(&content.run_key).is_some() {
        return Step::Restore;
    }
    // A person who wishes a run gets one of the files that are there.
    let last = ledger.last_run().filter(|_| ledger.rerun.is_none());
    if let Some(last) = last
        && !has_news(last, content)
    {
        return Step::Duplicate(if last.state == HeadState::Failed { GONE_AFTER_FAILURE } else { GONE });
    }
    if terms.is_fixed
        && let Some(last) = last
    {
        let needed = content.files.iter().filter(|file| !file.is_spare);
        let old: Vec<String> = needed.filter(|file| !is_newer(last, file)).map(key).collect();
        if !old.is_empty() {
            return Step::NotNewer(old);
        }
    }
    match &ledger.next {
        // The content has changed again, so its burst begins now.
        Some(next) if next.run_key != content.run_key => Step::Queue,
        // The burst is not over: a further change may follow.
        Some(next) if terms.now < after(next.since, terms.settle) => Step::Queued,
        Some(_) | None => Step::Claim,
    }
}

fn queue(ledger: &Ledger, content: &Content) -> Step {
    match &ledger.next {
        Some(next) if next.run_key == content.run_key => Step::Queued,
        Some(_) | None => Step::Queue,
    }
}

/// Returns whether every file was put again after the head's claim saw it.
///
/// S3 gives the same bytes the same ETag, so only the time shows a second put. All files must be newer, because users put
/// them one after another. If one newer file were enough, each put could start a run as soon as the last run has failed.
fn is_put_again(head: &Head, content: &Content) -> bool {
    content.files.iter().filter(|file| !file.is_spare).all(|file| is_newer(head, file))
}

/// Returns whether a file of the content was dropped since the head's claim saw the set. If not, files are gone: a pattern
/// with `*` then matches fewer files, or an older one comes to light.
///
/// A file that is not among the head's files comes to light if all files that went are newer than it, or if one of them is and has
/// the same name apart from case and packing: of two such files, a run may read the newer one only.
fn has_news(head: &Head, content: &Content) -> bool {
    let is_in = |files: &[DroppedFile], key: &str| files.iter().any(|file| file.key == key);
    let gone: Vec<_> = head.files.iter().filter(|file| !is_in(&content.files, &file.key)).collect();
    let oldest_gone = gone.iter().map(|file| file.modified).min();
    let was_hidden = |file: &DroppedFile| {
        gone.iter().any(|newer| newer.modified >= file.modified && stem(&newer.key) == stem(&file.key))
    };
    let is_new = |file: &DroppedFile| match head.files.iter().find(|earlier| earlier.key == file.key) {
        Some(earlier) => earlier.etag != file.etag || file.modified > earlier.modified,
        None if was_hidden(file) => false,
        None => file.is_spare || oldest_gone.is_none_or(|gone| file.modified >= gone),
    };
    content.files.iter().any(is_new)
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
    use crate::ledger::{Claim, Deferral, Progress, Rerun};
    use crate::set_name::SetName;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn content(etags: &[(&str, &str, i64)]) -> Content {
        let file = |(key, etag, second): &(&str, &str, i64)| DroppedFile {
            key: (*key).to_owned(),
            etag: (*etag).to_owned(),
            modified: at(*second),
            is_spare: false,
        };
        let name = SetName { definition: "orders".to_owned(), id: "day=1".to_owned() };
        Content::new(&name, etags.iter().map(file).collect())
    }

    fn claim(second: i64) -> Claim {
        Claim { holder: "h".to_owned(), now: at(second), lease: Duration::from_secs(60), slot: None }
    }

    fn terms(second: i64) -> Terms {
        Terms {
            now: at(second),
            replaces: false,
            is_fixed: false,
            cap: None,
            day_end: at(500),
            settle: Duration::from_secs(60),
        }
    }

    fn claimed(content: &Content) -> Ledger {
        Ledger::default().claimed(content, &claim(10))
    }

    fn with_pipeline(content: &Content, state: HeadState) -> Ledger {
        let mut ledger = claimed(content);
        let head = ledger.head.as_mut().unwrap();
        head.pipeline_id = Some("df-1".to_owned());
        head.state = state;
        head.activated_at = (state != HeadState::Created).then(|| at(11));
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
        let mut ledger = with_pipeline(&one, HeadState::Created);
        assert_eq!(pipeline_to_ask(&ledger, &one, at(70)), Some("df-1"));
        assert_eq!(decide(&ledger, &one, &terms(70)), Step::TakeOver);
        ledger.settle_head(Progress::AtWork, at(70));
        assert!(matches!(decide(&ledger, &one, &terms(70)), Step::Duplicate(_)));
    }

    #[test]
    fn other_content_waits_for_a_run_at_work_and_starts_after_it() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let mut ledger = with_pipeline(&one, HeadState::Activated);
        assert_eq!(pipeline_to_ask(&ledger, &other, at(20)), Some("df-1"));
        assert_eq!(decide(&ledger, &other, &terms(20)), Step::Queue);
        ledger = ledger.with_next(&other, at(20));
        assert_eq!(decide(&ledger, &other, &terms(21)), Step::Queued);
        ledger.settle_head(Progress::Finished, at(30));
        assert_eq!(decide(&ledger, &other, &terms(79)), Step::Queued);
        assert_eq!(decide(&ledger, &other, &terms(80)), Step::Claim);
    }

    #[test]
    fn changes_in_a_burst_count_as_one_change() {
        let (one, two, three) =
            (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]), content(&[("a", "3", 40)]));
        let mut ledger = with_pipeline(&one, HeadState::Activated).with_next(&two, at(20));
        ledger.settle_head(Progress::Finished, at(30));
        assert_eq!(decide(&ledger, &three, &terms(40)), Step::Queue);
        ledger = ledger.with_next(&three, at(40));
        assert_eq!(decide(&ledger, &three, &terms(99)), Step::Queued);
        assert_eq!(decide(&ledger, &three, &terms(100)), Step::Claim);
    }

    #[test]
    fn replace_does_not_wait_except_for_a_burst() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let ledger = with_pipeline(&one, HeadState::Activated);
        let replacing = |second| Terms { replaces: true, ..terms(second) };
        assert_eq!(decide(&ledger, &other, &replacing(69)), Step::Queue);
        assert_eq!(decide(&ledger, &other, &replacing(70)), Step::Claim);
    }

    #[test]
    fn the_same_files_again_run_only_after_a_failure() {
        let (one, again) = (content(&[("a", "1", 1)]), content(&[("a", "1", 50)]));
        for state in [HeadState::Finished, HeadState::Activated] {
            assert!(matches!(decide(&with_pipeline(&one, state), &again, &terms(50)), Step::Duplicate(_)));
        }
        let failed = with_pipeline(&one, HeadState::Failed);
        assert!(matches!(decide(&failed, &one, &terms(50)), Step::Duplicate(_)));
        assert_eq!(decide(&failed, &again, &terms(50)), Step::Claim);
        // Unless a person let the failed run go on, and it has finished or is at work.
        assert_eq!(pipeline_to_ask(&failed, &one, at(50)), None);
        assert_eq!(pipeline_to_ask(&failed, &again, at(50)), Some("df-1"));
        for progress in [Progress::Finished, Progress::AtWork] {
            let mut went_on = failed.clone();
            went_on.settle_head(progress, at(50));
            assert!(matches!(decide(&went_on, &again, &terms(50)), Step::Duplicate(_)));
        }
        for progress in [Progress::Failed, Progress::Gone, Progress::NotStarted] {
            let mut stayed = failed.clone();
            stayed.settle_head(progress, at(50));
            assert_eq!(stayed, failed);
        }
        let (two, half, whole) = (
            content(&[("a", "1", 1), ("b", "1", 1)]),
            content(&[("a", "1", 50), ("b", "1", 1)]),
            content(&[("a", "1", 50), ("b", "1", 51)]),
        );
        let failed_two = with_pipeline(&two, HeadState::Failed);
        assert!(matches!(decide(&failed_two, &half, &terms(50)), Step::Duplicate(_)));
        assert_eq!(decide(&failed_two, &whole, &terms(51)), Step::Claim);
        let redone = failed.claimed(&again, &claim(50));
        assert_eq!(redone.head.as_ref().map(|head| head.generation), Some(2));
        assert_eq!(redone.earlier[0].state, HeadState::Failed);
    }

    #[test]
    fn a_wished_rerun_starts_when_the_run_before_it_has_ended_and_only_once() {
        let one = content(&[("a", "1", 1)]);
        let wish = |ledger: Ledger, force| Ledger { rerun: Some(Rerun { at: at(50), force }), ..ledger };
        assert!(matches!(
            decide(&wish(with_pipeline(&one, HeadState::Activated), true), &one, &terms(50)),
            Step::Duplicate(_)
        ));
        for state in [HeadState::Finished, HeadState::Failed, HeadState::Superseded] {
            let ledger = wish(with_pipeline(&one, state), false);
            assert_eq!(decide(&ledger, &one, &terms(50)), Step::Claim);
            let claimed = ledger.claimed(&one, &claim(50));
            assert_eq!((claimed.rerun, claimed.next_generation()), (None, 3));
        }
        let deferral = Deferral { until: at(500), cap: 1 };
        let deferred = Ledger::default().deferred(&one, &claim(10), deferral);
        let capped = Terms { cap: Some(1), ..terms(50) };
        assert_eq!(decide(&wish(deferred.clone(), false), &one, &capped), Step::Deferred(at(500)));
        assert_eq!(decide(&wish(deferred, true), &one, &capped), Step::Claim);
    }

    #[test]
    fn a_failure_not_yet_written_is_found_out() {
        let (one, again) = (content(&[("a", "1", 1)]), content(&[("a", "1", 50)]));
        let mut ledger = with_pipeline(&one, HeadState::Activated);
        assert_eq!(pipeline_to_ask(&ledger, &again, at(50)), Some("df-1"));
        ledger.settle_head(Progress::Failed, at(50));
        assert_eq!(decide(&ledger, &again, &terms(50)), Step::Claim);
    }

    #[test]
    fn a_deferred_set_waits_for_its_day_or_a_change_of_the_cap_or_the_time_zone() {
        let one = content(&[("a", "1", 1)]);
        let deferral = Deferral { until: at(500), cap: 1 };
        let ledger = Ledger::default().deferred(&one, &claim(10), deferral);
        let capped = |second, cap| Terms { cap: Some(cap), ..terms(second) };
        assert_eq!(decide(&ledger, &one, &capped(499, 1)), Step::Deferred(at(500)));
        assert_eq!(decide(&ledger, &one, &capped(500, 1)), Step::Claim);
        assert_eq!(decide(&ledger, &one, &capped(20, 2)), Step::Claim);
        assert_eq!(decide(&ledger, &one, &Terms { day_end: at(100), ..capped(20, 1) }), Step::Claim);
        assert_eq!(decide(&ledger, &content(&[("a", "2", 20)]), &capped(20, 1)), Step::Claim);
    }

    #[test]
    fn content_that_comes_back_before_other_content_ran_is_no_second_run() {
        let (one, other) = (content(&[("a", "1", 1)]), content(&[("a", "2", 20)]));
        let deferral = Deferral { until: at(500), cap: 1 };
        let ledger = with_pipeline(&one, HeadState::Finished).deferred(&other, &claim(20), deferral);
        let back = content(&[("a", "1", 30)]);
        assert_eq!(decide(&ledger, &back, &terms(30)), Step::Restore);
        let restored = ledger.restored(&back.run_key);
        assert!(matches!(decide(&restored, &back, &terms(31)), Step::Duplicate(_)));
        assert_eq!(restored.earlier[0].state, HeadState::Superseded);
        let ran = with_pipeline(&one, HeadState::Finished).claimed(&other, &claim(20));
        let mut ran = Ledger {
            head: ran.head.map(|head| Head { pipeline_id: Some("df-2".to_owned()), ..head }),
            ..ran
        };
        ran.settle_head(Progress::Finished, at(30));
        assert_eq!(decide(&ran, &back, &terms(31)), Step::Claim);
    }

    #[test]
    fn without_names_every_file_must_be_newer() {
        let one = content(&[("a", "1", 1), ("b", "1", 1)]);
        let ledger = with_pipeline(&one, HeadState::Finished);
        let fixed = Terms { is_fixed: true, ..terms(90) };
        let half = content(&[("a", "2", 80), ("b", "1", 1)]);
        assert_eq!(decide(&ledger, &half, &fixed), Step::NotNewer(vec!["b".to_owned()]));
        let whole = content(&[("a", "2", 80), ("b", "1", 81)]);
        assert_eq!(decide(&ledger, &whole, &fixed), Step::Claim);
        let failed = with_pipeline(&one, HeadState::Failed);
        let half_again = content(&[("a", "1", 80), ("b", "1", 1)]);
        assert!(matches!(decide(&failed, &half_again, &fixed), Step::Duplicate(_)));
    }

    #[test]
    fn deleted_files_start_no_run() {
        let two = content(&[("a", "1", 1), ("b", "1", 2)]);
        let ledger = with_pipeline(&two, HeadState::Finished);
        for left in [content(&[("a", "1", 1)]), content(&[("a", "1", 1), ("older", "1", 1)])] {
            assert!(matches!(decide(&ledger, &left, &terms(90)), Step::Duplicate(_)), "{left:?}");
        }
        for more in [
            content(&[("a", "1", 1), ("c", "1", 2)]),
            content(&[("a", "1", 1), ("b", "1", 2), ("c", "1", 0)]),
        ] {
            assert_eq!(decide(&ledger, &more, &terms(90)), Step::Claim, "{more:?}");
        }
    }

    #[test]
    fn run_keys_distinguish_contents() {
        let key = |files| content(files).run_key;
        assert_eq!(key(&[("a", "1", 1), ("b", "2", 1)]), key(&[("b", "2", 9), ("a", "1", 9)]));
        assert_ne!(key(&[("a", "1", 1), ("b", "2", 1)]), key(&[("a", "2", 1), ("b", "1", 1)]));
    }
}
