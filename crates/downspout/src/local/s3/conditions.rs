//! The conditions of requests: checked in the order of RFC 9110, and answered as S3 answers them.

use jiff::Timestamp;
use s3s::dto::ETagCondition;

use super::error::StoreError;
use super::model::{Conditions, S3Object};

impl Conditions {
    /// Checks the conditions of a write against the object that has the key now.
    pub(super) fn check_write(&self, key: &str, current: Option<&S3Object>) -> Result<(), StoreError> {
        if let Some(wanted) = &self.if_match {
            // S3 answers 404, not 412, if the object does not exist.
            let object = current.ok_or_else(|| StoreError::NoSuchKey(key.to_owned()))?;
            if !matches_etag(wanted, &object.etag) {
                return Err(StoreError::PreconditionFailed("If-Match"));
            }
        }
        match (&self.if_none_match, current) {
            (Some(unwanted), Some(object)) if matches_etag(unwanted, &object.etag) => {
                Err(StoreError::PreconditionFailed("If-None-Match"))
            }
            _ => Ok(()),
        }
    }

    /// Checks the conditions of a read of `object`.
    ///
    /// A fulfilled ETag condition overrides the date condition beside it (see the table in S3's page on GetObject).
    pub(super) fn check_read(&self, object: &S3Object) -> Result<(), StoreError> {
        match (&self.if_match, self.if_unmodified_since) {
            (Some(wanted), _) if !matches_etag(wanted, &object.etag) => {
                return Err(StoreError::PreconditionFailed("If-Match"));
            }
            (None, Some(since)) if is_after(object.modified, since) => {
                return Err(StoreError::PreconditionFailed("If-Unmodified-Since"));
            }
            _ => {}
        }
        let unchanged = match (&self.if_none_match, self.if_modified_since) {
            (Some(unwanted), _) => matches_etag(unwanted, &object.etag),
            (None, Some(since)) => !is_after(object.modified, since),
            (None, None) => false,
        };
        if unchanged {
            return Err(StoreError::NotModified { etag: object.etag.clone(), modified: object.modified });
        }
        Ok(())
    }

    /// Checks the conditions of a copy on its source. The conditions are those of a read, but a copy cannot answer "not
    /// modified".
    pub(super) fn check_copy_source(&self, object: &S3Object) -> Result<(), StoreError> {
        self.check_read(object).map_err(|error| match error {
            StoreError::NotModified { .. } if self.if_none_match.is_some() => {
                StoreError::PreconditionFailed("x-amz-copy-source-If-None-Match")
            }
            StoreError::NotModified { .. } => {
                StoreError::PreconditionFailed("x-amz-copy-source-If-Modified-Since")
            }
            StoreError::PreconditionFailed("If-Match") => {
                StoreError::PreconditionFailed("x-amz-copy-source-If-Match")
            }
            StoreError::PreconditionFailed("If-Unmodified-Since") => {
                StoreError::PreconditionFailed("x-amz-copy-source-If-Unmodified-Since")
            }
            other => other,
        })
    }
}

fn matches_etag(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

/// Returns whether an object changed after `since`, the time of a header. Both times are compared in whole seconds, because
/// headers have no fractions of seconds.
fn is_after(modified: Timestamp, since: Timestamp) -> bool {
    modified.as_second() > since.as_second()
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn object() -> S3Object {
        S3Object {
            key: "k".to_owned(),
            content: 1,
            size: 1,
            etag: "abc".to_owned(),
            modified: Timestamp::from_millisecond(10_500).unwrap(),
            version: "null".to_owned(),
            is_versioned: false,
            meta: super::super::model::Meta::default(),
        }
    }

    fn etag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn if_none_match_any_requires_that_the_key_is_unused() {
        let conditions = Conditions { if_none_match: Some(ETagCondition::Any), ..Default::default() };
        assert!(conditions.check_write("k", None).is_ok());
        let taken = conditions.check_write("k", Some(&object()));
        assert!(matches!(taken, Err(StoreError::PreconditionFailed("If-None-Match"))));
    }

    #[test]
    fn if_match_on_nothing_is_no_such_key() {
        let conditions = Conditions { if_match: etag("abc"), ..Default::default() };
        assert!(matches!(conditions.check_write("k", None), Err(StoreError::NoSuchKey(_))));
        assert!(conditions.check_write("k", Some(&object())).is_ok());
    }

    #[test]
    fn a_matching_etag_overrides_the_date() {
        let since = Timestamp::from_second(5).ok();
        let conditions =
            Conditions { if_match: etag("abc"), if_unmodified_since: since, ..Default::default() };
        assert!(conditions.check_read(&object()).is_ok());
        let conditions = Conditions { if_unmodified_since: since, ..Default::default() };
        assert!(conditions.check_read(&object()).is_err());
    }

    #[test]
    fn the_same_second_is_not_modified() {
        let since = Timestamp::from_second(10).ok();
        let conditions = Conditions { if_modified_since: since, ..Default::default() };
        assert!(matches!(conditions.check_read(&object()), Err(StoreError::NotModified { .. })));
    }
}
