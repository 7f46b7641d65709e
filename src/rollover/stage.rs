//! Making the next key.

use super::change::LabelChange;
use super::staging::unendorsed_flag;
use super::{
    Next, Overrides, Proposal, Rollover, RolloverError, Situation, StepRefusal, StepReport,
    StoreError, StoredVersion, rhythm,
};
use checkpoint::key::{KeyVersion, StagingLabel, instant_text};
use checkpoint::signing::{KeySecret, NotOpen};

/// What staging comes to, as things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staging {
    /// It was done already: what, and what comes next.
    Done(String, Next),
    /// This key is made, with this label, under this token.
    Make(Proposal, StagingLabel, String),
}

impl Situation {
    /// Decides which key is staged.
    ///
    /// # Errors
    /// [`StepRefusal`] when no key can follow now, or another one is staged.
    pub fn staging(&self, overrides: &Overrides) -> Result<Staging, StepRefusal> {
        self.check_order()?;
        if let Some(staged) = self.snapshot.staged() {
            let key = staged.key()?;
            let described = described(&key.version);
            return match overrides.fits(&key.version) {
                true => Ok(Staging::Done(
                    format!("{described} is staged already"),
                    self.next(),
                )),
                false => Err(StepRefusal::AlreadyStaged(described)),
            };
        }
        if let Some((_, current)) = self.current()
            && overrides.names_one()
            && overrides.fits(&current.version)
        {
            let told = format!("{} is AWSCURRENT already", described(&current.version));
            return Ok(Staging::Done(told, self.next()));
        }
        if let Some((replica, key)) = self.signing()
            && self.snapshot.versions.is_empty()
            && !overrides.without_endorsement
        {
            return Err(StepRefusal::Emptied {
                secret: self.snapshot.secret.clone(),
                url: replica.url.clone(),
                key_id: key.key_id.clone(),
            });
        }
        let proposal = Proposal::new(self, overrides)?;
        if proposal.endorsed {
            self.check_endorser(&self.must_have_current()?.key()?.version)?;
        }
        self.check_services_are_ours()?;
        self.check_record()?;
        let label = match self.snapshot.current() {
            Some(_) => StagingLabel::Pending,
            None => StagingLabel::Current,
        };
        Ok(Staging::Make(proposal, label, self.snapshot.stage_token()))
    }
}

impl Rollover {
    /// Makes the next key, endorsed by the one in force, and puts it as AWSPENDING. The private half is neither
    /// shown nor written anywhere else.
    ///
    /// # Errors
    /// [`RolloverError`] when no key can follow now, another one is staged, or a call fails.
    pub async fn stage(&self, overrides: &Overrides) -> Result<StepReport, RolloverError> {
        let situation = self.look().await?;
        let staged = self.stage_in(&situation, overrides).await;
        staged.map_err(|error| error.in_situation(&situation))
    }

    async fn stage_in(
        &self,
        situation: &Situation,
        overrides: &Overrides,
    ) -> Result<StepReport, RolloverError> {
        let (proposal, label, token) = match situation.staging(overrides)? {
            Staging::Make(proposal, label, token) => (proposal, label, token),
            Staging::Done(told, next) => {
                return Ok(StepReport {
                    told: vec![told],
                    next,
                    ..StepReport::default()
                });
            }
        };
        let next = match label {
            StagingLabel::Pending => Next::Command(format!(
                "rollover test {}{}",
                proposal.key_id,
                unendorsed_flag(proposal.endorsed)
            )),
            // They read it by themselves.
            _ if situation.was_told() => Next::status(),
            _ => Next::see(
                "make the record (`checkpoint-signer record init`) and start the services (`checkpoint-signer serve`), unless there are some",
                Next::status(),
            ),
        };
        let call = format!(
            "PutSecretValue VersionStages=[{}] ClientRequestToken={token}",
            label.as_str()
        );
        let (told, next) = match self.dry_run {
            true => (format!("would make {proposal}"), Next::ForReal),
            false => {
                let version = self.put(situation, &proposal, &token, &label).await?;
                let fingerprint = version.fingerprint();
                (format!("made {proposal}, fingerprint {fingerprint}"), next)
            }
        };
        let until = proposal.window.until();
        let missed = rhythm::missed_rotation(until, situation.now).map(|rotation| {
            format!(
                "it ends {}, before a rotation in December ({}) makes the next one: stage that by hand before; rollover status warns in time",
                instant_text(until),
                rotation.format("%Y-%m-%d")
            )
        });
        Ok(StepReport {
            told: std::iter::once(told).chain(missed).collect(),
            calls: vec![call],
            next,
            ..StepReport::default()
        })
    }

    /// Makes the key and puts it; then reads it again, to see that it is the one that Secrets Manager took.
    pub(super) async fn put(
        &self,
        situation: &Situation,
        proposal: &Proposal,
        token: &str,
        label: &StagingLabel,
    ) -> Result<KeyVersion, RolloverError> {
        let endorser = match proposal.endorsed {
            true => {
                let current = situation.must_have_current()?;
                Some(self.store.fetch(&current.id).await?)
            }
            false => None,
        };
        let (proposed, now) = (proposal.clone(), situation.now);
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
            let asked = self.ask_again(situation.clone(), false).await;
            asked.check_endorser(&situation.must_have_current()?.key()?.version)?;
        }
        let put = self.store.put(token, label, document).await;
        let call = format!("PutSecretValue VersionStages={}", label.as_str());
        super::audited(&call, version.key_id.as_str(), &put);
        if let Err(error) = put
            && !matches!(error, StoreError::Changed { .. })
        {
            return Err(error.into());
        }
        // Also after a refusal: an answer may have been lost, and the call repeated by the SDK.
        let after = self.store.reread(&situation.snapshot).await?;
        let made = after.version(token).filter(|stored| {
            let key = stored.content.as_ref();
            stored.has(label) && key.is_ok_and(|key| key.version == version)
        });
        if made.is_some() {
            return Ok(version);
        }
        let found = after.labelled(label).map(StoredVersion::name);
        let (found, label) = (found.unwrap_or("nothing"), label.as_str());
        let problem = format!("{found} is {label}, not the key made here");
        Err(StepRefusal::Overtaken(problem).into())
    }

    /// Makes one change and reads again, to see that it holds; in a dry run, only says what would be done. Gives whether it was
    /// somebody else who did it.
    pub(super) async fn apply(
        &self,
        situation: &mut Situation,
        change: LabelChange,
        report: &mut StepReport,
    ) -> Result<bool, RolloverError> {
        report.calls.push(change.to_string());
        if self.dry_run {
            situation.snapshot = situation.snapshot.after(&change);
            return Ok(false);
        }
        let updated = self.store.update(&change).await;
        let version = situation.snapshot.version(change.version());
        let name = version.map_or("", StoredVersion::name);
        super::audited(&change.to_string(), name, &updated);
        let changed = match updated {
            Ok(()) => None,
            Err(StoreError::Changed { problem, .. }) => Some(problem),
            Err(error) => return Err(error.into()),
        };
        situation.snapshot = self.store.reread(&situation.snapshot).await?;
        match (change.holds_in(&situation.snapshot), changed) {
            (true, None) => Ok(false),
            (true, Some(_)) => {
                let told = "somebody else did this meanwhile (or an answer was lost on the way)";
                report.told.push(told.into());
                Ok(true)
            }
            (false, problem) => {
                let problem = problem.unwrap_or_else(|| "it was changed back at once".into());
                Err(StepRefusal::Overtaken(problem).into())
            }
        }
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
