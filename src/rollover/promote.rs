//! Checking the staged key, and making it the one that signs.

use std::time::Duration;

use super::change::LabelChange;
use super::checks;
use super::staging::unendorsed_flag;
use super::{
    Check, Next, Rollover, RolloverError, Situation, StepRefusal, StepReport, StoredVersion,
    Waiting, check_staged, replicas, same,
};
use checkpoint::key::{KeyId, KeyVersion, StagingLabel, instant_text};
use checkpoint::keyring::KeyState;

/// What promoting comes to, as things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// What was looked at; none when it was promoted already.
    pub checks: Vec<Check>,
    /// The key.
    pub promoted: KeyVersion,
    /// The changes, in their order.
    pub changes: Vec<LabelChange>,
}

impl Situation {
    /// Decides whether the staged key is promoted.
    ///
    /// # Errors
    /// [`StepRefusal`] when it must not be.
    pub fn promotion(
        &self,
        key_id: Option<&KeyId>,
        endorsed: bool,
    ) -> Result<Promotion, StepRefusal> {
        self.check_order()?;
        let pending = |id: &str| LabelChange::take(StagingLabel::Pending, id);
        let Some(staged) = self.snapshot.staged() else {
            let current = self.must_have_current()?;
            same(key_id, current, "AWSCURRENT")?;
            // Without a name, only what a rollover leaves behind says that there was one.
            if key_id.is_none() && self.snapshot.previous().is_none() {
                return Err(StepRefusal::NothingStaged(current.name().into()));
            }
            let left = current.has(&StagingLabel::Pending);
            return Ok(Promotion {
                checks: Vec::new(),
                promoted: current.key()?.version.clone(),
                changes: left.then(|| pending(&current.id)).into_iter().collect(),
            });
        };
        same(key_id, staged, "AWSPENDING")?;
        let checks = check_staged(self, endorsed)?;
        checks::all_right(staged.name(), &checks)?;
        let give = LabelChange::give(StagingLabel::Current, &self.snapshot, &staged.id);
        Ok(Promotion {
            checks,
            promoted: staged.key()?.version.clone(),
            // AWSPENDING goes only after this, unless another operator has taken it.
            changes: vec![give, pending(&staged.id)],
        })
    }
}

impl Rollover {
    /// Checks the staged key as [`Rollover::promote`] would need it. A check that fails is in the report.
    ///
    /// # Errors
    /// [`RolloverError`] when nothing is staged, or the secret cannot be read.
    pub async fn test(
        &self,
        key_id: Option<&KeyId>,
        endorsed: bool,
    ) -> Result<StepReport, RolloverError> {
        let situation = self.look_closely().await?;
        let checked = || {
            situation.check_order()?;
            if let Some(staged) = situation.snapshot.staged() {
                same(key_id, staged, "AWSPENDING")?;
            }
            check_staged(&situation, endorsed)
        };
        let checks =
            checked().map_err(|refusal| RolloverError::from(refusal).in_situation(&situation))?;
        let name = situation.snapshot.staged().map_or("", StoredVersion::name);
        let next = match checks.iter().all(|check| check.found.is_ok()) {
            true => Next::Command(format!(
                "rollover promote {name}{}",
                unendorsed_flag(endorsed)
            )),
            false => situation.next(),
        };
        Ok(StepReport {
            checks,
            next,
            ..StepReport::default()
        })
    }

    /// Moves AWSCURRENT to the staged key (AWSPREVIOUS follows to the one before), and waits until every service
    /// lists it; `waiting` takes for whom it waits. The key before signs until the new window opens.
    ///
    /// # Errors
    /// [`RolloverError`] when the staged key must not be promoted, a call fails, or a service does not list the key
    /// in time.
    pub async fn promote(
        &self,
        key_id: Option<&KeyId>,
        endorsed: bool,
        patience: Duration,
        waiting: Waiting<'_>,
    ) -> Result<StepReport, RolloverError> {
        let mut situation = self.look_closely().await?;
        let mut report = StepReport::default();
        let promoted = async {
            let promotion = situation.promotion(key_id, endorsed)?;
            report.checks = promotion.checks;
            let promoted = promotion.promoted;
            if report.checks.is_empty() {
                let told = format!("{} is AWSCURRENT already", promoted.key_id);
                report.told.push(told);
                situation.check_no_stranger()?;
            }
            let mut by_another = false;
            for change in promotion.changes {
                if change.holds_in(&situation.snapshot) {
                    let (name, label) = (&promoted.key_id, change.label.as_str());
                    report.told.push(match by_another {
                        true => format!(
                            "{name} has {label} no more: whoever was faster has taken it away"
                        ),
                        false => format!(
                            "{name}: somebody gave it up meanwhile: it is AWSCURRENT all the same"
                        ),
                    });
                    continue;
                }
                let applied = self.apply(&mut situation, change, &mut report).await;
                by_another |= applied.map_err(|error| error.after(&report.calls))?;
            }
            Ok::<_, RolloverError>(promoted)
        };
        let promoted = promoted.await;
        let promoted = promoted.map_err(|error| error.in_situation(&situation))?;
        if self.dry_run {
            report.next = Next::ForReal;
            return Ok(report);
        }
        let (name, fingerprint) = (&promoted.key_id, promoted.fingerprint());
        let told = format!("{name} has the fingerprint {fingerprint}");
        report.told.push(told);
        let listed = self.await_services(&promoted, patience, waiting, &mut report);
        let listed = listed.await;
        let after = self.ask_again(situation, false).await;
        listed.map_err(|error| error.in_situation(&after))?;
        report.next = after.next();
        Ok(report)
    }

    async fn await_services(
        &self,
        promoted: &KeyVersion,
        patience: Duration,
        waiting: Waiting<'_>,
        report: &mut StepReport,
    ) -> Result<(), RolloverError> {
        let name = &promoted.key_id;
        if self.services.is_empty() {
            report.told.push(format!(
                "no --server was given: that every service has {name} was not looked at"
            ));
            return Ok(());
        }
        let until = self.clock.now() + patience;
        let tell = |missing: &[String]| {
            waiting(&format!(
                "{name} is AWSCURRENT; until {} (--wait) it is waited for those that do not list it: {}",
                instant_text(until),
                missing.join("; ")
            ));
        };
        let waited = replicas::wait_for(self.services.as_ref(), promoted, patience, tell).await;
        let replicas = waited.map_err(|missing| StepRefusal::NotListed {
            key_id: name.clone(),
            missing,
        })?;
        for replica in replicas {
            let state = replica.state_of(promoted);
            let state = state.map_or("", KeyState::as_str);
            let told = format!("{} lists {name} as {state}", replica.url);
            report.told.push(told);
        }
        Ok(())
    }
}
