//! The gRPC edge: translate, call inward, map errors. No decision is taken here.

pub mod access;
pub mod codec;
mod gate;
mod keys;
mod protocol;
pub mod reasons;
pub(crate) mod record;
mod signing;
pub(crate) mod status;
mod streams;
mod transport;
mod values;
mod verification;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Layer as _;

use crate::aside::Turns;
use crate::signer::{Core, KeyManager, NoKey, Readiness, Refusal};
use crate::wire::proto;
use access::Access;
use gate::GateLayer;

use crate::wire::served::key_service_server::KeyServiceServer;
use crate::wire::served::record_service_server::RecordServiceServer;
use crate::wire::served::signing_service_server::SigningServiceServer;
use crate::wire::served::verification_service_server::VerificationServiceServer;

/// The name of the service whose health says whether a key can sign.
const SIGNING: &str = <SigningServiceServer<signing::Signing> as NamedService>::NAME;

/// Items of one stream that are worked on at once: enough to keep the cores busy while one batch is committed.
const STREAM_WINDOW: usize = 256;

/// What they may take together, in KiB: checkpoints of a usual size by far, and eight of the largest.
const STREAM_WINDOW_KIB: u32 = 4096;

/// What the services answer from.
#[derive(Clone)]
pub struct Inner {
    /// What every edge answers from.
    pub core: Core,
    /// Has the keys.
    pub key_manager: KeyManager,
    /// Cancelled when the service is to end: streams end then.
    pub shutdown: CancellationToken,
    /// The threads on which everything is worked on that is not signing.
    pub(crate) aside: Handle,
    /// Turns to read what may be large.
    pub(crate) turns: Turns,
}

/// Serves until the shutdown token is cancelled and what was in flight then is answered.
///
/// # Errors
/// When the description of the API cannot be read.
pub async fn serve(
    listener: TcpListener,
    access: Access,
    inner: Inner,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (health, health_service) = tonic_health::server::health_reporter();
    report_serving::<VerificationServiceServer<verification::Verification>>(&health).await;
    report_serving::<KeyServiceServer<keys::Keys>>(&health).await;
    report_serving::<RecordServiceServer<record::Records>>(&health).await;
    // Until it is known: whoever asks first finds it, too.
    let not_yet = ServingStatus::NotServing;
    health.set_service_status(SIGNING, not_yet).await;
    let signing_health = tokio::spawn(report_signing(
        health,
        inner.core.signer.readiness(),
        inner.shutdown.clone(),
    ));
    let gate = GateLayer::new(
        access.clone(),
        Arc::clone(&inner.core.metrics),
        inner.shutdown.clone(),
        inner.aside.clone(),
    );
    let mut routes = Routes::builder();
    routes
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        // Python's grpcio-reflection and older tools speak nothing newer.
        .add_service(reflection().build_v1alpha()?)
        .add_service(SigningServiceServer::new(signing::Signing(inner.clone())))
        .add_service(VerificationServiceServer::new(verification::Verification(
            inner.clone(),
        )))
        .add_service(KeyServiceServer::new(keys::Keys(inner.clone())))
        .add_service(RecordServiceServer::new(record::Records(inner.clone())));
    let connections = transport::listen(listener, access, inner.shutdown.clone());
    let service = gate.layer(routes.routes().prepare());
    transport::serve(connections, service, inner.shutdown.clone()).await;
    signing_health.abort();
    Ok(())
}

async fn report_serving<S: NamedService>(health: &HealthReporter) {
    health
        .set_service_status(S::NAME, ServingStatus::Serving)
        .await;
}

/// Keeps the health of the signing service true: SERVING while a checkpoint would be signed.
async fn report_signing(
    health: HealthReporter,
    mut readiness: Readiness,
    shutdown: CancellationToken,
) {
    let mut told = None;
    loop {
        let refusal = readiness.why_not();
        let status = match refusal.is_none() && !shutdown.is_cancelled() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        let reason = refusal.as_ref().map(|refusal| refusal.reason().as_str());
        match (&refusal, reason) {
            (Some(refusal), Some(reason)) if told != Some(reason) => match refusal {
                // It has just begun: nobody is to be woken for that.
                Refusal::NoKey(NoKey::NotYetRead { failed: false, .. }) => {
                    tracing::info!(reason, %refusal, "nothing can be signed yet");
                }
                refusal => tracing::error!(reason, %refusal, "nothing can be signed"),
            },
            (None, _) if told.is_some() => tracing::info!("checkpoints are signed again"),
            _ => {}
        }
        told = reason;
        health.set_service_status(SIGNING, status).await;
        if shutdown.is_cancelled() {
            return end_watches(health).await;
        }
        tokio::select! {
            goes_on = readiness.changed() => if !goes_on { return },
            () = shutdown.cancelled() => {}
        }
    }
}

/// Tells those who watch the health that nothing is served any more, and ends their streams, for which the end would wait.
async fn end_watches(mut health: HealthReporter) {
    let names = [
        "",
        SIGNING,
        VerificationServiceServer::<verification::Verification>::NAME,
        KeyServiceServer::<keys::Keys>::NAME,
        RecordServiceServer::<record::Records>::NAME,
    ];
    for name in names {
        let status = ServingStatus::NotServing;
        health.set_service_status(name, status).await;
        health.clear_service_status(name).await;
    }
}
