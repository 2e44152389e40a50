//! Requests about objects.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime as S3DateTime};
use aws_sdk_s3::types::{Delete, Error as ObjectError, ObjectIdentifier};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::new_object::{NewObject, with_object};
use super::retry::RequestClass;
use crate::storage::StoredObject;

/// How many keys DeleteObjects accepts
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
pub(crate) const KEYS_PER_DELETE: usize = 1000;

impl Bucket {
    /// The metadata of an object; `None` if it does not exist.
    pub(crate) async fn head(
        &self,
        key: &str,
        class: RequestClass,
    ) -> Result<Option<HeadObjectOutput>, S3Failure> {
        match self.send(class, "HeadObject", || self.head_object().key(key).send()).await {
            Ok(head) => Ok(Some(head)),
            Err(failure) if failure.status == Some(404) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Reads an object, or the rest after `from`: a byte offset and the ETag that the object must still
    /// have.
    pub(crate) async fn get(
        &self,
        key: &str,
        from: Option<(u64, &str)>,
    ) -> Result<GetObjectOutput, S3Failure> {
        let request = self
            .get_object()
            .key(key)
            .set_range(from.map(|(offset, _)| format!("bytes={offset}-")))
            .set_if_match(from.map(|(_, etag)| etag.to_owned()));
        self.send(RequestClass::Ordinary, "GetObject", || request.clone().send()).await
    }

    /// Reads the bytes of an object that a `Range` header names, if the object still has the ETag.
    pub(crate) async fn get_range(
        &self,
        key: &str,
        range: &str,
        etag: Option<&str>,
    ) -> Result<GetObjectOutput, S3Failure> {
        let request = self.get_object().key(key).range(range).set_if_match(etag.map(str::to_owned));
        self.send(RequestClass::Ordinary, "GetObject", || request.clone().send()).await
    }

    /// Stores an object, with retries.
    pub(crate) async fn put(&self, object: &NewObject, body: Bytes) -> Result<PutObjectOutput, S3Failure> {
        let class = RequestClass::Body(body.len());
        self.send(class, "PutObject", || self.put_request(object, body.clone()).send()).await
    }

    /// Stores an object in one attempt.
    pub(crate) async fn put_once(&self, object: &NewObject, body: Bytes) -> Result<(), S3Failure> {
        let class = RequestClass::Body(body.len());
        match self.send_once(class, self.put_request(object, body).send()).await?.e_tag {
            Some(_) => Ok(()),
            None => Err(S3Failure::incomplete("the response to PutObject has no ETag")),
        }
    }

    fn put_request(
        &self,
        object: &NewObject,
        body: Bytes,
    ) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
        with_object!(self.put_object(), object, self.checksum())
            .set_if_none_match(object.if_none_match.clone())
            .body(ByteStream::from(body))
    }

    /// Deletes an object or a version of it. Succeeds if it does not exist.
    pub(crate) async fn delete(&self, key: &str, version: Option<&str>) -> Result<(), S3Failure> {
        let request = || self.delete_object().key(key).set_version_id(version.map(str::to_owned)).send();
        match self.send(RequestClass::Ordinary, "DeleteObject", request).await {
            Err(failure) if !failure.is_code("NoSuchKey") => Err(failure),
            _ => Ok(()),
        }
    }

    /// Deletes up to [`KEYS_PER_DELETE`] objects with one request. Returns those not deleted, and why.
    pub(crate) async fn delete_many(&self, keys: &[String]) -> Result<Vec<ObjectError>, S3Failure> {
        let identifiers: Vec<_> =
            keys.iter().filter_map(|key| ObjectIdentifier::builder().key(key).build().ok()).collect();
        let delete = Delete::builder()
            .set_objects(Some(identifiers))
            .quiet(true)
            .build()
            .map_err(|error| S3Failure::incomplete(&error.to_string()))?;
        let request = || self.delete_objects().delete(delete.clone()).send();
        let answer = self.send(RequestClass::Ordinary, "DeleteObjects", request).await?;
        // Some storages report objects that are already gone.
        let is_there = |error: &ObjectError| error.code.as_deref() != Some("NoSuchKey");
        Ok(answer.errors.unwrap_or_default().into_iter().filter(is_there).collect())
    }

    /// All objects whose key begins with `prefix`, sorted by key, from all pages.
    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<StoredObject>, S3Failure> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request =
                || self.list_objects_v2().prefix(prefix).set_continuation_token(token.clone()).send();
            let page = self.send(RequestClass::Ordinary, "ListObjectsV2", request).await?;
            objects.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                Some(StoredObject {
                    key: object.key?,
                    bytes: u64::try_from(object.size.unwrap_or(0)).unwrap_or(0),
                    modified: object.last_modified.and_then(|at| time(&at)),
                })
            }));
            match (page.is_truncated, page.next_continuation_token) {
                // A repeated token would make the list endless.
                (Some(true), Some(next)) if token.as_ref() != Some(&next) => token = Some(next),
                (Some(true), _) => return Err(S3Failure::incomplete("the list is truncated")),
                _ => break,
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    /// Lists at most one key, to find out whether that is allowed.
    pub(crate) async fn list_one(&self, prefix: &str) -> Result<(), S3Failure> {
        let request = || self.list_objects_v2().prefix(prefix).max_keys(1).send();
        self.send(RequestClass::Ordinary, "ListObjectsV2", request).await.map(drop)
    }
}

pub(crate) fn time(at: &S3DateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.secs(), at.subsec_nanos())
}
