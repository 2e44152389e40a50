//! The lifecycle rules by which the bucket itself expires, moves and aborts
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>).
//!
//! A bucket has one list of rules, which is read and written as a whole. Our rule is the
//! one with our id; all others are written back unchanged.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, Transition, TransitionDefaultMinimumObjectSize,
    TransitionStorageClass,
};

use super::s3::S3Store;
use crate::error::{Error, ErrorKind, Result};
use crate::storage::s3::S3Failure;

/// The parts that we manage of the rule for a job's prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// Delete objects after this many days.
    pub expire_days: Option<u32>,
    /// Move objects to a storage class after this many days.
    pub transitions: Vec<(String, u32)>,
    /// Abort uploads that are still incomplete after this many days.
    pub abort_days: Option<u32>,
}

/// All rules of a bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Lifecycle {
    /// The rules, in the bucket's order.
    pub rules: Vec<LifecycleRule>,
    /// A setting of the whole list.
    minimum_size: Option<TransitionDefaultMinimumObjectSize>,
}

/// The effect of a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The rules after the change.
    pub after: Lifecycle,
    /// The lines removed from our rule.
    pub removed: Vec<String>,
    /// The lines added to our rule.
    pub added: Vec<String>,
}

impl Lifecycle {
    /// Reads a bucket's rules.
    ///
    /// # Errors
    /// `StorageUnreachable`; `Usage`, if the storage does not support lifecycle rules.
    pub async fn read(store: &S3Store) -> Result<Self> {
        match store.bucket().lifecycle().await {
            Ok((rules, minimum_size)) => Ok(Lifecycle { rules, minimum_size }),
            Err(failure) => Err(failed(failure, "read", ErrorKind::StorageUnreachable, store)),
        }
    }

    /// The rule that aborts incomplete uploads of keys that begin with `prefix`, if any.
    pub fn aborting<'r>(rules: &'r [LifecycleRule], prefix: &str) -> Option<&'r LifecycleRule> {
        rules.iter().find(|rule| {
            let aborts =
                rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation);
            aborts.is_some()
                && rule.status == ExpirationStatus::Enabled
                && prefix.starts_with(rule_prefix(rule).unwrap_or_default())
        })
    }

    /// Replaces or adds our rule; all others, and their order, stay the same. An empty rule is removed.
    ///
    /// # Errors
    /// `Usage`, if the rule is not valid.
    pub fn with(&self, job: &str, prefix: &str, rule: &Rule) -> Result<Change> {
        let id = rule_id(job);
        let is_ours = |found: &LifecycleRule| found.id.as_deref() == Some(id.as_str());
        let before = self.rules.iter().find(|found| is_ours(found));
        let new = match *rule == Rule::default() {
            true => None,
            false => Some(build(&id, prefix, rule)?),
        };
        let mut rules = self.rules.clone();
        match (rules.iter().position(is_ours), new.clone()) {
            (Some(at), Some(new)) => rules[at] = new,
            (Some(at), None) => {
                rules.remove(at);
            }
            (None, Some(new)) => rules.push(new),
            (None, None) => {}
        }
        let old_lines = before.map(describe).unwrap_or_default();
        let new_lines = new.as_ref().map(describe).unwrap_or_default();
        Ok(Change {
            removed: old_lines.iter().filter(|line| !new_lines.contains(line)).cloned().collect(),
            added: new_lines.into_iter().filter(|line| !old_lines.contains(line)).collect(),
            after: Lifecycle { rules, minimum_size: self.minimum_size.clone() },
        })
    }

    /// Writes the rules, and reads them again: it is an error if they differ.
    ///
    /// # Errors
    /// `StorageFailed`.
    pub async fn write(&self, store: &S3Store) -> Result<()> {
        let written = if self.rules.is_empty() {
            // An empty list cannot be written.
            store.bucket().delete_lifecycle().await
        } else {
            let rules = BucketLifecycleConfiguration::builder()
                .set_rules(Some(self.rules.clone()))
                .build()
                .map_err(|error| invalid(error.to_string()))?;
            store.bucket().put_lifecycle(&rules, self.minimum_size.as_ref()).await
        };
        written.map_err(|failure| failed(failure, "write", ErrorKind::StorageFailed, store))?;
        let stored = Lifecycle::read(store).await?;
        let text = |rules: &[LifecycleRule]| {
            let mut all: Vec<_> = rules.iter().map(describe).collect();
            all.sort();
            all
        };
        if text(&stored.rules) != text(&self.rules) {
            return Err(Error::new(
                ErrorKind::StorageFailed,
                format!("write the lifecycle rules of s3://{}", store.bucket().name()),
            )
            .because("the storage accepted them, but now shows different ones")
            .hint(
                "compare with pgsiphon lifecycle show: this storage may not support everything requested",
            ));
        }
        Ok(())
    }
}

/// The id of a job's rule.
pub fn rule_id(job: &str) -> String {
    format!("pgsiphon-{job}")
}

fn build(id: &str, prefix: &str, rule: &Rule) -> Result<LifecycleRule> {
    let days = |days: u32| i32::try_from(days).map_err(|_| invalid(format!("{days} days are too many")));
    if prefix.is_empty() && (rule.expire_days.is_some() || !rule.transitions.is_empty()) {
        return Err(invalid("it would apply to the whole bucket, including what others store there".into())
            .hint("give the backups a prefix: s3://bucket/prefix"));
    }
    let mut ordered = rule.transitions.clone();
    ordered.sort_by_key(|(_, days)| *days);
    if let (Some(expire), Some((class, last))) = (rule.expire_days, ordered.last())
        && *last >= expire
    {
        return Err(invalid(format!(
            "objects would move to {class} after {last} days, but be deleted after {expire}"
        )));
    }
    if [rule.expire_days, rule.abort_days].contains(&Some(0)) {
        return Err(invalid("the number of days must be at least 1".into()));
    }
    let mut built = LifecycleRule::builder()
        .id(id)
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix(prefix).build());
    if let Some(expire) = rule.expire_days {
        built = built.expiration(LifecycleExpiration::builder().days(days(expire)?).build());
    }
    for (class, after) in &ordered {
        let class = TransitionStorageClass::from(class.as_str());
        built = built.transitions(Transition::builder().days(days(*after)?).storage_class(class).build());
    }
    if let Some(abort) = rule.abort_days {
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(days(abort)?).build();
        built = built.abort_incomplete_multipart_upload(abort);
    }
    built.build().map_err(|error| invalid(error.to_string()))
}

/// Describes a rule for people: one line for each action.
pub fn describe(rule: &LifecycleRule) -> Vec<String> {
    let id = rule.id.as_deref().unwrap_or("(no id)");
    let mut lines = vec![format!("{id}: {}, for {}", rule.status.as_str().to_lowercase(), scope(rule))];
    let mut add = |text: String| lines.push(format!("{id}: {text}"));
    if let Some(expiration) = &rule.expiration {
        if let Some(days) = expiration.days {
            add(format!("remove after {days} days"));
        }
        if let Some(date) = &expiration.date {
            add(format!("remove on {date}"));
        }
        if expiration.expired_object_delete_marker == Some(true) {
            add("remove delete markers without other versions".into());
        }
    }
    for transition in rule.transitions() {
        let class = transition.storage_class().map_or("?", TransitionStorageClass::as_str);
        match (transition.days, &transition.date) {
            (Some(days), _) => add(format!("move to {class} after {days} days")),
            (None, Some(date)) => add(format!("move to {class} on {date}")),
            (None, None) => add(format!("move to {class} at once")),
        }
    }
    if let Some(noncurrent) = &rule.noncurrent_version_expiration {
        let newer = noncurrent
            .newer_noncurrent_versions
            .map_or_else(String::new, |n| format!(", except the newest {n}"));
        add(format!("remove old versions after {} days{newer}", noncurrent.noncurrent_days.unwrap_or(0)));
    }
    for transition in rule.noncurrent_version_transitions() {
        let class = transition.storage_class().map_or("?", TransitionStorageClass::as_str);
        add(format!("move old versions to {class} after {} days", transition.noncurrent_days.unwrap_or(0)));
    }
    if let Some(days) =
        rule.abort_incomplete_multipart_upload.as_ref().and_then(|abort| abort.days_after_initiation)
    {
        add(format!("abort incomplete uploads after {days} days"));
    }
    lines
}

/// Which objects a rule applies to.
fn scope(rule: &LifecycleRule) -> String {
    let mut parts = Vec::new();
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    if let Some(prefix) = rule_prefix(rule).filter(|prefix| !prefix.is_empty()) {
        parts.push(format!("keys that begin with {prefix}"));
    }
    let tags =
        filter.and_then(|f| f.tag.as_ref()).into_iter().chain(and.map(|a| a.tags()).unwrap_or_default());
    parts.extend(tags.map(|tag| format!("tag {}={}", tag.key, tag.value)));
    let larger =
        filter.and_then(|f| f.object_size_greater_than).or(and.and_then(|a| a.object_size_greater_than));
    let smaller = filter.and_then(|f| f.object_size_less_than).or(and.and_then(|a| a.object_size_less_than));
    parts.extend(larger.map(|bytes| format!("more than {bytes} bytes")));
    parts.extend(smaller.map(|bytes| format!("less than {bytes} bytes")));
    if parts.is_empty() { "the whole bucket".to_owned() } else { parts.join(", ") }
}

fn rule_prefix(rule: &LifecycleRule) -> Option<&str> {
    // Old rules have their prefix outside of the filter.
    #[allow(deprecated)]
    let old_prefix = rule.prefix.as_deref();
    let filter = rule.filter.as_ref();
    let and = filter.and_then(|filter| filter.and.as_ref());
    filter.and_then(|f| f.prefix.as_deref()).or(and.and_then(|a| a.prefix.as_deref())).or(old_prefix)
}

fn invalid(reason: String) -> Error {
    Error::new(ErrorKind::Usage, "make a lifecycle rule").because(reason)
}

fn failed(failure: S3Failure, verb: &str, kind: ErrorKind, store: &S3Store) -> Error {
    let attempted = format!("{verb} the lifecycle rules of s3://{}", store.bucket().name());
    if failure.is_denied() {
        return Error::new(kind, attempted)
            .because(failure)
            .hint("the credentials need s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration on the bucket");
    }
    failure.into_error(kind, attempted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_others() -> LifecycleRule {
        LifecycleRule::builder()
            .id("logs")
            .status(ExpirationStatus::Disabled)
            .filter(LifecycleRuleFilter::builder().prefix("logs/").build())
            .expiration(LifecycleExpiration::builder().days(3).build())
            .build()
            .unwrap()
    }

    fn rules(rules: Vec<LifecycleRule>) -> Lifecycle {
        Lifecycle { rules, minimum_size: Some(TransitionDefaultMinimumObjectSize::VariesByStorageClass) }
    }

    #[test]
    fn others_rules_stay_as_they_are() {
        let before = rules(vec![of_others()]);
        let rule = Rule {
            expire_days: Some(400),
            transitions: vec![("DEEP_ARCHIVE".into(), 90), ("GLACIER".into(), 30)],
            abort_days: Some(7),
        };
        let change = before.with("shop", "pg/", &rule).unwrap();
        assert_eq!(change.after.rules[0], of_others());
        assert_eq!(change.after.minimum_size, before.minimum_size);
        assert!(change.removed.is_empty());
        assert_eq!(
            change.added,
            [
                "pgsiphon-shop: enabled, for keys that begin with pg/",
                "pgsiphon-shop: remove after 400 days",
                "pgsiphon-shop: move to GLACIER after 30 days",
                "pgsiphon-shop: move to DEEP_ARCHIVE after 90 days",
                "pgsiphon-shop: abort incomplete uploads after 7 days",
            ]
        );
        let less = Rule { abort_days: Some(7), ..Rule::default() };
        let second = change.after.with("shop", "pg/", &less).unwrap();
        assert_eq!(second.after.rules.len(), 2);
        assert_eq!(second.removed.len(), 3);
        assert!(second.added.is_empty());
        let gone = second.after.with("shop", "pg/", &Rule::default()).unwrap();
        assert_eq!(gone.after, before);
    }

    #[test]
    fn rules_that_would_do_harm_are_refused() {
        let refused = |prefix: &str, rule: Rule| {
            let error = rules(Vec::new()).with("j", prefix, &rule).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Usage);
            error.report()
        };
        let expire = |days| Rule { expire_days: Some(days), ..Rule::default() };
        assert!(refused("", expire(3)).contains("the whole bucket"));
        assert!(refused("p/", expire(0)).contains("at least 1"));
        let late = Rule { transitions: vec![("GLACIER".into(), 5)], ..expire(5) };
        assert!(refused("p/", late).contains("be deleted after 5"));
        let abort = Rule { abort_days: Some(7), ..Rule::default() };
        assert!(rules(Vec::new()).with("j", "", &abort).is_ok());
    }
}
