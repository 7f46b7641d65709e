//! The four steps of a rotation function of Secrets Manager (AWS, "Rotation by Lambda function"): the same code as
//! the operator's steps, under the token that Secrets Manager gives.

use serde::Deserialize;

use super::change::LabelChange;
use super::proposal::{Overrides, Proposal};
use super::{
    Rollover, RolloverError, Situation, StepRefusal, StepReport, StoredVersion, check_staged,
    checks, replicas,
};
use checkpoint::key::StagingLabel;

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

impl Rollover {
    /// Does one step of a rotation. A step that was done already is done.
    ///
    /// # Errors
    /// [`RolloverError`] when the secret is not to be rotated, the token is not that of a staged version, or the step
    /// is refused or fails.
    pub async fn rotate(
        &self,
        step: RotationStep,
        token: &str,
    ) -> Result<StepReport, RolloverError> {
        let described = self.store.describe().await?;
        let secret = || self.store.secret().to_owned();
        if !described.rotation_enabled {
            return Err(StepRefusal::RotationOff(secret()).into());
        }
        let stages = described.stages.get(token);
        let stages = stages.ok_or_else(|| StepRefusal::UnknownToken(secret(), token.into()))?;
        let mut report = StepReport::default();
        if stages.contains(&StagingLabel::Current) {
            report
                .told
                .push(format!("version {token} is AWSCURRENT already"));
            return Ok(report);
        }
        if !stages.contains(&StagingLabel::Pending) {
            return Err(StepRefusal::NotPending(token.into()).into());
        }
        match step {
            RotationStep::CreateSecret => self.create(token, report).await,
            RotationStep::SetSecret => {
                report
                    .told
                    .push("nothing to set: the services read the secret".into());
                Ok(report)
            }
            RotationStep::TestSecret => {
                self.check(&mut report).await?;
                Ok(report)
            }
            RotationStep::FinishSecret => self.finish(token, report).await,
        }
    }

    async fn create(
        &self,
        token: &str,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        let situation = self.look().await?;
        let made = situation.snapshot.version(token);
        if let Some(made) = made.filter(|made| made.content.is_ok()) {
            report
                .told
                .push(format!("{} is staged already", made.name()));
            return Ok(report);
        }
        let overrides = Overrides::default();
        situation.check_order()?;
        let proposal = Proposal::new(&situation, &overrides)?;
        if proposal.endorsed {
            situation.check_endorser(&situation.must_have_current()?.key()?.version)?;
        }
        let label = StagingLabel::Pending;
        let version = self.put(&situation, &proposal, token, &label).await?;
        let fingerprint = version.fingerprint();
        report
            .told
            .push(format!("made {proposal}, fingerprint {fingerprint}"));
        Ok(report)
    }

    async fn check(&self, report: &mut StepReport) -> Result<Situation, RolloverError> {
        let situation = self.look_closely().await?;
        situation.check_order()?;
        report.checks = check_staged(&situation, true)?;
        let name = situation.snapshot.staged().map_or("", StoredVersion::name);
        checks::all_right(name, &report.checks)?;
        Ok(situation)
    }

    /// Checks again: whoever asks for this step alone has skipped nothing.
    async fn finish(
        &self,
        token: &str,
        mut report: StepReport,
    ) -> Result<StepReport, RolloverError> {
        let mut situation = self.check(&mut report).await?;
        let promoted = situation.snapshot.version(token).map(StoredVersion::key);
        let promoted = promoted.transpose()?.map(|key| key.version.clone());
        let give = LabelChange::give(StagingLabel::Current, &situation.snapshot, token);
        let take = LabelChange::take(StagingLabel::Pending, token);
        for change in [give, take] {
            self.apply(&mut situation, change, &mut report).await?;
        }
        // The rotation is done: a service that does not list the key yet is for the alarms.
        if let Some(promoted) = promoted {
            let (name, fingerprint) = (&promoted.key_id, promoted.fingerprint());
            report
                .told
                .push(format!("{name} has the fingerprint {fingerprint}"));
            let replicas = self.services.ask(true).await;
            let missing = |replica| replicas::missing(replica, &promoted);
            report.told.extend(replicas.iter().filter_map(missing));
        }
        Ok(report)
    }
}
