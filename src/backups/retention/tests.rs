use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// A case of `testdata/retention`.
#[derive(Deserialize)]
struct Case {
    /// Why the case exists.
    about: String,
    #[serde(default)]
    keep_last: u32,
    #[serde(default)]
    keep_daily: u32,
    #[serde(default)]
    keep_weekly: u32,
    #[serde(default)]
    keep_monthly: u32,
    #[serde(default)]
    keep_yearly: u32,
    #[serde(default)]
    keep_minimum: u32,
    #[serde(default)]
    minimum_age: String,
    #[serde(default)]
    time_zone: String,
    now: DateTime<Utc>,
    /// `DATABASE TIME RUN [damaged] [locked]`, in any order; `*` for globals.
    backups: Vec<String>,
    /// `DATABASE TIME keep|expire: reasons`
    expected: Vec<String>,
}

impl Case {
    fn policy(&self) -> Policy {
        Policy {
            keep_last: self.keep_last,
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            keep_monthly: self.keep_monthly,
            keep_yearly: self.keep_yearly,
            keep_minimum: self.keep_minimum,
            minimum_age: match self.minimum_age.as_str() {
                "" => Duration::ZERO,
                text => humantime::parse_duration(text).unwrap(),
            },
            time_zone: if self.time_zone.is_empty() { Tz::UTC } else { self.time_zone.parse().unwrap() },
        }
    }
}

fn backup(line: &str) -> Backup {
    let words: Vec<_> = line.split(' ').collect();
    Backup {
        key: line.to_owned(),
        subject: match words[0] {
            "*" => Subject::Globals,
            name => Subject::Database(name.to_owned()),
        },
        run_id: words[2].to_owned(),
        timestamp: words[1].parse().unwrap(),
        is_good: !words.contains(&"damaged"),
        locked: words.contains(&"locked").then(|| "until 2030-01-01".to_owned()),
    }
}

fn shown(decision: &Decision) -> String {
    let mut words = decision.backup.key.split(' ');
    let (name, time) = (words.next().unwrap(), words.next().unwrap());
    let verdict = if decision.verdict == Verdict::Keep { "keep" } else { "expire" };
    format!("{name} {time} {verdict}: {}", decision.reasons.join(", "))
}

#[test]
fn every_case_of_the_table_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/retention");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 10, "the table has {} cases", cases.len());
    for path in cases {
        let case: Case = serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!case.about.is_empty());
        let backups: Vec<_> = case.backups.iter().map(|line| backup(line)).collect();
        let decided: Vec<_> = plan(&case.policy(), &backups, case.now).iter().map(shown).collect();
        assert_eq!(decided, case.expected, "{}: {:#?}", path.display(), decided);
    }
}

fn any_backup() -> impl Strategy<Value = Backup> {
    (0usize..3, 0i64..4000, 0u32..50, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(subject, hours, run, is_good, locked)| Backup {
            key: format!("{subject}/{hours}/{run}"),
            subject: match subject {
                0 => Subject::Globals,
                number => Subject::Database(format!("db{number}")),
            },
            run_id: run.to_string(),
            timestamp: DateTime::from_timestamp(1_700_000_000 + hours * 3600, 0).unwrap(),
            is_good,
            locked: locked.then(|| "until then".to_owned()),
        },
    )
}

proptest! {
    #[test]
    fn the_newest_good_one_never_expires(
        mut backups in prop::collection::vec(any_backup(), 0..40),
        keep in prop::array::uniform5(0u32..4),
        keep_minimum in 0u32..4,
        age_hours in 0u64..100,
        now_hours in -100i64..5000,
    ) {
        backups.dedup_by(|a, b| a.key == b.key);
        let policy = Policy {
            keep_last: keep[0], keep_daily: keep[1], keep_weekly: keep[2], keep_monthly: keep[3],
            keep_yearly: keep[4], keep_minimum, minimum_age: Duration::from_secs(age_hours * 3600), time_zone: Tz::UTC,
        };
        let now = DateTime::from_timestamp(1_700_000_000 + now_hours * 3600, 0).unwrap();
        let decisions = plan(&policy, &backups, now);
        prop_assert_eq!(decisions.len(), backups.len());
        for decision in decisions.iter().filter(|d| d.verdict == Verdict::Expire) {
            let same = |b: &&Backup| b.subject == decision.backup.subject && b.is_good;
            let newest = backups.iter().filter(same).map(|b| b.timestamp).max();
            let (expired, minimum) = (&decision.backup, policy.keep_minimum.max(1) as usize);
            prop_assert!(policy.has_rules() && expired.is_good && expired.locked.is_none());
            // If several have the same time, one of them is the newest.
            let kept = decisions.iter().filter(|d| {
                d.verdict == Verdict::Keep && d.backup.subject == expired.subject && d.backup.is_good
            });
            let kept: Vec<_> = kept.collect();
            prop_assert!(kept.iter().any(|d| Some(d.backup.timestamp) == newest));
            if expired.subject != Subject::Globals {
                prop_assert!(kept.len() >= minimum);
            }
        }
    }
}
