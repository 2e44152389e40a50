//! Decides which run is due. Pure: the time is an argument.
//!
//! A *slot* is a time that matches the cron expression. Each slot is settled once. What has been settled
//! is stored as a time, not as a timer, so a clock that jumps, a machine that sleeps and a run that
//! takes too long all lead to the same question: is there a slot between then and now?
//!
//! The library handles daylight saving time and follows Vixie cron (see `man 8 cron`, "Daylight Saving
//! Time and other time changes"): a time that does not exist runs right after the gap, and one that
//! exists twice runs once.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::Schedule;

/// A slot reached later than this was missed.
const PUNCTUALITY: TimeDelta = TimeDelta::minutes(5);

/// Missed slots are counted up to this number.
const COUNTED: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run now.
    Run {
        /// The time at which it was due; the last one, if several were.
        slot: DateTime<Utc>,
        /// The number of earlier slots that passed without a run.
        missed: usize,
    },
    /// Slots passed without a run, and the job does not catch up.
    Skip {
        /// The last of them.
        slot: DateTime<Utc>,
        /// The number of them.
        missed: usize,
    },
    /// Nothing is due before this time.
    Wait(DateTime<Utc>),
    /// The expression never matches again.
    Never,
}

#[derive(Debug, Clone)]
pub(crate) struct DueTimes {
    schedule: Schedule,
    /// Every slot up to this time is settled.
    settled: DateTime<Utc>,
}

impl DueTimes {
    /// Treats slots up to `settled` as past, whether or not they ran.
    pub(crate) fn new(schedule: Schedule, settled: DateTime<Utc>) -> Self {
        DueTimes { schedule, settled }
    }

    /// Says what to do at `now`, and settles the slots that it returns.
    pub(crate) fn next(&mut self, now: DateTime<Utc>) -> Next {
        self.forget_a_wrong_future(now);
        let mut due = None;
        let mut passed = 0;
        while let Some(slot) = self.schedule.after(due.unwrap_or(self.settled)) {
            if slot > now {
                break;
            }
            due = Some(slot);
            passed += 1;
            if passed == COUNTED {
                due = self.last_until(now).or(due);
                break;
            }
        }
        let Some(slot) = due else {
            return self.schedule.after(self.settled).map_or(Next::Never, Next::Wait);
        };
        self.settled = slot;
        if now - slot <= PUNCTUALITY || self.schedule.catch_up {
            Next::Run { slot, missed: passed - 1 }
        } else {
            Next::Skip { slot, missed: passed }
        }
    }

    /// The first slots after `now`.
    pub(crate) fn upcoming(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(self.schedule.after(now), |&slot| self.schedule.after(slot))
            .take(count)
            .collect()
    }

    fn last_until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = time.with_timezone(&self.schedule.time_zone);
        let last = self.schedule.cron.find_previous_occurrence(&local, true).ok()?;
        Some(last.with_timezone(&Utc))
    }

    /// A clock set back over one slot does not repeat it. If it is set back over several, the time
    /// before was wrong, and waiting for it would mean no backups until then.
    fn forget_a_wrong_future(&mut self, now: DateTime<Utc>) {
        let ahead = self.schedule.after(now).filter(|slot| *slot < self.settled);
        if ahead.is_some() && self.settled - now > PUNCTUALITY {
            self.settled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn slots(cron: &str, zone: &str, catch_up: bool, settled: &str) -> DueTimes {
        let schedule = Schedule {
            cron: cron.parse().unwrap(),
            text: cron.to_owned(),
            time_zone: zone.parse().unwrap(),
            catch_up,
            grace_period: Duration::ZERO,
        };
        DueTimes::new(schedule, at(settled))
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("{text}:00Z").parse().unwrap()
    }

    /// Moves the clock through these times, and returns each run's `now` and slot.
    fn runs(mut slots: DueTimes, clock: &[&str]) -> Vec<(String, String)> {
        let shown = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M").to_string();
        let mut runs = Vec::new();
        for now in clock {
            if let Next::Run { slot, .. } = slots.next(at(now)) {
                runs.push((shown(at(now)), shown(slot)));
            }
            assert!(!matches!(slots.next(at(now)), Next::Run { .. }), "run twice at {now}");
        }
        runs
    }

    /// Every ten minutes from `from`, for this many hours.
    fn ticks(from: &str, hours: i64) -> Vec<String> {
        let from = at(from);
        let times = (0..hours * 6).map(|i| from + TimeDelta::minutes(10 * i));
        times.map(|time| time.format("%Y-%m-%dT%H:%M").to_string()).collect()
    }

    fn ticked(cron: &str, zone: &str, from: &str, hours: i64) -> Vec<String> {
        let ticks = ticks(from, hours);
        let ticks: Vec<&str> = ticks.iter().map(String::as_str).collect();
        runs(slots(cron, zone, true, from), &ticks).into_iter().map(|(now, _)| now).collect()
    }

    #[test]
    fn daily_runs_follow_local_time() {
        // Central European Time until 29 March 2026, 01:00 UTC, then summer time.
        let ran = ticked("0 4 * * *", "Europe/Berlin", "2026-03-27T12:00", 72);
        assert_eq!(ran, ["2026-03-28T03:00", "2026-03-29T02:00", "2026-03-30T02:00"]);
    }

    #[test]
    fn a_time_in_the_gap_runs_once_right_after_it() {
        let ran = ticked("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", 48);
        assert_eq!(ran, ["2026-03-29T01:00", "2026-03-30T00:30"]);
    }

    #[test]
    fn a_time_that_comes_twice_runs_once() {
        // 25 October 2026: 02:30 is 00:30 UTC in summer time, and 01:30 UTC after it.
        let ran = ticked("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 48);
        assert_eq!(ran, ["2026-10-25T00:30", "2026-10-26T01:30"]);
    }

    #[test]
    fn a_zone_without_midnight_has_a_midnight_run() {
        // In Beirut, summer time begins at midnight, which does not exist on that day.
        let ran = ticked("0 0 * * *", "Asia/Beirut", "2026-03-27T12:00", 60);
        assert_eq!(ran, ["2026-03-27T22:00", "2026-03-28T22:00", "2026-03-29T21:00"]);
    }

    #[test]
    fn sleep_over_several_slots_is_one_run() {
        let settled = "2026-01-01T05:00";
        let clock = ["2026-01-01T23:00", "2026-01-05T09:00", "2026-01-05T09:01", "2026-01-06T04:00"];
        let caught_up = [("2026-01-05T09:00", "2026-01-05T04:00"), ("2026-01-06T04:00", "2026-01-06T04:00")];
        let owned = |runs: &[(&str, &str)]| -> Vec<(String, String)> {
            runs.iter().map(|(now, slot)| ((*now).to_owned(), (*slot).to_owned())).collect()
        };
        assert_eq!(runs(slots("0 4 * * *", "UTC", true, settled), &clock), owned(&caught_up));
        assert_eq!(runs(slots("0 4 * * *", "UTC", false, settled), &clock), owned(&caught_up[1..]));
    }

    #[test]
    fn what_was_missed_is_counted() {
        let next = slots("0 4 * * *", "UTC", true, "2026-01-01T05:00").next(at("2026-01-05T09:00"));
        assert_eq!(next, Next::Run { slot: at("2026-01-05T04:00"), missed: 3 });
        let next = slots("0 4 * * *", "UTC", false, "2026-01-01T05:00").next(at("2026-01-05T09:00"));
        assert_eq!(next, Next::Skip { slot: at("2026-01-05T04:00"), missed: 4 });
        let next = slots("* * * * *", "UTC", true, "2026-01-01T05:00").next(at("2026-03-05T09:00"));
        assert_eq!(next, Next::Run { slot: at("2026-03-05T09:00"), missed: COUNTED - 1 });
    }

    #[test]
    fn a_little_late_is_not_missed() {
        let next = slots("0 4 * * *", "UTC", false, "2026-01-01T05:00").next(at("2026-01-02T04:05"));
        assert_eq!(next, Next::Run { slot: at("2026-01-02T04:00"), missed: 0 });
    }

    #[test]
    fn a_clock_set_back_over_a_slot_does_not_repeat_it() {
        let clock = ["2026-01-02T04:00", "2026-01-02T03:10", "2026-01-02T04:00", "2026-01-03T04:00"];
        let ran: Vec<_> = runs(slots("0 4 * * *", "UTC", true, "2026-01-01T05:00"), &clock);
        assert_eq!(ran.len(), 2, "{ran:?}");
    }

    #[test]
    fn a_clock_a_day_ahead_for_a_while_costs_one_run_more_at_most() {
        let clock = [
            "2026-01-02T12:00",
            "2026-01-03T12:00",
            "2026-01-02T12:10",
            "2026-01-03T04:00",
            "2026-01-04T04:00",
        ];
        let ran: Vec<_> = runs(slots("0 4 * * *", "UTC", true, "2026-01-02T05:00"), &clock);
        let at: Vec<_> = ran.iter().map(|(now, _)| now.as_str()).collect();
        assert_eq!(at, ["2026-01-03T12:00", "2026-01-04T04:00"]);
    }

    #[test]
    fn a_clock_that_was_a_year_ahead_does_not_stop_us() {
        let clock = ["2027-01-02T12:00", "2026-01-02T12:00", "2026-01-03T04:00", "2026-01-04T04:00"];
        let ran: Vec<_> = runs(slots("0 4 * * *", "UTC", true, "2026-01-02T05:00"), &clock);
        let at: Vec<_> = ran.iter().map(|(now, _)| now.as_str()).collect();
        assert_eq!(at, ["2027-01-02T12:00", "2026-01-03T04:00", "2026-01-04T04:00"]);
    }

    #[test]
    fn a_date_that_never_comes_is_told() {
        assert_eq!(
            slots("0 4 30 2 *", "UTC", true, "2026-01-02T05:00").next(at("2026-01-03T00:00")),
            Next::Never
        );
    }

    #[test]
    fn the_next_runs_are_known() {
        let upcoming =
            slots("0 4 * * 1", "UTC", true, "2026-11-22T00:00").upcoming(at("2026-11-22T00:00"), 2);
        assert_eq!(upcoming, [at("2026-11-23T04:00"), at("2026-11-30T04:00")]);
    }

    proptest! {
        /// Whichever way the clock moves, no slot runs twice; with a clock that only moves forward, each
        /// call runs at most one slot and settles everything before it.
        #[test]
        fn no_slot_is_run_twice(steps in prop::collection::vec(0i64..5000, 1..60)) {
            let mut slots = slots("*/30 2,3 * * *", "Europe/Berlin", true, "2026-03-27T00:00");
            let mut now = at("2026-03-27T00:00");
            let mut last = None;
            for step in steps {
                now += TimeDelta::minutes(step);
                if let Next::Run { slot, .. } = slots.next(now) {
                    prop_assert!(slot <= now);
                    prop_assert!(last.is_none_or(|last| slot > last));
                    last = Some(slot);
                }
                let waits = matches!(slots.next(now), Next::Wait(until) if until > now);
                prop_assert!(waits);
            }
        }
    }
}
