//! The operator's steps.

use std::time::Duration;

use super::change::LabelChange;
use super::checks;
use super::next;
use super::snapshot::is_revoked;
use super::staging::unendorsed_flag;
use super::{
    Overrides, Proposal, Replica, Rollover, RolloverError, Snapshot, StepRefusal, StepReport,
    StoreError, StoredVersion, Waiting, check_staged, replicas,
};
use crate::audit::{self, Outcome};
use crate::operator;
use checkpoint::key::{KeyId, KeyVersion, StagingLabel, instant_text};
use checkpoint::keyring::KeyState;
use checkpoint::signing::{KeySecret, NotOpen};

impl Rollover {
    /// Makes the next key, endorsed by the one in force, and puts it as AWSPENDING. The private half is neither
    /// shown nor written anywhere else.
    ///
    /// # Errors
    /// [`RolloverError`] when no key can follow now, another one is staged, or a call fails.
    pub async fn stage(&self, overrides: &Overrides) -> Result<StepReport, RolloverError> {
        let (snapshot, replicas) = self.look().await?;
        if let Some(staged) = snapshot.staged() {
            let key = staged.key()?;
            let next = next::with_staged(staged, &snapshot, &replicas, self.clock.now());
            if !overrides.fits(&key.version) {
                let staged = described(&key.version);
                return Err(StepRefusal::AlreadyStaged { staged, next }.into());
            }
            return Ok(StepReport {
                told: vec![format!("{} is staged already", described(&key.version))],
                next,
                ..StepReport::default()
            });
        }
        if let Ok(current) = snapshot.current()
            && let Ok(key) = current.key()
            && overrides.names_one()
            && overrides.fits(&key.version)
        {
            return Ok(StepReport {
                told: vec![format!("{} is AWSCURRENT already", described(&key.version))],
                next: "rollover status".into(),
                ..StepReport::default()
            });
        }
        let proposal = Proposal::new(&snapshot, &replicas, overrides, self.clock.now())?;
        if proposal.endorsed {
            self.check_endorser(&snapshot.current()?.key()?.version, &replicas)?;
        }
        let token = snapshot.stage_token();
        let (label, next) = match snapshot.current() {
            Ok(_) => {
                let next = after_stage(&proposal.key_id, proposal.endorsed);
                (StagingLabel::Pending, next)
            }
            Err(_) => (
                StagingLabel::Current,
                "start the services, and look at `rollover status`".into(),
            ),
        };
        let call = format!(
            "PutSecretValue VersionStages=[{}] ClientRequestToken={token}",
            label.as_str()
        );
        let told = match self.dry_run {
            true => format!("would make {proposal}"),
            false => {
                let version = self.put(&snapshot, &proposal, &token, &label).await?;
                format!("made {proposal}, fingerprint {}", version.fingerprint())
            }
        };
        Ok(StepReport {
            told: vec![told],
            calls: vec![call],
            next,
            ..StepReport::default()
        })
    }

    /// Makes the key and puts it; then reads it again, to see that it is the one that Secrets Manager took.
    pub(super) async fn put(
        &self,
        snapshot: &Snapshot,
        proposal: &Proposal,
        token: &str,
        label: &StagingLabel,
    ) -> Result<KeyVersion, RolloverError> {
        let endorser = match proposal.endorsed {
            true => Some(self.store.fetch(&snapshot.current()?.id).await?),
            false => None,
        };
        let (proposed, now) = (proposal.clone(), self.clock.now());
        let made = tokio::task::spawn_blocking(move || {
            let endorser = endorser.map(KeySecret::into_signing_key);
            let open = endorser.as_ref().map(|key| {
                let (key_id, window) = (key.version().key_id.clone(), key.version().window);
                key.open_at(now).map_err(|not_open| match not_open {
                    NotOpen::NotYet => StepRefusal::CurrentNotYet {
                        key_id,
                        from: window.from(),
                    },
                    NotOpen::Expired => StepRefusal::CurrentExpired {
                        key_id,
                        until: window.until(),
                    },
                })
            });
            let (id, window) = (proposed.key_id, proposed.window);
            let (algorithm, bits) = (proposed.algorithm, proposed.bits);
            let open = open.transpose()?;
            let made = KeySecret::generate(id, window, algorithm, bits, open.as_ref())?;
            Ok::<_, RolloverError>((made.0, made.1.version().clone()))
        });
        let (document, version) = made.await.map_err(|_| RolloverError::Ended)??;
        if proposal.endorsed {
            // It may have been revoked while the new key was made.
            self.check_endorser(&snapshot.current()?.key()?.version, &self.ask().await)?;
        }
        let put = self.store.put(token, label, document).await;
        let call = format!("PutSecretValue VersionStages={}", label.as_str());
        audited(&call, version.key_id.as_str(), &put);
        if let Err(error) = put
            && !matches!(error, StoreError::Changed { .. })
        {
            return Err(error.into());
        }
        // Also after a refusal: an answer may have been lost, and the call repeated by the SDK.
        let after = self.store.reread(snapshot).await?;
        match after.version(token) {
            Some(stored)
                if stored.has(label)
                    && stored
                        .content
                        .as_ref()
                        .is_ok_and(|key| key.version == version) =>
            {
                Ok(version)
            }
            _ => {
                let found = after.labelled(label).map(StoredVersion::name);
                let found = found.unwrap_or("nothing").to_owned();
                let label = label.as_str();
                Err(
                    StepRefusal::Overtaken(format!("{found} is {label}, not the key made here"))
                        .into(),
                )
            }
        }
    }

    /// Checks the staged key as [`Rollover::promote`] would need it. A check that fails is in the report.
    ///
    /// # Errors
    /// [`RolloverError`] when nothing is staged, or the secret cannot be read.
    pub async fn test(
        &self,
        key_id: Option<&KeyId>,
        endorsed: bool,
    ) -> Result<StepReport, RolloverError> {
        let (snapshot, replicas) = self.look().await?;
        if let Some(staged) = snapshot.staged() {
            same(key_id, staged, "AWSPENDING")?;
        }
        let checks = check_staged(&snapshot, &replicas, endorsed, self.clock.now())?;
        let name = snapshot.staged().map_or("", StoredVersion::name);
        let next = match checks.iter().all(|check| check.found.is_ok()) {
            true => format!("rollover promote {name}{}", unendorsed_flag(endorsed)),
            false => next::what(&snapshot, &replicas, self.clock.now()),
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
        let (mut snapshot, replicas) = self.look().await?;
        let mut report = StepReport::default();
        let promoted = match snapshot.staged() {
            Some(staged) => {
                same(key_id, staged, "AWSPENDING")?;
                report.checks = check_staged(&snapshot, &replicas, endorsed, self.clock.now())?;
                checks::all_right(staged.name(), &report.checks, || {
                    next::what(&snapshot, &replicas, self.clock.now())
                })?;
                let to = staged.id.clone();
                let from = snapshot.current()?.id.clone();
                let promoted = staged.key()?.version.clone();
                self.apply(
                    &mut snapshot,
                    LabelChange::Promote { from, to },
                    &mut report,
                )
                .await?;
                // AWSPENDING goes only after this, unless another operator has taken it.
                if !self.dry_run && !snapshot.current()?.has(&StagingLabel::Pending) {
                    report.told.push(format!(
                        "somebody gave {} up meanwhile: it is AWSCURRENT all the same",
                        promoted.key_id
                    ));
                }
                promoted
            }
            None => {
                let current = snapshot.current()?;
                same(key_id, current, "AWSCURRENT")?;
                // Without a name, only what a rollover leaves behind says that there was one.
                if key_id.is_none() && snapshot.previous().is_none() {
                    return Err(StepRefusal::NothingStaged {
                        current: current.name().into(),
                        next: next::command_or_stage(&snapshot, &replicas, self.clock.now()),
                    }
                    .into());
                }
                let told = format!("{} is AWSCURRENT already", current.name());
                report.told.push(told);
                current.key()?.version.clone()
            }
        };
        // As the snapshot is after the promotion; a dry run only says so.
        let left = match self.dry_run {
            true => snapshot.labelled(&StagingLabel::Pending),
            false => snapshot
                .current()
                .ok()
                .filter(|current| current.has(&StagingLabel::Pending)),
        };
        if let Some(from) = left.map(|version| version.id.clone()) {
            let label = StagingLabel::Pending;
            self.apply(
                &mut snapshot,
                LabelChange::Remove { label, from },
                &mut report,
            )
            .await?;
        }
        if self.dry_run {
            report.next = "rollover status".into();
            return Ok(report);
        }
        let (name, fingerprint) = (&promoted.key_id, promoted.fingerprint());
        report
            .told
            .push(format!("{name} has the fingerprint {fingerprint}"));
        self.await_services(&promoted, patience, waiting, &mut report)
            .await?;
        report.next = next::what(&snapshot, &replicas, self.clock.now());
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

    /// Takes the last label from the key before, whose window has ended: its private half can then not be read by
    /// label any more, and Secrets Manager deletes it. Its public half stays in the keyring.
    ///
    /// # Errors
    /// [`RolloverError`] when the key may still sign, a service does not have its public half, or a call fails.
    pub async fn retire(&self, key_id: Option<&KeyId>) -> Result<StepReport, RolloverError> {
        let (mut snapshot, replicas) = self.look().await?;
        let mut report = StepReport::default();
        let Some(previous) = snapshot.previous() else {
            let told = "no key is AWSPREVIOUS: there is nothing to retire".into();
            report.told.push(told);
            report.next = next::what(&snapshot, &replicas, self.clock.now());
            return Ok(report);
        };
        same(key_id, previous, "AWSPREVIOUS")?;
        if let Ok(key) = &previous.content {
            let version = &key.version;
            let key_id = || version.key_id.clone();
            let in_force = version.window.until() > self.clock.now();
            if in_force && !is_revoked(&replicas, version) {
                return Err(StepRefusal::StillInForce {
                    key_id: key_id(),
                    until: version.window.until(),
                }
                .into());
            }
            let missing = |replica: &Replica| replicas::missing(replica, version);
            let missing: Vec<String> = replicas.iter().filter_map(missing).collect();
            if !missing.is_empty() {
                let key_id = key_id();
                return Err(StepRefusal::NotKept { key_id, missing }.into());
            }
            report.told.push(match replicas.len() {
                0 => format!(
                    "no --server was given: that every service keeps the public half of {} was not looked at",
                    version.key_id
                ),
                _ => format!(
                    "every service keeps the public half of {}",
                    version.key_id
                ),
            });
        }
        let (label, from) = (StagingLabel::Previous, previous.id.clone());
        self.apply(
            &mut snapshot,
            LabelChange::Remove { label, from },
            &mut report,
        )
        .await?;
        report.next = match self.dry_run {
            true => "rollover status".into(),
            false => next::what(&snapshot, &replicas, self.clock.now()),
        };
        Ok(report)
    }

    /// Gives the staged key up. No service ever trusted it.
    ///
    /// # Errors
    /// [`RolloverError`] when it was promoted meanwhile, or a call fails.
    pub async fn abort(&self, key_id: Option<&KeyId>) -> Result<StepReport, RolloverError> {
        let (mut snapshot, replicas) = self.look().await?;
        let mut report = StepReport::default();
        let Some(staged) = snapshot.staged() else {
            report.told.push("nothing is staged".into());
            report.next = next::command_or_stage(&snapshot, &replicas, self.clock.now());
            return Ok(report);
        };
        same(key_id, staged, "AWSPENDING")?;
        let (label, from) = (StagingLabel::Pending, staged.id.clone());
        let (id, name) = (from.clone(), staged.name().to_owned());
        self.apply(
            &mut snapshot,
            LabelChange::Remove { label, from },
            &mut report,
        )
        .await?;
        if snapshot.version(&id).is_some_and(StoredVersion::is_trusted) {
            return Err(StepRefusal::Overtaken(format!("{name} was promoted")).into());
        }
        report.next = match self.dry_run {
            true => "rollover status".into(),
            false => next::command_or_stage(&snapshot, &replicas, self.clock.now()),
        };
        Ok(report)
    }

    /// Makes one change and reads again, to see that it holds; in a dry run, only says what would be done.
    pub(super) async fn apply(
        &self,
        snapshot: &mut Snapshot,
        change: LabelChange,
        report: &mut StepReport,
    ) -> Result<(), RolloverError> {
        report.calls.push(change.to_string());
        if self.dry_run {
            return Ok(());
        }
        let updated = self.store.update(&change).await;
        let version = snapshot.version(change.version());
        let key = version.and_then(|version| version.key().ok());
        let key_id = key.map_or("", |key| key.version.key_id.as_str());
        audited(&change.to_string(), key_id, &updated);
        let changed = match updated {
            Ok(()) => None,
            Err(StoreError::Changed { problem, .. }) => Some(problem),
            Err(error) => return Err(error.into()),
        };
        *snapshot = self.store.reread(snapshot).await?;
        match (change.holds_in(snapshot), changed) {
            (true, None) => Ok(()),
            (true, Some(_)) => {
                let told = "somebody else did this meanwhile (or an answer was lost on the way)";
                report.told.push(told.into());
                Ok(())
            }
            (false, problem) => {
                let problem = problem.unwrap_or_else(|| "it was changed back at once".into());
                Err(StepRefusal::Overtaken(problem).into())
            }
        }
    }
}

/// Who takes a step is the function of the Lambda, or the user of the shell; CloudTrail knows the role.
fn audited<T>(call: &str, key_id: &str, outcome: &Result<T, StoreError>) {
    let who = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| operator::name());
    let problem = outcome.as_ref().err().map(ToString::to_string);
    let outcome = problem.as_deref().map_or(Outcome::Done, Outcome::Refused);
    audit::rollover(&who, call, key_id, outcome);
}

/// Refuses to go on with another key than the one that the operator named.
fn same(
    asked: Option<&KeyId>,
    found: &StoredVersion,
    label: &'static str,
) -> Result<(), StepRefusal> {
    match asked {
        Some(asked) if asked.as_str() != found.name() => Err(StepRefusal::OtherKey {
            asked: asked.clone(),
            found: found.name().into(),
            label,
        }),
        _ => Ok(()),
    }
}

fn described(version: &KeyVersion) -> String {
    let (window, bits) = (version.window, version.public_key.bits());
    format!(
        "{} ({window}, {}, {bits} bits, fingerprint {})",
        version.key_id,
        version.algorithm,
        version.fingerprint()
    )
}

fn after_stage(key_id: &KeyId, endorsed: bool) -> String {
    format!("rollover test {key_id}{}", unendorsed_flag(endorsed))
}
