//! The four steps of a rotation function of Secrets Manager (AWS, "Rotation by Lambda function"): the same code as
//! the operator's steps, under the token that Secrets Manager gives.
//!
//! A rotation ends well where AWSPENDING is on no version, or on the one that is AWSCURRENT; where it stays on another one, no later
//! rotation begins (AWS, RotateSecret): the same one is tried again, under the same token. So each step looks at what is there, and not
//! at whose work it is: what the operator has done by hand is done, what failed before is gone on with, or replaced, and what the operator has
//! staged by hand is promoted, or left to him.

use chrono::TimeDelta;
use serde::Deserialize;

use super::change::LabelChange;
use super::overrides::Overrides;
use super::proposal::Proposal;
use super::{
    Rollover, RolloverError, Situation, Snapshot, StepRefusal, StepReport, StoredVersion,
    check_staged, checks, replicas,
};
use checkpoint::key::{
    KeyId, KeyVersion, StagingLabel, ValidityWindow, covered_until, instant_text,
};
use checkpoint::signing::NotOpen;

/// A year until the next rotation, and a week to mend it if it fails: where signing is covered for longer, the next key is for a later one.
const UNTIL_THE_NEXT: TimeDelta = TimeDelta::days(366 + 7);

/// What Secrets Manager sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotationEvent {
    /// The step to do.
    pub step: RotationStep,
    /// The ARN of the secret.
    pub secret_id: String,
    /// The version id of the new version.
    pub client_request_token: String,
}

/// The steps, in the order in which Secrets Manager asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RotationStep {
    /// Make the new key as AWSPENDING.
    CreateSecret,
    /// Change it where it is used: nothing to do, since the services read the secret.
    SetSecret,
    /// Check it.
    TestSecret,
    /// Make it AWSCURRENT.
    FinishSecret,
}

/// What is left of a rotation.
enum Left<'a> {
    /// Nothing: why.
    Nothing(String),
    /// All: the rotation's version holds nothing yet.
    All,
    /// A key is staged: by this rotation, by one that failed, or by hand.
    Staged(&'a StoredVersion),
}

impl Situation {
    /// What is left; `stages` are the labels of the rotation's version.
    fn left(&self, token: &str, stages: Option<&[StagingLabel]>) -> Result<Left<'_>, StepRefusal> {
        if stages.is_some_and(|stages| stages.contains(&StagingLabel::Current)) {
            return Ok(Left::Nothing(format!(
                "version {token} is AWSCURRENT already"
            )));
        }
        self.check_order()?;
        if let Some(why) = self.rotated_already() {
            return Ok(Left::Nothing(why));
        }
        let staged = self.snapshot.staged();
        if let Some(staged) = staged.filter(|staged| !staged.is_empty()) {
            return Ok(Left::Staged(staged));
        }
        match stages {
            Some(stages) if stages.contains(&StagingLabel::Pending) => Ok(Left::All),
            Some(_) => Err(StepRefusal::NotPending(token.into())),
            None => Err(StepRefusal::UnknownToken(
                self.snapshot.secret.clone(),
                token.into(),
            )),
        }
    }

    /// A key that was staged by hand for this window and has no label: RotateSecret takes AWSPENDING from it for the version of its own,
    /// and `rollover abort` does as well, so that only a person knows which it was.
    fn moved_off(&self, window: ValidityWindow) -> Option<(KeyId, String)> {
        let versions = self.snapshot.versions.iter();
        let mut by_hand = versions
            .filter(|version| Snapshot::is_of_stage(&version.id) && version.stages.is_empty());
        by_hand.find_map(|version| {
            let key = &self.good(version)?.version;
            let overlaps = key.window.from() < window.until() && window.from() < key.window.until();
            (overlaps && !self.is_known(key)).then(|| (key.key_id.clone(), version.id.clone()))
        })
    }

    /// That no key is to be made now, and why: the next one is promoted, or the one in force signs beyond the next rotation.
    fn rotated_already(&self) -> Option<String> {
        let (_, current) = self.current()?;
        let (key_id, window) = (&current.version.key_id, current.version.window);
        let covered = covered_until(&self.trusted_windows(), self.now)?;
        let until = instant_text(covered);
        if window.check(self.now) == Err(NotOpen::NotYet) && covered >= window.until() {
            return Some(format!(
                "{key_id} is AWSCURRENT already, and opens at {}: signing goes on until {until}",
                instant_text(window.from())
            ));
        }
        (covered > self.now + UNTIL_THE_NEXT).then(|| {
            format!("{key_id} signs until {until}: the next key is for the next yearly rotation")
        })
    }
}

impl Rollover {
    /// Does one step of a rotation. A step that was done already, also by hand, is done.
    ///
    /// # Errors
    /// [`RolloverError`] when the secret is not to be rotated, nothing is staged and the token is not that of a rotation, or the
    /// step is refused or fails.
    pub async fn rotate(
        &self,
        step: RotationStep,
        token: &str,
    ) -> Result<StepReport, RolloverError> {
        let described = self.store.describe().await?;
        if !described.rotation_enabled {
            return Err(StepRefusal::RotationOff(self.store.secret().into()).into());
        }
        let situation = match step {
            RotationStep::CreateSecret | RotationStep::SetSecret => self.look().await?,
            RotationStep::TestSecret | RotationStep::FinishSecret => self.look_closely().await?,
        };
        let stages = described.stages.get(token).map(Vec::as_slice);
        let left = situation.left(token, stages)?;
        let mut report = StepReport::default();
        match (step, left) {
            (RotationStep::FinishSecret, Left::Nothing(why)) => {
                report.told.push(why);
                self.end(situation, token, report).await
            }
            (_, Left::Nothing(why)) => {
                report.told.push(why);
                Ok(report)
            }
            (RotationStep::CreateSecret, Left::All) => self.create(&situation, token, report).await,
            (RotationStep::CreateSecret, Left::Staged(staged)) => {
                self.go_on(&situation, staged, report).await
            }
            (RotationStep::SetSecret, _) => {
                let told = "nothing to set: the services read the secret";
                report.told.push(told.into());
                Ok(report)
            }
            // So Secrets Manager tries the function when the schedule is made (AWS, RotateSecret, RotateImmediately).
            (RotationStep::TestSecret, Left::All) => {
                report.told.push(format!(
                    "version {token} holds nothing, as when a schedule is tried: there is nothing to test"
                ));
                Ok(report)
            }
            (RotationStep::TestSecret, Left::Staged(_)) => {
                check(&situation, &mut report)?;
                Ok(report)
            }
            (RotationStep::FinishSecret, _) => self.finish(situation, report).await,
        }
    }

    async fn create(
        &self,
        situation: &Situation,
        token: &str,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        // The first key is the operator's.
        let current = situation.must_have_current()?;
        let proposal = Proposal::new(situation, &Overrides::default())?;
        if let Some((key_id, version)) = situation.moved_off(proposal.window) {
            let staged = situation.snapshot.staged();
            let has_it = staged.map_or(token, |staged| &staged.id);
            let back = format!(
                "aws secretsmanager update-secret-version-stage --secret-id {} --version-stage AWSPENDING --remove-from-version-id {has_it} \
                 --move-to-version-id {version}",
                self.store.secret()
            );
            let refused = StepRefusal::MovedOff {
                key_id,
                version,
                back,
            };
            return Err(refused.into());
        }
        if proposal.endorsed {
            situation.check_endorser(&current.key()?.version)?;
        }
        let label = StagingLabel::Pending;
        let version = self.put(situation, &proposal, token, &label).await?;
        let fingerprint = version.fingerprint();
        report
            .told
            .push(format!("made {proposal}, fingerprint {fingerprint}"));
        Ok(report)
    }

    /// With the key that is staged, or with another one where a rotation that failed has left it, and it can never be promoted any
    /// more. One that somebody staged is for that person.
    async fn go_on(
        &self,
        situation: &Situation,
        staged: &StoredVersion,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        let (id, name) = (&staged.id, staged.name());
        let checks = check_staged(situation, true)?;
        let Err(unfit) = checks::all_right(name, &checks) else {
            report
                .told
                .push(format!("{name} is staged already, as version {id}"));
            return Ok(report);
        };
        let endorsed = staged.key()?.endorsement.is_some();
        // What goes by itself, or when somebody sees to a service.
        let passing = ["nothing lost", "services"];
        let lasting =
            |check: &checks::Check| check.found.is_err() && !passing.contains(&check.name);
        if !endorsed || !checks.iter().any(lasting) {
            return Err(unfit.into());
        }
        if Snapshot::is_of_stage(id) {
            return Err(StepRefusal::StagedByHand(
                staged.key()?.version.key_id.clone(),
                unfit.to_string(),
            )
            .into());
        }
        report
            .told
            .push(format!("{unfit}; another key takes its place"));
        // A version never gets another value: the new one is a version of its own, and AWSPENDING moves to it.
        let token = situation.snapshot.rotation_token();
        self.create(situation, &token, report).await
    }

    /// Checks again: whoever asks for this step alone has skipped nothing.
    async fn finish(
        &self,
        mut situation: Situation,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        let (id, promoted) = check(&situation, &mut report)?;
        let give = LabelChange::give(StagingLabel::Current, &situation.snapshot, &id);
        let take = LabelChange::take(StagingLabel::Pending, &id);
        for change in [give, take] {
            self.apply(&mut situation, change, &mut report).await?;
        }
        // The rotation is done: a service that does not list the key yet is for the alarms.
        let (name, fingerprint) = (&promoted.key_id, promoted.fingerprint());
        report
            .told
            .push(format!("{name} has the fingerprint {fingerprint}"));
        let replicas = self.services.ask(true).await;
        let missing = |replica| replicas::missing(replica, &promoted);
        report.told.extend(replicas.iter().filter_map(missing));
        Ok(report)
    }

    /// Ends a rotation that had nothing to do: its empty version keeps no label, so that the next one can begin.
    async fn end(
        &self,
        mut situation: Situation,
        token: &str,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        let empty = situation.snapshot.version(token);
        let left =
            empty.filter(|version| version.is_empty() && version.has(&StagingLabel::Pending));
        if left.is_some() {
            let take = LabelChange::take(StagingLabel::Pending, token);
            self.apply(&mut situation, take, &mut report).await?;
        }
        Ok(report)
    }
}

/// Checks the staged key, and gives its version and it.
fn check(
    situation: &Situation,
    report: &mut StepReport,
) -> Result<(String, KeyVersion), StepRefusal> {
    report.checks = check_staged(situation, true)?;
    let staged = situation.snapshot.staged();
    let name = staged.map_or("", StoredVersion::name);
    checks::all_right(name, &report.checks)?;
    let nothing = || StepRefusal::NothingStaged(name.into());
    let staged = staged.ok_or_else(nothing)?;
    Ok((staged.id.clone(), staged.key()?.version.clone()))
}
