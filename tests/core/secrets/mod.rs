//! Secrets, good and bad. Each bad one is refused with an error that names the field and tells nothing of
//! the key; `support::secret::assert_refused` checks both for every case.

mod accepted;
mod coats;
mod conflicts;
mod documents;
mod files;
mod keys;
mod met;
mod odd;
mod other;
mod silence;
