//! The storage's clock, according to its responses.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, Utc};

/// Keeps the `Date` header of the last response.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock(Arc<Mutex<Option<DateTime<Utc>>>>);

impl Clock {
    pub(super) fn time(&self) -> Option<DateTime<Utc>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.with_timezone(&Utc));
        }
        Ok(())
    }
}
