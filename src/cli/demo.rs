//! `demo`: the story of three years, with real parts (server, gRPC, key file, SQLite) and a simulated clock.
//!
//! Each step says what it does, shows what came of it, and checks that this is what should come of it.

mod story;

use chrono::{DateTime, Utc};
use tonic_types::StatusExt;

use super::{Failure, print, print_line, refused};
use crate::wire;
use crate::wire::proto::{
    KeyState, RefreshKeysRequest, RevokeKeyRequest, SignedCheckpoint, VerdictKind,
};
use checkpoint::key::parse_instant;
use checkpoint::keyring::Keyring;
use checkpoint::reason::Reason;
use checkpoint::verdict;
use story::Story;

/// Tells the story; fails at the first step that differs from what it should be.
pub(super) async fn run() -> Result<(), Failure> {
    let folder = tempfile::tempdir().map_err(Failure::impossible)?;
    let mut story = Story::begin(folder.path(), at("2025-01-01T09:00:00Z")).await?;

    story.chapter("2025: a year like any other")?;
    story.expect_state("key-2025", KeyState::Active).await?;
    story.expect_signing(true).await?;
    let january = story.sign("chk_2025-01-01", 100, "first").await?;
    expect(january.key_id == "key-2025", "the key of 2025 signed it")?;
    story.at("2025-06-01T09:00:00Z")?;
    let june = story.sign("chk_2025-06-01", 5_000, "second").await?;
    let retried = story.sign("chk_2025-06-01", 5_000, "second").await?;
    expect(
        retried.published_json == june.published_json,
        "a retry gets the same bytes",
    )?;
    story.say("the same checkpoint sent again gets the same signature, byte for byte")?;

    story.chapter("December 2025: the rollover is prepared, weeks ahead")?;
    story.at("2025-12-01T09:00:00Z")?;
    story
        .keys(&[("2025", "AWSCURRENT"), ("2026", "AWSPENDING")])
        .await?;
    story.expect_state("key-2026", KeyState::Pending).await?;
    story
        .keys(&[("2026", "AWSCURRENT"), ("2025", "AWSPREVIOUS")])
        .await?;
    story.expect_state("key-2026", KeyState::Scheduled).await?;
    story
        .say("promoted, and nothing changes yet: the key of 2025 goes on until its window ends")?;

    story.chapter("New Year's Eve: midnight, with no restart")?;
    story.at("2025-12-31T23:59:59Z")?;
    let last = story.sign("chk_2025-12-31", 9_000, "third").await?;
    expect(
        last.key_id == "key-2025",
        "the last second of 2025 belongs to the key of 2025",
    )?;
    story.at("2026-01-01T00:00:00Z")?;
    let first = story.sign("chk_2026-01-01", 9_001, "fourth").await?;
    expect(
        first.key_id == "key-2026",
        "the first second of 2026 belongs to the key of 2026",
    )?;
    story.expect_state("key-2025", KeyState::Retired).await?;
    story
        .expect_verdict(
            "the checkpoint of January 2025",
            &january,
            VerdictKind::Valid,
        )
        .await?;
    let retried = story.sign("chk_2025-12-31", 9_000, "third").await?;
    expect(
        retried.signature == last.signature,
        "a retry is safe across the rollover",
    )?;

    story.chapter("What is refused")?;
    story.at("2026-01-02T09:00:00Z")?;
    story
        .refused(
            "chk_2026-01-01",
            9_001,
            "another history",
            Reason::Equivocation,
        )
        .await?;
    story
        .refused(
            "chk_2026-01-02",
            9_001,
            "another history",
            Reason::Equivocation,
        )
        .await?;
    story
        .refused("chk_2026-01-02", 8_999, "an older state", Reason::Rollback)
        .await?;
    let mut tampered = january.clone();
    tampered.published_json = january
        .published_json
        .replace("\"entry_count\":100", "\"entry_count\":999");
    story
        .expect_verdict(
            "one changed number",
            &tampered,
            VerdictKind::InvalidSignature,
        )
        .await?;
    story.sign("chk_2026-01-02", 9_002, "fifth").await?;
    story.at("2026-01-01T12:00:00Z")?;
    story
        .refused("chk_2026-01-01b", 9_003, "sixth", Reason::ClockWentBack)
        .await?;

    story.chapter("New Year 2027: somebody forgot the rollover")?;
    story.at("2026-12-31T23:59:59Z")?;
    let forgotten = story.sign("chk_2026-12-31", 20_000, "seventh").await?;
    story.at("2027-01-01T00:00:00Z")?;
    story
        .refused("chk_2027-01-01", 20_001, "eighth", Reason::KeyExpired)
        .await?;
    story.expect_signing(false).await?;
    story
        .expect_verdict("verification goes on", &forgotten, VerdictKind::Valid)
        .await?;
    story
        .keys(&[("2027", "AWSCURRENT"), ("2026", "AWSPREVIOUS")])
        .await?;
    story.expect_signing(true).await?;
    let rescued = story.sign("chk_2027-01-01", 20_001, "eighth").await?;
    expect(rescued.key_id == "key-2027", "the key of 2027 signs")?;

    story.chapter("March 2027: the key of 2026 has leaked, some time in summer 2026")?;
    story.at("2027-03-01T09:00:00Z")?;
    story
        .revoke("key-2026", "2026-07-01", "found on a lost laptop")
        .await?;
    story
        .expect_verdict("signed before the leak", &first, VerdictKind::Valid)
        .await?;
    story
        .expect_verdict("signed after the leak", &forgotten, VerdictKind::KeyRevoked)
        .await?;

    story.chapter("Ten years on: an auditor with a keyring file and no network")?;
    let jwks = story.jwks().await?;
    let keyring = Keyring::from_jwks(jwks.as_bytes()).map_err(Failure::impossible)?;
    let signed: [&SignedCheckpoint; 3] = [&january, &last, &rescued];
    for signed in signed {
        let (verdict, _) = verdict::verify_published(&keyring, signed.published_json.as_bytes());
        print_line(&format!("  {:<18} {}", verdict.kind, verdict.explanation))?;
        expect(
            verdict.kind == verdict::VerdictKind::Valid,
            "it verifies offline",
        )?;
    }
    story.end().await?;
    print("\nEvery step was as it should be.\n")
}

fn expect(holds: bool, what: &str) -> Result<(), Failure> {
    match holds {
        true => Ok(()),
        false => Err(Failure::Negative(format!(
            "the story differs: expected that {what}"
        ))),
    }
}

fn at(text: &str) -> DateTime<Utc> {
    // The story's own dates; a wrong one would end the story at its first check.
    parse_instant(text).unwrap_or_default()
}

impl Story {
    async fn refused(
        &mut self,
        checkpoint_id: &str,
        entry_count: u64,
        history: &str,
        reason: Reason,
    ) -> Result<(), Failure> {
        let Err(status) = self.try_sign(checkpoint_id, entry_count, history).await else {
            return expect(false, &format!("{checkpoint_id} is refused"));
        };
        let found = status.get_details_error_info().map(|info| info.reason);
        let found = found.unwrap_or_default();
        self.say(&format!(
            "{checkpoint_id} is refused: {found}: {}",
            status.message()
        ))?;
        expect(found == reason.as_str(), &format!("the reason is {reason}"))
    }

    async fn expect_verdict(
        &mut self,
        what: &str,
        signed: &SignedCheckpoint,
        expected: VerdictKind,
    ) -> Result<(), Failure> {
        let verdict = self.verify(&signed.published_json).await?;
        let kind = verdict
            .kind()
            .as_str_name()
            .trim_start_matches("VERDICT_KIND_");
        self.say(&format!("{what}: {kind}: {}", verdict.explanation))?;
        expect(
            verdict.kind() == expected,
            &format!("the verdict is {expected:?}"),
        )
    }

    async fn expect_state(&mut self, key_id: &str, expected: KeyState) -> Result<(), Failure> {
        let state = self.state(key_id).await?;
        let name = state.as_str_name().trim_start_matches("KEY_STATE_");
        self.say(&format!("{key_id} is {name}"))?;
        expect(state == expected, &format!("{key_id} is {expected:?}"))
    }

    async fn expect_signing(&mut self, expected: bool) -> Result<(), Failure> {
        let serving = self.wait_for_health(expected).await?;
        let name = if serving { "SERVING" } else { "NOT_SERVING" };
        self.say(&format!("health of SigningService: {name}"))?;
        expect(
            serving == expected,
            "the health service tells whether a key can sign",
        )
    }

    async fn keys(&mut self, versions: &[(&str, &str)]) -> Result<(), Failure> {
        self.write_keys(versions)?;
        let refreshed = self
            .key_service
            .refresh_keys(RefreshKeysRequest {})
            .await
            .map_err(refused)?;
        let shown: Vec<String> = refreshed
            .into_inner()
            .keys
            .iter()
            .filter(|key| !key.version_stages.is_empty())
            .map(|key| format!("{} {}", key.key_id, key.version_stages.join(",")))
            .collect();
        self.say(&format!("the secret holds: {}", shown.join("; ")))
    }

    async fn revoke(&mut self, key_id: &str, from: &str, reason: &str) -> Result<(), Failure> {
        let request = RevokeKeyRequest {
            key_id: key_id.into(),
            distrust_after: Some(wire::timestamp(at(from))),
            reason: reason.into(),
        };
        self.key_service
            .revoke_key(request)
            .await
            .map_err(refused)?;
        self.say(&format!("{key_id} is distrusted from {from} on: {reason}"))?;
        self.expect_state(key_id, KeyState::Revoked).await
    }
}
