//! Taking labels away, and putting them where they belong.

use super::change::LabelChange;
use super::{
    Next, Replica, Rollover, RolloverError, Situation, StepRefusal, StepReport, replicas, same,
};
use checkpoint::key::{KeyId, KeyVersion, StagingLabel};
use checkpoint::keyring::KeyState;

/// What a step comes to that takes labels away, or puts them where they belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relabelling {
    /// What was found, a sentence each.
    pub told: Vec<String>,
    /// The changes, in their order.
    pub changes: Vec<LabelChange>,
}

impl Situation {
    /// Decides whether the key before is retired.
    ///
    /// # Errors
    /// [`StepRefusal`] when it may still sign, or a service does not have its public half.
    pub fn retiring(&self, key_id: Option<&KeyId>) -> Result<Relabelling, StepRefusal> {
        self.check_order()?;
        self.check_record()?;
        let mut removal = Relabelling::default();
        let Some(previous) = self.snapshot.previous() else {
            let told = "no key is AWSPREVIOUS: there is nothing to retire";
            removal.told.push(told.into());
            return Ok(removal);
        };
        same(key_id, previous, "AWSPREVIOUS")?;
        // What the services cannot use, or refuse, is not needed by anybody.
        if let Some(key) = self.good(previous) {
            let (key_id, until) = (key.version.key_id.clone(), key.version.window.until());
            if until > self.now {
                return Err(StepRefusal::StillInForce { key_id, until });
            }
            if let Some((replica, does)) = self.uses(&key.version) {
                let url = replica.url.clone();
                return Err(StepRefusal::InForceThere {
                    key_id,
                    until,
                    url,
                    does,
                });
            }
            let missing = |replica: &Replica| replicas::missing(replica, &key.version);
            let missing: Vec<String> = self.replicas.iter().filter_map(missing).collect();
            if !missing.is_empty() {
                return Err(StepRefusal::NotKept { key_id, missing });
            }
            removal.told.push(match self.replicas.len() {
                0 => format!(
                    "no --server was given: that every service keeps the public half of {key_id} was not looked at"
                ),
                _ => format!("every service keeps the public half of {key_id}"),
            });
        }
        let take = LabelChange::take(StagingLabel::Previous, &previous.id);
        removal.changes.push(take);
        Ok(removal)
    }

    /// The first service that goes on with a key, whatever the time is here.
    pub(super) fn uses(&self, version: &KeyVersion) -> Option<(&Replica, &'static str)> {
        self.replicas.iter().find_map(|replica| {
            let fingerprint = version.fingerprint().to_string();
            let mut keys = replica.keys().iter();
            let key = keys.find(|key| key.fingerprint == fingerprint)?;
            match key.state {
                _ if key.signing && replica.signs_nothing().is_none() => {
                    Some((replica, "signs with"))
                }
                // A record is judged by the clock of here.
                KeyState::Active if !replica.is_record() => Some((replica, "has as ACTIVE")),
                _ => None,
            }
        })
    }

    /// Decides what giving the staged key up comes to.
    ///
    /// # Errors
    /// [`StepRefusal`] when another one is staged than the operator named.
    pub fn abortion(&self, key_id: Option<&KeyId>) -> Result<Relabelling, StepRefusal> {
        let mut removal = Relabelling::default();
        let Some(staged) = self.snapshot.staged() else {
            removal.told.push("nothing is staged".into());
            return Ok(removal);
        };
        same(key_id, staged, "AWSPENDING")?;
        self.check_environment()?;
        let take = LabelChange::take(StagingLabel::Pending, &staged.id);
        removal.changes.push(take);
        Ok(removal)
    }
}

impl Rollover {
    /// Takes the last label from the key before, whose window has ended: its private half can then not be read by
    /// label any more, and Secrets Manager deletes it. Its public half stays in the keyring.
    ///
    /// # Errors
    /// [`RolloverError`] when the key may still sign, a service does not have its public half, or a call fails.
    pub async fn retire(&self, key_id: Option<&KeyId>) -> Result<StepReport, RolloverError> {
        let mut situation = self.look().await?;
        let removal = situation.retiring(key_id);
        let report = self.relabel(&mut situation, removal).await;
        let mut report = report.map_err(|error| error.in_situation(&situation))?;
        if !self.dry_run {
            // A fault of theirs may have gone with the label.
            let after = self.ask_again(situation, !report.calls.is_empty());
            report.next = after.await.next();
        }
        Ok(report)
    }

    /// Gives the staged key up. No service ever trusted it.
    ///
    /// # Errors
    /// [`RolloverError`] when it was promoted meanwhile, or a call fails.
    pub async fn abort(&self, key_id: Option<&KeyId>) -> Result<StepReport, RolloverError> {
        let mut situation = self.look().await?;
        let staged = situation.snapshot.staged();
        let staged = staged.map(|version| (version.id.clone(), version.name().to_owned()));
        let removal = situation.abortion(key_id);
        let report = self.relabel(&mut situation, removal).await;
        let mut report = report.map_err(|error| error.in_situation(&situation))?;
        if let Some((id, name)) = staged
            && situation
                .snapshot
                .version(&id)
                .is_some_and(|version| version.has(&StagingLabel::Current))
        {
            let promoted = StepRefusal::Overtaken(format!("{name} was promoted"));
            return Err(RolloverError::from(promoted).in_situation(&situation));
        }
        if !self.dry_run {
            report.next = situation.next_or_stage();
        }
        Ok(report)
    }

    /// Puts the labels where they belong, after somebody has put or moved something past the steps.
    ///
    /// # Errors
    /// [`RolloverError`] when nobody could be asked what the services have, or a call fails.
    pub async fn repair(&self) -> Result<StepReport, RolloverError> {
        let mut situation = self.look().await?;
        let mending = situation.mending();
        let report = self.relabel(&mut situation, mending).await;
        let mut report = report.map_err(|error| error.in_situation(&situation))?;
        if !self.dry_run {
            // They read it now and not within minutes.
            let after = self.ask_again(situation, !report.calls.is_empty());
            let after = after.await;
            let says = |replica: &Replica| {
                let signs = replica.listing.as_ref().ok().and(replica.signs_with())?;
                Some(format!("{} signs with {signs}", replica.url))
            };
            report.told.extend(after.replicas.iter().filter_map(says));
            report.next = after.next();
        }
        Ok(report)
    }

    async fn relabel(
        &self,
        situation: &mut Situation,
        decided: Result<Relabelling, StepRefusal>,
    ) -> Result<StepReport, RolloverError> {
        let Relabelling { told, changes } = decided?;
        let mut report = StepReport {
            told,
            next: match changes.is_empty() {
                true => situation.next(),
                false => Next::ForReal,
            },
            ..StepReport::default()
        };
        for change in changes {
            let applied = self.apply(situation, change, &mut report).await;
            applied.map_err(|error| error.after(&report.calls))?;
        }
        Ok(report)
    }
}
