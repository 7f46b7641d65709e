//! Asks a service for its verdicts.

use std::path::PathBuf;

use checkpoint_verify::cli::hashing::Once;
use checkpoint_verify::cli::inputs::{Input, Text};
use checkpoint_verify::cli::outcome::Outcome;
use checkpoint_verify::cli::pipeline::{Take, batch};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use crate::cli::Failure;
use crate::cli::failure::refused;
use crate::wire;
use crate::wire::proto::VerifyCheckpointRequest;
use crate::wire::proto::verification_service_client::VerificationServiceClient;
use crate::wire::proto::verify_checkpoint_request::Subject;
use checkpoint::checkpoint::PublishedOutline;
use checkpoint::verdict::Verdict;
use checkpoint_verify::bulk::{Checked, Fingerprints, Selection};

/// Calls under way.
const CALLS: usize = 32;

pub(super) struct Service {
    client: VerificationServiceClient<Channel>,
    selection: Selection,
    fingerprints: Fingerprints,
}

impl Service {
    pub(super) fn new(channel: Channel, selection: Selection, fingerprints: Fingerprints) -> Self {
        Self {
            client: VerificationServiceClient::new(channel),
            selection,
            fingerprints,
        }
    }

    pub(super) async fn run(
        &self,
        (paths, once): (Vec<PathBuf>, Option<Once>),
        take: Take<'_>,
    ) -> Result<(), Failure> {
        let (sender, mut batches) = mpsc::channel(1);
        let reader = tokio::task::spawn_blocking(move || {
            batch(&paths, once.as_ref(), &mut |batch| {
                sender.blocking_send(batch).is_ok()
            });
        });
        while let Some(batch) = batches.recv().await {
            let calls = stream::iter(batch).map(|input| self.ask(input));
            take(calls.buffered(CALLS).collect().await)?;
        }
        reader.await.map_err(Failure::impossible)
    }

    async fn ask(&self, input: Input) -> Outcome {
        let text = match input {
            Ok(text) => text,
            Err(trouble) => return trouble.into(),
        };
        let published = PublishedOutline::from_published_json(&text.bytes).ok();
        if published.is_some_and(|published| !self.selection.contains(&published.outline)) {
            return Outcome::LeftOut(text.origin);
        }
        match self.verdict(&text).await {
            Ok((verdict, recorded)) => {
                let checked = Checked::told(verdict, recorded, &text.bytes, &self.fingerprints);
                Outcome::Checked(text.origin, Box::new(checked))
            }
            Err(problem) => Outcome::Failed(format!("{}: {problem}", text.origin.place())),
        }
    }

    async fn verdict(&self, text: &Text) -> Result<(Verdict, Option<bool>), String> {
        let published = match String::from_utf8(text.bytes.to_vec()) {
            Ok(published) => published,
            Err(error) => return Ok((Verdict::malformed(error), None)),
        };
        let request = VerifyCheckpointRequest {
            subject: Some(Subject::PublishedJson(published)),
        };
        let answer = self.client.clone().verify_checkpoint(request).await;
        let answer = answer.map_err(|status| refused(status).message())?;
        let verdict = answer.into_inner().verdict.unwrap_or_default();
        let recorded = verdict.recorded;
        let verdict = wire::read_verdict(verdict);
        let verdict = verdict.ok_or("the service gave a verdict that is not known here")?;
        Ok((verdict, recorded))
    }
}
