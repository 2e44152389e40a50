//! Plots backup sizes over time as SVG, without a script.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::schedule::state::Backup;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;
/// Space around the plot, so that points at the edges are not clipped.
const MARGIN: f64 = 6.0;

/// Plots the backups, which are sorted oldest first. The vertical axis starts at zero, so that a drop to
/// half looks like one.
pub(super) fn sizes(backups: &[&Backup]) -> Markup {
    let (Some(first), Some(last)) = (backups.first(), backups.last()) else { return html! {} };
    let largest = backups.iter().map(|backup| backup.stored_bytes).max().unwrap_or(0).max(1);
    let span = (last.timestamp - first.timestamp).num_seconds().max(1) as f64;
    let place = |backup: &Backup| {
        let along = match backups.len() {
            1 => 0.5,
            _ => (backup.timestamp - first.timestamp).num_seconds() as f64 / span,
        };
        let up = backup.stored_bytes as f64 / largest as f64;
        (MARGIN + along * (WIDTH - 2.0 * MARGIN), HEIGHT - MARGIN - up * (HEIGHT - 2.0 * MARGIN))
    };
    let points: Vec<_> = backups.iter().map(|backup| (place(backup), *backup)).collect();
    let line: Vec<_> = points.iter().map(|((x, y), _)| format!("{x:.1},{y:.1}")).collect();
    html! {
        figure {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
                aria-label=(format!("sizes of {} backups, at most {}", backups.len(), bytes(largest))) {
                line class="axis" x1="0" x2=(WIDTH) y1=(HEIGHT - MARGIN) y2=(HEIGHT - MARGIN) {}
                polyline points=(line.join(" ")) {}
                @for ((x, y), backup) in &points {
                    circle cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="4" {
                        title { (time(backup.timestamp)) ": " (bytes(backup.stored_bytes)) }
                    }
                }
            }
            figcaption {
                "Stored sizes, " (time(first.timestamp)) " to " (time(last.timestamp)) ", up to " (bytes(largest)) "."
            }
        }
    }
}

/// Human-readable: `19.4 MB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    if value < 1000.0 {
        return format!("{count} B");
    }
    let mut unit = UNITS[0];
    for next in UNITS {
        unit = next;
        value /= 1000.0;
        if value < 999.95 {
            break;
        }
    }
    format!("{value:.1} {unit}")
}

/// Human-readable, in UTC.
pub(super) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_for_people() {
        let shown = [0, 999, 1000, 19_400_000, 999_960, 2_000_000_000_000_000_000].map(bytes);
        assert_eq!(shown, ["0 B", "999 B", "1.0 kB", "19.4 MB", "1.0 MB", "2000.0 PB"]);
    }
}
