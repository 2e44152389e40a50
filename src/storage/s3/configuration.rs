//! Requests about a bucket's configuration.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketVersioningStatus, LifecycleRule, ObjectLockEnabled,
    TransitionDefaultMinimumObjectSize,
};

use super::bucket::Bucket;
use super::failure::S3Failure;
use super::retry::RequestClass::Ordinary;

impl Bucket {
    /// Whether the bucket keeps old versions of objects.
    pub(crate) async fn has_versions(&self) -> Result<bool, S3Failure> {
        let found =
            self.send(Ordinary, "GetBucketVersioning", || self.get_bucket_versioning().send()).await?;
        Ok(found.status == Some(BucketVersioningStatus::Enabled))
    }

    /// Whether the bucket has Object Lock.
    pub(crate) async fn has_object_lock(&self) -> Result<bool, S3Failure> {
        let request = || self.get_object_lock_configuration().send();
        match self.send(Ordinary, "GetObjectLockConfiguration", request).await {
            Ok(found) => Ok(found.object_lock_configuration.and_then(|lock| lock.object_lock_enabled)
                == Some(ObjectLockEnabled::Enabled)),
            Err(failure) if failure.is_code("ObjectLockConfigurationNotFoundError") => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// The bucket's lifecycle rules, and the minimum size of objects for transitions.
    pub(crate) async fn lifecycle(
        &self,
    ) -> Result<(Vec<LifecycleRule>, Option<TransitionDefaultMinimumObjectSize>), S3Failure> {
        let request = || self.get_bucket_lifecycle_configuration().send();
        match self.send(Ordinary, "GetBucketLifecycleConfiguration", request).await {
            Ok(found) => Ok((found.rules.unwrap_or_default(), found.transition_default_minimum_object_size)),
            Err(failure) if failure.is_code("NoSuchLifecycleConfiguration") => Ok((Vec::new(), None)),
            Err(failure) => Err(failure),
        }
    }

    /// Replaces the bucket's lifecycle rules.
    pub(crate) async fn put_lifecycle(
        &self,
        rules: &BucketLifecycleConfiguration,
        minimum_size: Option<&TransitionDefaultMinimumObjectSize>,
    ) -> Result<(), S3Failure> {
        let request = || {
            self.put_bucket_lifecycle_configuration()
                .set_transition_default_minimum_object_size(minimum_size.cloned())
                .lifecycle_configuration(rules.clone())
                .send()
        };
        self.send(Ordinary, "PutBucketLifecycleConfiguration", request).await.map(drop)
    }

    pub(crate) async fn delete_lifecycle(&self) -> Result<(), S3Failure> {
        self.send(Ordinary, "DeleteBucketLifecycle", || self.delete_bucket_lifecycle().send()).await.map(drop)
    }
}
