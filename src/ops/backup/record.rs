//! Records a stored backup: writes its manifest, and checks its size.

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, Utc};

use super::{JobRun, PREDECESSORS};
use crate::backups::manifest::{self, FORMAT_VERSION, Manifest, hex};
use crate::backups::naming::Subject;
use crate::dump::Dumped;
use crate::error::Result;
use crate::ops::report::Outcome;
use crate::progress::Warnings;

impl JobRun<'_> {
    /// Warns if the backup is much smaller than those before it.
    pub(super) fn warn_if_small(&self, subject: &Subject, stored_bytes: u64, warnings: &Warnings) {
        let mut sizes: Vec<u64> =
            self.inventory.good(subject).rev().take(PREDECESSORS).map(|entry| entry.object.bytes).collect();
        if let Some(warning) = too_small(&mut sizes, stored_bytes, self.job.min_size_ratio) {
            warnings.warn(warning);
        }
    }

    /// Stores the manifest. Only then does the backup count as good.
    pub(super) async fn record(
        &self,
        subject: &Subject,
        began: DateTime<Utc>,
        dumped: Dumped,
        warnings: &Warnings,
    ) -> Result<Outcome> {
        let Dumped { summary, server_version, relations, large_objects } = dumped;
        let key = self.job.destination.naming.key(subject, self.now);
        let database = match subject {
            Subject::Database(name) => name.clone(),
            Subject::Globals => self.connected.clone(),
        };
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            pgsiphon_version: env!("CARGO_PKG_VERSION").to_owned(),
            job: self.job.name.clone(),
            run_id: self.run_id.clone(),
            scope: subject.scope(),
            database,
            server_version,
            started_at: began,
            finished_at: Utc::now().trunc_subsecs(0),
            timestamp: self.now.trunc_subsecs(0),
            key: key.clone(),
            stored_bytes: summary.written.stored_bytes,
            text_bytes: summary.written.raw_bytes,
            sha256: summary.sha256.map(|digest| hex(&digest)).unwrap_or_default(),
            text_crc32: format!("{:08x}", summary.written.crc32),
            compression: self.compression(subject).to_string(),
            relations,
            large_objects,
            warnings: warnings.texts(),
        };
        let text = Bytes::from(manifest.to_json()?);
        let stored = self.store.put(&manifest::key_for(&key), text, "application/json").await;
        stored.map_err(|error| {
            error
                .context(format!("record the backup {}", self.store.shown(&key)))
                .and_hint("the backup itself is complete, but does not count as good without its manifest")
        })?;
        Ok(Outcome::Stored {
            relations: manifest.relations.len(),
            rows: manifest.rows(),
            large_objects: manifest.large_objects,
            text_bytes: manifest.text_bytes,
            stored_bytes: manifest.stored_bytes,
            sha256: manifest.sha256,
        })
    }
}

fn too_small(predecessors: &mut [u64], stored_bytes: u64, min_ratio: f64) -> Option<String> {
    predecessors.sort_unstable();
    let median = *predecessors.get(predecessors.len() / 2)?;
    ((stored_bytes as f64) < median as f64 * min_ratio).then(|| {
        let count = predecessors.len();
        format!("the backup has {stored_bytes} bytes, and the median of the {count} before it is {median}: is something missing?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_of_half_the_size_is_suspicious() {
        assert_eq!(too_small(&mut [], 0, 0.5), None);
        assert_eq!(too_small(&mut [100, 120, 90, 110, 10], 51, 0.5), None);
        let text = too_small(&mut [100, 120, 90, 110, 10], 49, 0.5).unwrap();
        assert!(text.contains("49 bytes") && text.contains("the 5 before it is 100"), "{text}");
        assert_eq!(too_small(&mut [100], 1, 0.0), None);
    }
}
