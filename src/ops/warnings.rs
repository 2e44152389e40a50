//! Remembers what was warned of during a backup, for its manifest and the report.
//!
//! Warnings are logged where they arise. A span marks the backup that is under way; [`Collect`] is
//! a layer of the subscriber that also notes those that come from inside of such a span. Without
//! that layer nothing is remembered.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Instrument, Level, Subscriber, span};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

const SPAN: &str = "remember_warnings";

static NEXT: AtomicU64 = AtomicU64::new(1);
static REMEMBERED: Mutex<Option<HashMap<u64, Vec<String>>>> = Mutex::new(None);

fn remembered() -> MutexGuard<'static, Option<HashMap<u64, Vec<String>>>> {
    REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the future, and gives what was warned of meanwhile.
pub async fn remember<T>(future: impl Future<Output = T>) -> (T, Vec<String>) {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    remembered().get_or_insert_default().insert(id, Vec::new());
    let output = future.instrument(tracing::warn_span!("remember_warnings", id)).await;
    let warnings = remembered().get_or_insert_default().remove(&id).unwrap_or_default();
    (output, warnings)
}

/// The layer that notes warnings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Collect;

/// Marks a span as [`remember`]'s.
struct Mark(u64);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Collect {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        if attributes.metadata().name() != SPAN {
            return;
        }
        let mut found = FindId(None);
        attributes.record(&mut found);
        if let (Some(number), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().insert(Mark(number));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() != Level::WARN {
            return;
        }
        let marked = |span: tracing_subscriber::registry::SpanRef<'_, S>| {
            span.extensions().get::<Mark>().map(|mark| mark.0)
        };
        let Some(id) = context.event_scope(event).and_then(|mut scope| scope.find_map(marked)) else {
            return;
        };
        let mut text = Text(String::new());
        event.record(&mut text);
        if let Some(warnings) = remembered().get_or_insert_default().get_mut(&id) {
            warnings.push(text.0);
        }
    }
}

struct FindId(Option<u64>);

impl Visit for FindId {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _field: &Field, _value: &dyn fmt::Debug) {}
}

/// The message, and the other fields after it.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => format!("{value:?}"),
            name => format!("{name}={value:?}"),
        };
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test]
    async fn only_warnings_from_inside_are_remembered() {
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(Collect));
        tracing::warn!("before");
        let (output, warnings) = remember(async {
            tracing::info!("no warning");
            tokio::task::yield_now().await;
            tracing::warn!(count = 2, "inside");
            7
        })
        .await;
        tracing::warn!("after");
        assert_eq!((output, warnings), (7, vec!["inside count=2".to_owned()]));
        assert!(remembered().as_ref().is_some_and(HashMap::is_empty));
    }
}
