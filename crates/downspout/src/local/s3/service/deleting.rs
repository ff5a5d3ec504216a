//! DeleteObject and DeleteObjects.

use s3s::dto::*;
use s3s::{S3Error, S3Request, S3Result, s3_error};

use super::Service;
use super::headers::only_version;
use crate::local::s3::index;
use crate::local::s3::model::Conditions;

/// The largest number of keys in one DeleteObjects of S3.
const MOST_KEYS: usize = 1000;

impl Service {
    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<DeleteObjectOutput> {
        let DeleteObjectInput { bucket, key, if_match, version_id, .. } = request.input;
        only_version(version_id.as_deref())?;
        let conditions = Conditions { if_match, ..Default::default() };
        self.store.delete(&bucket, &key, conditions).await?;
        Ok(DeleteObjectOutput::default())
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
                let if_match = object.e_tag.map(ETagCondition::ETag);
                let conditions = Conditions { if_match, ..Default::default() };
                let deleted = match only_version(object.version_id.as_deref()) {
                    Ok(()) => index::delete_object(tx, &bucket, &object.key, &conditions, now)
                        .map_err(S3Error::from),
                    Err(error) => Err(error),
                };
                outcome.push((object.key, deleted.map(drop)));
            }
            Ok(outcome)
        });
        let mut output =
            DeleteObjectsOutput { deleted: Some(vec![]), errors: Some(vec![]), request_charged: None };
        for (key, deleted) in outcome.await? {
            match deleted {
                Ok(()) if delete.quiet == Some(true) => {}
                Ok(()) => output
                    .deleted
                    .get_or_insert_default()
                    .push(DeletedObject { key: Some(key), ..Default::default() }),
                Err(error) => output.errors.get_or_insert_default().push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        Ok(output)
    }
}
