//! The end of a report, in the form that was asked for.

use chrono::{DateTime, Utc};

use super::report::Report;
use super::show::{print, print_json};
use super::{Failure, ReportFormat, html};

impl Report {
    /// Prints the rest, and says how it went.
    ///
    /// # Errors
    /// [`Failure`] when not everything is valid, or not everything was checked.
    pub fn finish(mut self, now: DateTime<Utc>) -> Result<(), Failure> {
        self.complete()?;
        match self.format {
            ReportFormat::Text => print(&self.to_text())?,
            ReportFormat::Json => print_json(&self.to_json())?,
            ReportFormat::Ndjson => print(&self.to_ndjson())?,
            ReportFormat::Html => print(&html::page(&self, now))?,
        }
        self.outcome()
    }
}
