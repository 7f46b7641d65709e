//! Whether a checkpoint is in the record, by a proof and a head: what is printed of it.

use std::path::Path;

use serde_json::{Value, json};

use super::head::time_text;
use checkpoint::keyring::PinnedKeyring;
use checkpoint::log::proof::TreeHead;
use checkpoint::log::{AnyHead, InclusionBundle, verify_included};
use checkpoint::verdict::{Verdict, VerdictKind, verify};
use checkpoint::visible::visible;

/// What is printed of one proof or head.
pub(super) struct ProofLine {
    pub(super) place: String,
    pub(super) verdict: Verdict,
    pub(super) unproved: Option<Unproved>,
}

/// Why it is not proved to be in the record.
pub(super) enum Unproved {
    /// Something contradicts it.
    Contradicted(String),
    /// What is there says nothing of it.
    NotChecked(String),
}

impl Unproved {
    fn problem(&self) -> &str {
        match self {
            Self::Contradicted(problem) | Self::NotChecked(problem) => problem,
        }
    }
}

impl ProofLine {
    fn status(&self) -> &'static str {
        match (self.verdict.kind, &self.unproved) {
            (VerdictKind::Valid, Some(_)) => "NOT_PROVED",
            (kind, _) => kind.as_str(),
        }
    }

    pub(super) fn explanation(&self) -> &str {
        match (self.verdict.kind, &self.unproved) {
            (VerdictKind::Valid, Some(unproved)) => unproved.problem(),
            _ => &self.verdict.explanation,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let (status, explanation) = (self.status(), self.explanation());
        let line = format!("{status:<18} {}: {explanation}", self.place);
        format!("{}\n", visible(&line))
    }

    pub(super) fn to_json(&self) -> Value {
        let verdict = &self.verdict;
        json!({
            "file": self.place,
            "verdict": self.status(),
            "key_id": verdict.key_id.as_ref().map(|key_id| key_id.as_str()),
            "signed_at": time_text(verdict.signed_at),
            "explanation": self.explanation(),
        })
    }
}

/// The signature of the checkpoint, then that of the head, then the proof between them.
pub(super) fn judge(
    place: String,
    bundle: &InclusionBundle,
    head: Option<(&Path, &AnyHead)>,
    keyring: &PinnedKeyring,
) -> ProofLine {
    let own = AnyHead::Jws(Box::new(bundle.head.clone()));
    let (head, whose) = match head {
        Some((path, head)) => (head, path.display().to_string()),
        None => (&own, "in the proof itself".into()),
    };
    let (found, tree) = (head.verify(&keyring.trusted), head.tree());
    let mut verdict = verify(&keyring.trusted, &bundle.signed);
    let proved = verify_included(&bundle.signed, bundle.position, &bundle.proof, tree);
    let contradicted = |problem| Some(Unproved::Contradicted(problem));
    let unproved = match (found.kind, proved) {
        (VerdictKind::Valid, _) if head.log() != own.log() => contradicted(format!(
            "the head is of the record {}, and the proof of {}",
            head.log(),
            own.log()
        )),
        (VerdictKind::Valid, Ok(())) => None,
        (VerdictKind::Valid, Err(error)) => match of_another_head(bundle, tree, keyring) {
            Some(problem) => Some(Unproved::NotChecked(problem)),
            None => contradicted(error.to_string()),
        },
        (kind, _) => contradicted(format!("the head is {kind}: {}", found.explanation)),
    };
    if unproved.is_none() && verdict.kind == VerdictKind::Valid {
        let (position, size, log) = (bundle.position, tree.size, head.log());
        let proved = format!("; row {position} of {size} of the record {log}, by the head {whose}");
        verdict.explanation.push_str(&proved);
    }
    ProofLine {
        place,
        verdict,
        unproved,
    }
}

/// That a proof holds for the head in it, which counts another number of rows: it says nothing of the head that is given.
fn of_another_head(
    bundle: &InclusionBundle,
    given: TreeHead,
    keyring: &PinnedKeyring,
) -> Option<String> {
    let own = AnyHead::Jws(Box::new(bundle.head.clone()));
    let (size, position) = (own.tree().size, bundle.position);
    let holds = own.verify(&keyring.trusted).kind == VerdictKind::Valid
        && verify_included(&bundle.signed, position, &bundle.proof, own.tree()).is_ok();
    if !holds || size == given.size {
        return None;
    }
    let proof = format!(
        "the proof is for the head of {size} rows in it, and the head that is given counts {}",
        given.size
    );
    Some(match position <= given.size {
        true => format!(
            "{proof}; expected what `record proof` prints with --record-head, and that head"
        ),
        false => format!(
            "{proof}: the checkpoint is row {position}, which came later; expected a later head"
        ),
    })
}
