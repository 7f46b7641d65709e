//! What a process once read of the keys on record is never forgotten: a restored backup, or a standby that lagged and was promoted,
//! takes no revocation back. It is put on record again, by every replica that knows of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::audit::{self, Asked, Outcome};
use crate::record::{Record, RecordError, RegisterError};
use checkpoint::key::KeyId;
use checkpoint::keyring::{Keyring, KeyringEntry};

/// What comes and goes is told no more often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What is found at each look, several a second, while the record takes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Finding {
    Lost(KeyId),
    Conflict(KeyId),
    Refused,
}

/// When each finding was told, for as long as it lasts.
#[derive(Default)]
struct Findings(HashMap<Finding, Instant>);

impl Findings {
    /// Whether it is to be told.
    fn is_news(&mut self, finding: Finding, now: Instant) -> bool {
        let known = self.0.contains_key(&finding);
        self.0.entry(finding).or_insert(now);
        !known
    }

    /// After a look that found these.
    fn end(&mut self, found: &HashSet<Finding>, now: Instant) {
        let is_recent = |at: &Instant| now.duration_since(*at) < TOLD_EVERY;
        self.0
            .retain(|finding, at| found.contains(finding) || is_recent(at));
    }
}

/// Puts on record again what it has lost of the keys.
#[derive(Default)]
pub(super) struct Memory(Findings);

impl Memory {
    /// Puts on record again what `found` has lost of `known`, which holds meanwhile, and says whether nothing is missing now; else it is
    /// to be tried again.
    pub(super) async fn put_right(
        &mut self,
        record: &dyn Record,
        found: &Keyring,
        known: &Keyring,
        now: DateTime<Utc>,
    ) -> bool {
        let mut findings = HashSet::new();
        let mut is_right = true;
        for entry in found.lacks(known) {
            if let Err(error) = self.put_one(record, entry, now, &mut findings).await {
                if self.is_news(Finding::Refused, &mut findings) {
                    tracing::warn!(%error, "the record does not take what it has lost of the keys; it is tried again until it does");
                }
                is_right = false;
                break;
            }
        }
        self.0.end(&findings, Instant::now());
        is_right
    }

    async fn put_one(
        &mut self,
        record: &dyn Record,
        entry: &KeyringEntry,
        now: DateTime<Utc>,
        findings: &mut HashSet<Finding>,
    ) -> Result<(), RecordError> {
        let key_id = &entry.version().key_id;
        let is_revoked = entry.revocation().is_some();
        if self.is_news(Finding::Lost(key_id.clone()), findings) {
            tracing::error!(
                %key_id,
                revoked = is_revoked,
                "the record has lost what it said of a key: an older state was put in its place; what was read before holds, and goes \
                 on record again as soon as the record takes it"
            );
        }
        let registered = record.register_key(entry.version(), entry.endorsement(), now);
        match registered.await {
            Ok(()) => {}
            Err(RegisterError::Store(error)) => return Err(error),
            Err(RegisterError::Conflict(conflict)) => {
                if self.is_news(Finding::Conflict(key_id.clone()), findings) {
                    tracing::error!(%key_id, %conflict, "the key is not put on record again");
                }
                return Ok(());
            }
        }
        if let Some(revocation) = entry.revocation() {
            record.revoke_key(key_id, revocation.clone()).await?;
        }
        let act = match is_revoked {
            true => "revoke again",
            false => "register again",
        };
        let asked = Asked {
            who: "the replica",
            request_id: "",
        };
        audit::keys(act, asked, key_id.as_str(), Outcome::Done);
        Ok(())
    }

    fn is_news(&mut self, finding: Finding, findings: &mut HashSet<Finding>) -> bool {
        findings.insert(finding.clone());
        self.0.is_news(finding, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_and_what_comes_and_goes_once_a_minute() {
        let (mut told, start) = (Findings::default(), Instant::now());
        let mut looks = |found: &[Finding], from: u64, until: u64| {
            let mut news = 0;
            for second in from..until {
                let now = start + Duration::from_secs(second);
                let is_news = |finding: &&Finding| told.is_news((*finding).clone(), now);
                news += found.iter().filter(is_news).count();
                told.end(&found.iter().cloned().collect(), now);
            }
            news
        };
        let lost = |name: &str| Finding::Lost(name.parse().unwrap());
        assert_eq!(looks(&[lost("a"), Finding::Refused], 0, 600), 2);
        assert_eq!(looks(&[lost("a"), lost("b")], 600, 610), 1);
        assert_eq!(looks(&[], 610, 620), 0);
        // Findings a few seconds ago, the one; the other, long ago.
        assert_eq!(looks(&[lost("b")], 620, 630), 0);
        assert_eq!(looks(&[lost("a")], 630, 640), 1);
    }
}
