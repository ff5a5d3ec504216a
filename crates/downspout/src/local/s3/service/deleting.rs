//! DeleteObject and DeleteObjects.

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::Service;
use super::headers::address;
use crate::local::s3::index;
use crate::local::s3::model::{Conditions, Deleted};

/// The largest number of keys in one DeleteObjects of S3.
const MOST_KEYS: usize = 1000;

impl Service {
    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<DeleteObjectOutput> {
        let input = request.input;
        refuse_conditions(input.if_match_size.is_some() || input.if_match_last_modified_time.is_some())?;
        let conditions = Conditions { if_match: input.if_match, ..Default::default() };
        let deleted =
            self.store.delete(address(input.bucket, input.key, input.version_id), conditions).await?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.is_marker.then_some(true),
            version_id: deleted.version,
            ..Default::default()
        })
    }

    /// Deletes many keys in one transaction. A key that cannot be deleted does not stop the others.
    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete, .. } = request.input;
        if delete.objects.is_empty() || delete.objects.len() > MOST_KEYS {
            return Err(s3_error!(MalformedXML, "a DeleteObjects request must name 1 to {MOST_KEYS} keys"));
        }
        self.expect_bucket(&bucket).await?;
        let (objects, now) = (delete.objects, self.store.now());
        let outcome = self.store.writer().write(move |tx| {
            let mut outcome = Vec::with_capacity(objects.len());
            for object in objects {
                let others = object.size.is_some() || object.last_modified_time.is_some();
                let if_match = object.e_tag.map(ETagCondition::ETag);
                let conditions = Conditions { if_match, ..Default::default() };
                let asked = object.version_id.filter(|version| !version.is_empty());
                let address = address(bucket.clone(), object.key.clone(), asked.clone());
                let deleted = match refuse_conditions(others) {
                    Err(refused) => Err(refused),
                    Ok(()) => match index::delete_object(tx, &address, &conditions, now) {
                        // A failure of the index may have come after a part of the work, so all of it is undone.
                        Err(failed) if failed.is_of_store() => return Err(failed),
                        other => other.map_err(S3Error::from),
                    },
                };
                outcome.push((object.key, asked, deleted));
            }
            Ok(outcome)
        });
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (key, asked, outcome) in outcome.await? {
            match outcome {
                Ok(_) if delete.quiet == Some(true) => {}
                Ok(done) => deleted.push(deleted_object(key, asked, done)),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id: asked,
                }),
            }
        }
        Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None })
    }
}

/// Describes a deleted key. `asked` is the version in the request: without it, a delete marker is a new one.
fn deleted_object(key: String, asked: Option<String>, deleted: Deleted) -> DeletedObject {
    DeletedObject {
        delete_marker: deleted.is_marker.then_some(true),
        delete_marker_version_id: deleted.version.filter(|_| deleted.is_marker),
        key: Some(key),
        version_id: asked,
    }
}

/// Refuses the conditions on size and time, which S3 knows in directory buckets only.
fn refuse_conditions(present: bool) -> S3Result<()> {
    if present {
        return Err(s3_error!(
            NotImplemented,
            "conditions on the size or the time of an object work in directory buckets only; use its ETag"
        ));
    }
    Ok(())
}
