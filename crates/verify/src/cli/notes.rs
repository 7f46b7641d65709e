//! Findings of which there may be many, and which are no faults: all are counted, and as many are told as fit.

use super::ReportFormat;
use crate::bulk::Finding;

/// How many the text and the page tell in full.
const MAX_TOLD: usize = 100;

/// Those of one name.
#[derive(Default)]
pub(super) struct Notes {
    /// Those that are told.
    pub(super) told: Vec<Finding>,
    /// All.
    pub(super) count: u64,
}

impl Notes {
    pub(super) fn add(&mut self, finding: Finding, format: ReportFormat) {
        self.count += 1;
        let all = matches!(format, ReportFormat::Json | ReportFormat::Ndjson);
        if all || self.told.len() < MAX_TOLD {
            self.told.push(finding);
        }
    }

    /// The line of those that are not told; none when all are.
    pub(super) fn more(&self) -> Option<String> {
        let more = self.count - self.told.len() as u64;
        let name = self.told.first()?.name();
        (more > 0).then(|| format!("{name:<18} {more} more\n"))
    }
}
