//! What the running services say of the keys.

use std::time::Duration;

use async_trait::async_trait;

use super::snapshot::Replica;
use checkpoint::key::KeyVersion;

/// How often a service is asked while waiting for it.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How often whoever waits is told for whom.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// Takes what is to be known of while something is waited for.
pub type Waiting<'a> = &'a (dyn Fn(&str) + Sync);

/// All running services, however they are spoken with.
#[async_trait]
pub trait Services: Send + Sync {
    /// Whether none is known.
    fn is_empty(&self) -> bool;

    /// Asks every service for its keyring; `refresh` has it read its source first.
    async fn ask(&self, refresh: bool) -> Vec<Replica>;
}

/// Waits until every service lists the key; `waiting` takes those that do not, at once and now and then.
///
/// # Errors
/// Which do not, and why, once `patience` has passed.
pub(super) async fn wait_for(
    services: &dyn Services,
    version: &KeyVersion,
    patience: Duration,
    waiting: impl Fn(&[String]),
) -> Result<Vec<Replica>, Vec<String>> {
    let start = tokio::time::Instant::now();
    let mut told = None::<tokio::time::Instant>;
    loop {
        let replicas = services.ask(true).await;
        let missing: Vec<String> = replicas
            .iter()
            .filter_map(|replica| missing(replica, version))
            .collect();
        if missing.is_empty() {
            return Ok(replicas);
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            waiting(&missing);
            told = Some(tokio::time::Instant::now());
        }
        if start.elapsed() + ASK_EVERY > patience {
            return Err(missing);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Why the service cannot be taken to have the key.
pub(super) fn missing(replica: &Replica, version: &KeyVersion) -> Option<String> {
    let problem = match &replica.listing {
        Err(problem) => problem.clone(),
        Ok(_) if replica.state_of(version).is_some() => return None,
        Ok(_) if let Some(difference) = replica.difference(version) => difference,
        Ok(listing) if listing.faults.is_empty() => {
            format!("does not list {}", version.key_id)
        }
        Ok(listing) => format!(
            "does not list {}: {}",
            version.key_id,
            listing.faults.join("; ")
        ),
    };
    Some(format!("{}: {problem}", replica.url))
}
