//! What the log, the audit event and the metrics of one signature take, with the settings of a service that is told nothing
//! else, beside the raw RSA operation in the same run.
//!
//! `cargo bench --bench telemetry`
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use checkpoint::jws::ProtectedHeader;
use checkpoint::key::{Algorithm, ValidityWindow, parse_instant};
use checkpoint::signing::KeySecret;
use checkpoint_signer::audit::{self, Asked, Outcome, Subject};
use checkpoint_signer::telemetry::call::CallContext;
use checkpoint_signer::telemetry::{JsonLines, Metrics};
use criterion::{Criterion, criterion_group, criterion_main};
use tonic::codegen::http::HeaderMap;
use tracing::Span;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// The default of `--log-level`, and what `serve` adds to it.
const FILTER: &str = "warn,audit=info";

fn header() -> ProtectedHeader {
    let at = |text| parse_instant(text).unwrap();
    let window = ValidityWindow::new(at("2025-01-01"), at("2026-01-01")).unwrap();
    let key_id = "amply-checkpoint-key-2025".parse().unwrap();
    let made = KeySecret::generate(key_id, window, Algorithm::Ps256, 2048, None).unwrap();
    let key = KeySecret::parse(&made.0, None).unwrap();
    let key = key.into_signing_key();
    let example = include_bytes!("../examples/checkpoint.json");
    let checkpoint = checkpoint::checkpoint::Checkpoint::from_json(example).unwrap();
    let open = key.open_at(at("2025-06-01")).unwrap();
    open.sign(checkpoint.payload()).unwrap().header().clone()
}

/// What the path of one signature tells, in one go.
fn tell(metrics: &Metrics, header: &ProtectedHeader) {
    let call = CallContext::of(&HeaderMap::new());
    let spans = call.spans("/amply.checkpoint.v1.SigningService/SignCheckpoint", |_| {
        Span::none()
    });
    spans.within(|| {
        let took = black_box(Duration::from_micros(700));
        metrics.waited(took);
        metrics.made_rsa(took);
        metrics.committed(took);
        metrics.signed(header);
        metrics.answered(took);
        let asked = Asked {
            who: "URI:spiffe://amply.example/ledger",
            request_id: call.request_id(),
        };
        let subject = Subject {
            ledger_id: "org_xyz789".into(),
            checkpoint_id: "chk_2025-01-15".into(),
            entry_count: 15_842,
        };
        audit::sign(asked, &subject, header.kid.as_str(), Outcome::Done);
    });
    spans.end();
}

fn all(criterion: &mut Criterion) {
    let (metrics, header) = (Metrics::default(), header());
    let log: &'static std::fs::File = Box::leak(Box::new(tempfile::tempfile().unwrap()));
    let lines = JsonLines::new(move || log);
    let filter = EnvFilter::try_new(FILTER).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    tracing::subscriber::with_default(subscriber, || {
        criterion.bench_function("telemetry of one signature", |b| {
            b.iter(|| tell(&metrics, &header));
        });
    });
    assert_ne!(log.metadata().unwrap().len(), 0, "nothing was logged");

    let raw = RsaKeyPair::generate(KeySize::Rsa3072).unwrap();
    let mut out = vec![0; raw.public_modulus_len()];
    criterion.bench_function("raw signature, 3072 bit", |b| {
        b.iter(|| {
            raw.sign(
                &RSA_PSS_SHA256,
                &SystemRandom::new(),
                black_box(b"x"),
                &mut out,
            )
            .unwrap()
        });
    });
}

criterion_group!(benches, all);
criterion_main!(benches);
