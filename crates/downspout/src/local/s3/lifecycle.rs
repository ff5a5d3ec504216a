//! Applies the lifecycle rules of buckets: deletes expired objects, older versions and delete markers, and aborts old uploads.
//!
//! Follows the user guide of S3, "Lifecycle configuration elements". The days of a rule count from the last
//! change of an object, from the time at which a newer version replaced it, or from the start of an upload. They end at the next
//! midnight UTC.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use rusqlite::params;
use s3s::dto::{self, BucketLifecycleConfiguration, LifecycleRule, TimestampFormat};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::index;
use super::listing::{ListFrom, Listing};
use super::model::{Address, Meta, S3Object};
use super::parts;
use super::store::S3Store;
use super::version_listing::ListedVersion;

/// The name of the document with the rules of a bucket.
pub(super) const DOCUMENT: &str = "lifecycle";

/// The pause before the rules are applied again. Rules count in days, so the delay of a minute does no harm.
const PAUSE: Duration = Duration::from_secs(60);

/// How many versions are read from the index at once.
const PAGE: usize = 1000;

/// Applies the rules of all buckets again and again until `shutdown`.
pub(super) async fn run(store: S3Store, shutdown: CancellationToken) {
    loop {
        if let Err(error) = store.apply_lifecycles().await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(error, "the lifecycle rules could not be applied; the next try is in a minute");
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

/// The place of a version among the versions of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// The time at which a newer version replaced it, or `None` for the newest version.
    replaced: Option<Timestamp>,
    /// How many noncurrent versions are newer than this one. The newest version of a key is current, so it does not count.
    newer: i32,
    /// Whether it is the only version of its key.
    is_alone: bool,
}

impl S3Store {
    /// Applies the lifecycle rules of all buckets. An error in one bucket is logged, and the rules of the other buckets are applied
    /// all the same.
    ///
    /// # Errors
    ///
    /// If the rules cannot be read.
    pub async fn apply_lifecycles(&self) -> Result<(), StoreError> {
        let configurations: Vec<(String, BucketLifecycleConfiguration)> = self.documents(DOCUMENT).await?;
        for (bucket, configuration) in configurations {
            let rules: Vec<_> =
                configuration.rules.into_iter().filter(|rule| rule.status.as_str() == "Enabled").collect();
            match self.apply_lifecycle(&bucket, &rules).await {
                // The bucket was deleted meanwhile.
                Ok(()) | Err(StoreError::NoSuchBucket(_)) => {}
                Err(error) => {
                    let error = format!("{:#}", anyhow::Error::from(error));
                    tracing::warn!(
                        s3.bucket = bucket,
                        error,
                        "the lifecycle rules of a bucket could not be applied"
                    );
                }
            }
        }
        Ok(())
    }

    /// Returns when the newest version of an object expires, and by which rule, in the form of the header `x-amz-expiration`.
    pub(super) async fn expiration(
        &self,
        bucket: &str,
        object: &S3Object,
    ) -> Result<Option<String>, StoreError> {
        let found = self.document::<BucketLifecycleConfiguration>(bucket, DOCUMENT).await?;
        let rules = found.set().map(|configuration| configuration.rules).unwrap_or_default();
        let end = |rule: &LifecycleRule| {
            let expiration = rule.expiration.as_ref()?;
            let by_days = expiration.days.map(|days| end_of(object.modified, days));
            by_days.or_else(|| expiration.date.as_ref().and_then(instant))
        };
        let fitting =
            rules.iter().filter(|rule| rule.status.as_str() == "Enabled" && fits(rule, object, &object.meta));
        let ends = fitting.filter_map(|rule| Some((end(rule)?, rule.id.as_deref().unwrap_or_default())));
        Ok(ends.min().map(|(end, id)| {
            let date = end.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let id = percent_encoding::utf8_percent_encode(id, sigv4::VALUE);
            format!("expiry-date=\"{date}\", rule-id=\"{id}\"")
        }))
    }

    async fn apply_lifecycle(&self, bucket: &str, rules: &[LifecycleRule]) -> Result<(), StoreError> {
        let expires =
            |rule: &LifecycleRule| rule.expiration.is_some() || rule.noncurrent_version_expiration.is_some();
        // Rules about uploads alone need no list of all versions.
        if rules.iter().any(expires) {
            self.expire_versions(bucket, rules).await?;
        }
        self.abort_uploads(bucket, rules).await
    }

    async fn expire_versions(&self, bucket: &str, rules: &[LifecycleRule]) -> Result<(), StoreError> {
        let mut listing = Listing { limit: PAGE, ..Listing::default() };
        let mut mark = None;
        // The versions of one key may be on several pages, so the versions of the last key of a page wait for the next page.
        let mut waiting: Vec<ListedVersion> = Vec::new();
        loop {
            let page = self.list_versions(bucket, listing.clone(), mark).await?;
            for version in page.entries {
                if waiting.first().is_some_and(|first| first.object.key != version.object.key) {
                    self.expire_key(bucket, rules, std::mem::take(&mut waiting)).await?;
                }
                waiting.push(version);
            }
            let Some((key, next)) = page.next else { break };
            (listing.from, mark) = (ListFrom::After(key), next);
        }
        self.expire_key(bucket, rules, waiting).await
    }

    /// Deletes the expired versions of a key. `versions` are all versions of the key, newest first.
    async fn expire_key(
        &self,
        bucket: &str,
        rules: &[LifecycleRule],
        versions: Vec<ListedVersion>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let is_alone = versions.len() == 1;
        let mut replaced = None;
        for (place, version) in versions.into_iter().enumerate() {
            let newer = i32::try_from(place).unwrap_or(i32::MAX) - 1;
            let standing = Standing { replaced, newer: newer.max(0), is_alone };
            replaced = Some(version.object.modified);
            let wanted: Vec<_> = rules.iter().filter(|rule| is_due(rule, &version, standing, now)).collect();
            if wanted.is_empty() {
                continue;
            }
            let key = version.object.key.clone();
            let named =
                Address { bucket: bucket.to_owned(), key, version: Some(version.object.version.clone()) };
            if !self.fit_filters(&wanted, &named, &version).await? {
                continue;
            }
            let is_current = standing.replaced.is_none() && !version.is_marker;
            let address = if is_current { Address { version: None, ..named } } else { named };
            self.expire(address, version.object).await?;
        }
        Ok(())
    }

    /// Returns whether the version fits the filter of one of the rules.
    async fn fit_filters(
        &self,
        rules: &[&LifecycleRule],
        address: &Address,
        version: &ListedVersion,
    ) -> Result<bool, StoreError> {
        let needs_tags = rules.iter().any(|rule| !tags_of(rule).is_empty()) && !version.is_marker;
        let meta = match needs_tags {
            true => match self.head(address.clone()).await {
                Ok(object) => object.meta,
                // A client deleted the version in the meantime.
                Err(StoreError::NoSuchKey(_) | StoreError::NoSuchVersion { .. }) => return Ok(false),
                Err(error) => return Err(error),
            },
            false => Meta::default(),
        };
        Ok(rules.iter().any(|rule| fits(rule, &version.object, &meta)))
    }

    /// Deletes the version `seen`, unless a client has deleted or replaced it in the meantime.
    async fn expire(&self, address: Address, seen: S3Object) -> Result<(), StoreError> {
        let now = self.now();
        self.writer()
            .write(move |tx| {
                // `objects` has the newest version of a key, unless it is a delete marker; `versions` has delete markers and older
                // versions. A write may have replaced a version `null` by another one, so the number of the content is compared.
                let table = if address.version.is_none() { "objects" } else { "versions" };
                let sql = format!(
                    "SELECT EXISTS (SELECT 1 FROM {table} WHERE bucket = ?1 AND key = ?2 AND content = ?3)"
                );
                let values = params![address.bucket, address.key.as_bytes(), seen.content];
                if tx.connection.prepare_cached(&sql)?.query_row(values, |row| row.get(0))? {
                    index::expire_object(tx, &address, now)?;
                    tracing::debug!(s3.bucket = address.bucket, s3.key = address.key, "an object expired");
                }
                Ok(())
            })
            .await
    }

    async fn abort_uploads(&self, bucket: &str, rules: &[LifecycleRule]) -> Result<(), StoreError> {
        let now = self.now();
        for rule in rules {
            let days =
                rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation);
            let Some(days) = days.filter(|_| !filters_by_tag_or_size(rule)) else { continue };
            let prefix = prefix_of(rule).to_owned();
            let listing = Listing { prefix, limit: usize::MAX, ..Listing::default() };
            for upload in self.list_uploads(bucket, listing, None).await?.entries {
                if now >= end_of(upload.initiated, days) {
                    self.writer().write(move |tx| parts::abort(tx, &upload.id)).await?;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether the filter of `rule` names tags or sizes. An upload has neither.
pub(super) fn filters_by_tag_or_size(rule: &LifecycleRule) -> bool {
    rule.filter.as_ref().is_some_and(|filter| {
        filter.tag.is_some()
            || filter.object_size_greater_than.is_some()
            || filter.object_size_less_than.is_some()
            || filter.and.as_ref().is_some_and(|and| {
                and.tags.as_ref().is_some_and(|tags| !tags.is_empty())
                    || and.object_size_greater_than.is_some()
                    || and.object_size_less_than.is_some()
            })
    })
}

/// Returns whether a version has expired at `now` by the times of `rule`. The caller checks the filter of the rule afterwards, and
/// only for expired versions.
fn is_due(rule: &LifecycleRule, version: &ListedVersion, standing: Standing, now: Timestamp) -> bool {
    match standing.replaced {
        None if version.is_marker => {
            let expiration = rule.expiration.as_ref();
            let removes = expiration.and_then(|expiration| expiration.expired_object_delete_marker);
            let is_due =
                expiration.is_some_and(|expiration| has_passed(expiration, version.object.modified, now));
            // A rule with days or a date also removes delete markers without older versions.
            standing.is_alone && (removes == Some(true) || is_due)
        }
        None => rule
            .expiration
            .as_ref()
            .is_some_and(|expiration| has_passed(expiration, version.object.modified, now)),
        Some(replaced) => rule.noncurrent_version_expiration.as_ref().is_some_and(|expiration| {
            expiration.noncurrent_days.is_some_and(|days| now >= end_of(replaced, days))
                && standing.newer >= expiration.newer_noncurrent_versions.unwrap_or(0)
        }),
    }
}

fn has_passed(expiration: &dto::LifecycleExpiration, modified: Timestamp, now: Timestamp) -> bool {
    let by_days = expiration.days.is_some_and(|days| now >= end_of(modified, days));
    by_days || expiration.date.as_ref().and_then(instant).is_some_and(|date| now >= date)
}

/// Returns the time at which `days` days from `start` on are over. If this time is not midnight UTC, returns the next midnight UTC.
fn end_of(start: Timestamp, days: i32) -> Timestamp {
    let end =
        start.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let end = end.to_zoned(TimeZone::UTC);
    let is_midnight = end.start_of_day().is_ok_and(|day| day == end);
    match is_midnight {
        true => end.timestamp(),
        false => {
            end.tomorrow().and_then(|day| day.start_of_day()).map_or(Timestamp::MAX, |day| day.timestamp())
        }
    }
}

/// Converts a time from a document of a bucket.
pub(super) fn instant(time: &dto::Timestamp) -> Option<Timestamp> {
    let mut text = Vec::new();
    time.format(TimestampFormat::DateTime, &mut text).ok()?;
    str::from_utf8(&text).ok()?.parse().ok()
}

fn prefix_of(rule: &LifecycleRule) -> &str {
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref()).and_then(|and| and.prefix.as_deref());
    let own = filter.and_then(|filter| filter.prefix.as_deref());
    and.or(own).or(rule.prefix.as_deref()).unwrap_or_default()
}

fn tags_of(rule: &LifecycleRule) -> Vec<(&str, &str)> {
    let Some(filter) = &rule.filter else { return Vec::new() };
    let all = filter.tag.iter().chain(filter.and.iter().flat_map(|and| and.tags.iter().flatten()));
    all.map(|tag| (tag.key.as_deref().unwrap_or_default(), tag.value.as_deref().unwrap_or_default()))
        .collect()
}

fn fits(rule: &LifecycleRule, object: &S3Object, meta: &Meta) -> bool {
    let and = rule.filter.as_ref().and_then(|filter| filter.and.as_ref());
    let over = and.and_then(|and| and.object_size_greater_than);
    let over = over.or(rule.filter.as_ref().and_then(|filter| filter.object_size_greater_than));
    let under = and.and_then(|and| and.object_size_less_than);
    let under = under.or(rule.filter.as_ref().and_then(|filter| filter.object_size_less_than));
    let size = i64::try_from(object.size).unwrap_or(i64::MAX);
    let has = |(key, value): (&str, &str)| meta.tags.iter().any(|(name, text)| name == key && text == value);
    object.key.starts_with(prefix_of(rule))
        && over.is_none_or(|over| size > over)
        && under.is_none_or(|under| size < under)
        && tags_of(rule).into_iter().all(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_at_the_next_midnight() {
        let start: Timestamp = "2026-01-01T10:30:00Z".parse().unwrap();
        assert_eq!(end_of(start, 1), "2026-01-03T00:00:00Z".parse().unwrap());
        let midnight: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(end_of(midnight, 1), "2026-01-02T00:00:00Z".parse().unwrap());
    }
}
