//! `KeyService`.

use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::gate::Call;
use super::{Inner, status};
use crate::audit::{self, Outcome};
use crate::record::RevocationOutcome;
use crate::signer::KeysInForce;
use crate::timekeeping::Timekeeper;
use crate::wire;
use crate::wire::proto::{
    self, GetKeyRequest, GetKeyResponse, KeySourceStatus, ListKeysRequest, ListKeysResponse,
    RefreshKeysRequest, RefreshKeysResponse, RevokeKeyRequest, RevokeKeyResponse, WatchKeysRequest,
    WatchKeysResponse,
};
use crate::wire::served::key_service_server::KeyService;
use checkpoint::key::KeyId;
use checkpoint::keyring::{KeyringEntry, Revocation};
use checkpoint::reason::Reason;

/// Answers `KeyService`.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Inner);

impl Keys {
    fn snapshot(&self) -> Arc<KeysInForce> {
        Arc::clone(&self.0.key_manager.keys().borrow())
    }

    fn key(&self, keys: &KeysInForce, key_id: &KeyId) -> Result<proto::Key, Status> {
        let now = self.0.core.clock.now();
        let entry = keys.keyring.get(key_id);
        entry
            .map(|entry| wire_key(entry, keys, now))
            .ok_or_else(|| {
                status::not_found(
                    Reason::KeyNotFound,
                    format!("key_id: there is no key version {key_id}"),
                )
            })
    }
}

fn read_key_id(text: &str) -> Result<KeyId, Status> {
    text.parse()
        .map_err(|error: checkpoint::identifier::IdentifierError| {
            status::invalid_request("key_id", &error.to_string())
        })
}

fn wire_keys(keys: &KeysInForce, now: DateTime<Utc>) -> Vec<proto::Key> {
    let entries = keys.keyring.entries().into_iter();
    entries.map(|entry| wire_key(entry, keys, now)).collect()
}

fn wire_key(entry: &KeyringEntry, keys: &KeysInForce, now: DateTime<Utc>) -> proto::Key {
    let signs = keys.signing_key_id(now) == Some(&entry.version().key_id);
    wire::key(entry, signs, now)
}

fn wire_status(keys: &KeysInForce, time: &Timekeeper) -> Option<KeySourceStatus> {
    Some(KeySourceStatus {
        source: keys.source.name.clone(),
        last_success: keys.source.last_success.map(wire::timestamp),
        faults: keys.source.faults.clone(),
        api_calls: keys.source.api_calls,
        clock_fault: time.source_fault().unwrap_or_default(),
    })
}

#[tonic::async_trait]
impl KeyService for Keys {
    async fn list_keys(
        &self,
        _: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.snapshot();
        Ok(Response::new(ListKeysResponse {
            keys: wire_keys(&keys, self.0.core.clock.now()),
            source_status: wire_status(&keys, &self.0.key_manager.time()),
            signing_refused: self
                .0
                .core
                .signer
                .readiness()
                .why_not()
                .map_or_else(String::new, |refusal| {
                    format!("{}: {refusal}", refusal.reason())
                }),
        }))
    }

    async fn get_key(
        &self,
        request: Request<GetKeyRequest>,
    ) -> Result<Response<GetKeyResponse>, Status> {
        let key_id = read_key_id(&request.into_inner().key_id)?;
        let key = self.key(&self.snapshot(), &key_id)?;
        Ok(Response::new(GetKeyResponse { key: Some(key) }))
    }

    type WatchKeysStream = Pin<Box<dyn Stream<Item = Result<WatchKeysResponse, Status>> + Send>>;

    async fn watch_keys(
        &self,
        _: Request<WatchKeysRequest>,
    ) -> Result<Response<Self::WatchKeysStream>, Status> {
        let watch = Watch {
            keys: self.0.key_manager.keys(),
            inner: self.0.clone(),
            last: None,
        };
        let snapshots = futures_util::stream::unfold(Some(watch), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Ok(snapshot) => Some((Ok(snapshot), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        });
        Ok(Response::new(Box::pin(snapshots)))
    }

    async fn refresh_keys(
        &self,
        request: Request<RefreshKeysRequest>,
    ) -> Result<Response<RefreshKeysResponse>, Status> {
        let (call, key_manager) = (Call::of(&request)?, self.0.key_manager.clone());
        let refresh = async move {
            let keys = key_manager.refresh().await.map_err(Status::from)?;
            Ok((keys, Outcome::Done))
        };
        let keys = audited("refresh", call, "", refresh).await?;
        Ok(Response::new(RefreshKeysResponse {
            keys: wire_keys(&keys, self.0.core.clock.now()),
            source_status: wire_status(&keys, &self.0.key_manager.time()),
        }))
    }

    async fn revoke_key(
        &self,
        request: Request<RevokeKeyRequest>,
    ) -> Result<Response<RevokeKeyResponse>, Status> {
        let (call, this) = (Call::of(&request)?, self.clone());
        let request = request.into_inner();
        let key_id = request.key_id.clone();
        let revoke = async move { this.revoke(request).await };
        let revoked = audited("revoke", call, &key_id, revoke).await?;
        Ok(Response::new(revoked))
    }
}

impl Keys {
    async fn revoke(
        &self,
        request: RevokeKeyRequest,
    ) -> Result<(RevokeKeyResponse, Outcome<'static>), Status> {
        let key_id = read_key_id(&request.key_id)?;
        let now = self.0.core.clock.now().trunc_subsecs(0);
        let distrust_after = match request.distrust_after {
            None => now,
            Some(wire) => wire::instant(wire)
                .map_err(|e| status::invalid_request("distrust_after", &e.to_string()))?,
        };
        if request.reason.is_empty() {
            let problem = "is empty; expected why, for everybody to read";
            return Err(status::invalid_request("reason", problem));
        }
        let revocation = Revocation::new(distrust_after, request.reason, now)
            .map_err(|fault| status::invalid_request(&fault.field, &fault.problem))?;
        let (keys, revoked) = self
            .0
            .key_manager
            .revoke(key_id.clone(), revocation)
            .await?;
        let outcome = match revoked {
            RevocationOutcome::Before => Outcome::Recorded,
            _ => Outcome::Done,
        };
        let key = Some(self.key(&keys, &key_id)?);
        Ok((RevokeKeyResponse { key }, outcome))
    }
}

/// Does it to its end, and leaves its event in the audit log, even when the caller goes away meanwhile.
async fn audited<T: Send + 'static>(
    act: &'static str,
    call: Call,
    key_id: &str,
    work: impl Future<Output = Result<(T, Outcome<'static>), Status>> + Send + 'static,
) -> Result<T, Status> {
    let (key_id, spans) = (key_id.to_owned(), call.spans.clone());
    let whole = async move {
        let done = work.await;
        let reason = done.as_ref().err().map(status::reason);
        let outcome = match (&done, &reason) {
            (Ok((_, outcome)), _) => *outcome,
            (Err(_), reason) => Outcome::Refused(reason.as_deref().unwrap_or_default()),
        };
        audit::keys(act, call.asked(), &key_id, outcome);
        done.map(|(done, _)| done)
    };
    let whole = tokio::spawn(spans.around(whole));
    whole.await.map_err(|_| status::shutting_down())?
}

/// One caller that watches the keys.
struct Watch {
    keys: tokio::sync::watch::Receiver<Arc<KeysInForce>>,
    inner: Inner,
    last: Option<WatchKeysResponse>,
}

impl Watch {
    /// The next snapshot that differs from the last one. A state changes with time alone, too.
    async fn next(&mut self) -> Result<WatchKeysResponse, Status> {
        loop {
            let now = self.inner.core.clock.now();
            let (snapshot, edge) = {
                let keys = self.keys.borrow_and_update();
                let snapshot = WatchKeysResponse {
                    keys: wire_keys(&keys, now),
                    source_status: wire_status(&keys, &self.inner.key_manager.time()),
                };
                (snapshot, keys.keyring.next_edge(now))
            };
            if self.last.as_ref() != Some(&snapshot) {
                self.last = Some(snapshot.clone());
                return Ok(snapshot);
            }
            tokio::select! {
                changed = self.keys.changed() => changed.map_err(|_| status::shutting_down())?,
                () = self.inner.core.clock.sleep_until(edge.unwrap_or_default()), if edge.is_some() => {}
                () = self.inner.shutdown.cancelled() => return Err(status::shutting_down()),
            }
        }
    }
}
