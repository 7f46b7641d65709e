//! Secrets, good and bad. Each bad one is refused with an error that names the field and tells nothing of
//! the key; `support::secret::assert_refused` checks both for every case.

mod accepted;
mod conflicts;
mod documents;
mod files;
mod keys;
mod silence;
