//! A definition's turn: its runs go one after another, whatever set they are of.
//!
//! The runs of one definition write the same tables; two at a time would mix their rows. So before a set is claimed,
//! its handler takes the definition's turn, one object that changes by conditional puts only. The turn is for one
//! claim, a set and its generation, and whether that claim is done with stands in the set's ledger: what the turn
//! itself remembers is only until when a claim may still appear there.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::handler::Handler;
use crate::ledger::{Claim, Ending, State, after};
use crate::ports::{Condition, Edges, Put};
use crate::sets::Set;

/// Whose turn it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Turn {
    set: String,
    generation: u32,
    holder: String,
    /// Until when its claim may still be made.
    lease_until: Timestamp,
}

/// What came of asking for the turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Taken,
    Behind(Ahead),
    /// Somebody else put it first: maybe another handler of the same set, which is claiming it now.
    Changed,
}

/// The run that comes before a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub set: String,
    pub pipeline_id: Option<String>,
}

impl<E: Edges> Handler<E> {
    /// Takes the turn for the claim of `generation`, if it is nobody else's.
    pub(crate) async fn take_turn(
        &self,
        set: &Set<'_>,
        generation: u32,
        claim: &Claim,
    ) -> anyhow::Result<Asked> {
        let key = self.turn_key(set);
        let turn = Turn {
            set: set.id.clone(),
            generation,
            holder: claim.holder.clone(),
            lease_until: after(claim.now, claim.lease),
        };
        let body = serde_json::to_string(&turn).context("writing a turn")?;
        let condition = match self.turn(&key).await? {
            None => Condition::Absent,
            Some((other, etag)) => match self.ahead(set, generation, &other).await? {
                Some(ahead) => return Ok(Asked::Behind(ahead)),
                None => Condition::Unchanged(etag),
            },
        };
        let put = self.edges.put(&self.book.home.bucket, &key, body, condition).await;
        match put.with_context(|| format!("writing {key}"))? {
            Put::Stored(_) => Ok(Asked::Taken),
            Put::Conflict => Ok(Asked::Changed),
        }
    }

    /// Returns whose turn it is, if a claim of `generation` would have to wait; changes nothing.
    pub(crate) async fn look_ahead(&self, set: &Set<'_>, generation: u32) -> anyhow::Result<Option<Ahead>> {
        match self.turn(&self.turn_key(set)).await? {
            Some((turn, _)) => self.ahead(set, generation, &turn).await,
            None => Ok(None),
        }
    }

    fn turn_key(&self, set: &Set<'_>) -> String {
        format!("{}_turn.json", self.book.folder(set.definition()))
    }

    async fn turn(&self, key: &str) -> anyhow::Result<Option<(Turn, String)>> {
        let stored = self.edges.get(&self.book.home.bucket, key).await;
        let Some(stored) = stored.with_context(|| format!("reading {key}"))? else { return Ok(None) };
        let turn = serde_json::from_slice(&stored.body).unwrap_or_else(|error| {
            // Better a turn that is taken too early once than a definition that never runs again.
            tracing::error!(s3.key = key, error = %error, "this is no turn; it counts as free");
            Turn::default()
        });
        Ok(Some((turn, stored.etag)))
    }

    /// Returns the claim of `turn` if it is another's and not done with.
    async fn ahead(&self, set: &Set<'_>, generation: u32, turn: &Turn) -> anyhow::Result<Option<Ahead>> {
        if turn.set == set.id && turn.generation == generation {
            return Ok(None);
        }
        let now = self.now();
        let ledger = self.book.entry(&self.edges, set.definition(), &turn.set).await?.ledger;
        let may_be_claimed = now < turn.lease_until && !self.book.is_gone(&turn.holder);
        let Some(head) = ledger.heads().find(|head| head.generation == turn.generation) else {
            return Ok(may_be_claimed.then(|| Ahead { set: turn.set.clone(), pipeline_id: None }));
        };
        let ahead = Ahead { set: turn.set.clone(), pipeline_id: head.pipeline_id.clone() };
        let may_start = matches!(head.state, State::Claimed | State::Created);
        if may_start && (may_be_claimed || head.is_leased(now)) {
            return Ok(Some(ahead));
        }
        // A failed run may have been set going again by hand.
        let may_be_at_work = !matches!(head.state, State::Finished | State::Deferred);
        let Some(id) = head.pipeline_id.as_ref().filter(|_| may_be_at_work) else { return Ok(None) };
        let is_ahead = match self.ending(id).await.context("looking at the run before")? {
            // Under `replace`, what is at work goes before anything of the new run is started.
            Ending::AtWork => !set.replaces(),
            // Activated a moment ago: the service shows it soon, or never did it.
            Ending::NotStarted => head.activated_at.is_some_and(|at| now < after(at, self.config.lease)),
            Ending::Finished | Ending::Failed | Ending::Gone => false,
        };
        Ok(is_ahead.then_some(ahead))
    }

    /// Gives the turn of a claim that came to nothing back, so that other sets need not wait for its lease.
    pub(crate) async fn give_turn_back(&self, set: &Set<'_>, holder: &str) -> anyhow::Result<()> {
        let key = self.turn_key(set);
        let Some((turn, etag)) = self.turn(&key).await?.filter(|(turn, _)| turn.holder == holder) else {
            return Ok(());
        };
        let body =
            serde_json::to_string(&Turn { lease_until: self.now(), ..turn }).context("writing a turn")?;
        let put = self.edges.put(&self.book.home.bucket, &key, body, Condition::Unchanged(etag)).await;
        // In a conflict it is somebody else's by now.
        put.with_context(|| format!("writing {key}")).map(drop)
    }
}
