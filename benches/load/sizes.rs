//! What a checkpoint costs by its size: CPU time of the server for a signature and for a retry, beside RSA over the same payload.

use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::checkpoint::Checkpoint as Content;
use checkpoint_signer::wire::proto::signing_service_client::SigningServiceClient;
use checkpoint_signer::wire::proto::{Checkpoint, SignCheckpointRequest};
use pkcs1::EncodeRsaPrivateKey;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use rand::rngs::SysRng;
use tokio::runtime::Runtime;

use crate::ledgers::Ledgers;
use crate::place::Place;
use crate::process::{cpu_seconds, peak_mib, resident_mib};
use crate::server::Server;
use crate::settings::Settings;

/// Calls of each kind: CPU time is told in hundredths of a second, and the smallest take little more than a millisecond.
const LEAST_CALLS: u64 = 100;

/// So many of the smallest: as many bytes in all for each size, but for [`LEAST_CALLS`].
const KIB_IN_ALL: u64 = 1000;

/// Of the other caller, beside each size.
const SMALL_CALLS: usize = 500;

/// Prints the table.
pub fn run(settings: &Settings, runtime: &Runtime, place: &Place) {
    let server = Server::start(place);
    let raw = Raw::new(settings.bits);
    println!("CPU time in ms, one call at a time; {} bit", settings.bits);
    println!("   KiB     RSA  signature  ratio   retry  ratio  omitted  RSS MiB  peak");
    for kib in &settings.sizes {
        let calls = LEAST_CALLS.max(KIB_IN_ALL / kib);
        let mut ledgers = Ledgers::new(0, 1);
        let requests: Vec<_> = (0..calls).map(|_| of_size(ledgers.next(), *kib)).collect();
        let content = Content::try_from(requests[0].clone()).unwrap();
        let rsa = raw.cpu_ms(content.payload().as_bytes(), calls);
        let sign = |omit| runtime.block_on(sign_all(&server, &requests, omit));
        let (signature, retry, omitted) = (sign(false), sign(false), sign(true));
        println!(
            "{kib:>6} {rsa:>7.2} {signature:>10.2} {:>6.2} {retry:>7.2} {:>6.2} {omitted:>8.2} {:>8.1} {:>5.1}",
            signature / rsa,
            retry / rsa,
            resident_mib(server.pid()),
            peak_mib(server.pid()).unwrap(),
        );
    }
    println!("another caller's small ones, one at a time: p50 in ms");
    let alone = runtime.block_on(small_ones(&server));
    println!("   alone {alone:.2}");
    for kib in &settings.sizes {
        let beside = runtime.block_on(async {
            tokio::select! {
                p50 = small_ones(&server) => p50,
                () = sign_without_end(&server, *kib) => 0.0,
            }
        });
        println!("{kib:>4} KiB beside it {beside:.2}");
    }
}

/// Gives the median of what one after the other takes, in milliseconds.
async fn small_ones(server: &Server) -> f64 {
    let client = SigningServiceClient::connect(server.url.clone());
    let mut client = client.await.unwrap();
    let mut ledgers = Ledgers::new(0, 2);
    let mut times = Vec::new();
    for _ in 0..SMALL_CALLS {
        let request = SignCheckpointRequest {
            checkpoint: Some(ledgers.next()),
            ..Default::default()
        };
        let begun = Instant::now();
        client.sign_checkpoint(request).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// One after the other of this size.
async fn sign_without_end(server: &Server, kib: u64) {
    let client = SigningServiceClient::connect(server.url.clone());
    let mut client = client.await.unwrap();
    let mut ledgers = Ledgers::new(1, 2);
    loop {
        let request = SignCheckpointRequest {
            checkpoint: Some(of_size(ledgers.next(), kib)),
            omit_content: true,
        };
        client.sign_checkpoint(request).await.unwrap();
    }
}

/// Gives the server's CPU time for each, in milliseconds.
async fn sign_all(server: &Server, requests: &[Checkpoint], omit_content: bool) -> f64 {
    let client = SigningServiceClient::connect(server.url.clone());
    let mut client = client.await.unwrap();
    let before = server.cpu_seconds();
    for request in requests {
        let checkpoint = Some(request.clone());
        let request = SignCheckpointRequest {
            checkpoint,
            omit_content,
        };
        client.sign_checkpoint(request).await.unwrap();
    }
    (server.cpu_seconds() - before) * 1000.0 / requests.len() as f64
}

/// With summaries as the contract's example has them, until the payload has about so many KiB.
fn of_size(mut checkpoint: Checkpoint, kib: u64) -> Checkpoint {
    let number = |number| Kind::NumberValue(number);
    let text = |text: String| Kind::StringValue(text);
    let mut json = 0;
    for n in 0_u32.. {
        let members = [
            ("organization_id", text(format!("org_{n:08}"))),
            ("entry_count", number(f64::from(n))),
            ("total_volume", number(f64::from(n) * 100.0)),
            ("currency", text("USD".into())),
        ];
        // Its JSON, with the digits of two numbers, and what is around all of them.
        json += n.checked_ilog10().map_or(85, |log| 87 + 2 * u64::from(log));
        if json > kib * 1024 - 300 {
            break;
        }
        let fields = members.map(|(name, kind)| (name.to_owned(), Value { kind: Some(kind) }));
        let fields = fields.into_iter().collect();
        checkpoint.organization_summaries.push(Struct { fields });
    }
    checkpoint
}

/// The signature alone, with the hash of what is signed.
struct Raw(RsaKeyPair, SystemRandom);

impl Raw {
    fn new(bits: usize) -> Self {
        let key = rsa::PrivateKey::new(&mut SysRng, bits).unwrap();
        let key = key.to_pkcs1_der().unwrap();
        Self(
            RsaKeyPair::from_der(key.as_bytes()).unwrap(),
            SystemRandom::new(),
        )
    }

    /// CPU time of a signature over the JWS's input, in milliseconds.
    fn cpu_ms(&self, payload: &[u8], count: u64) -> f64 {
        let mut out = vec![0; self.0.public_modulus_len()];
        let input = format!("header.{}", URL_SAFE_NO_PAD.encode(payload));
        let before = cpu_seconds(std::process::id());
        for _ in 0..count {
            let signed = self
                .0
                .sign(&RSA_PSS_SHA256, &self.1, input.as_bytes(), &mut out);
            signed.unwrap();
        }
        (cpu_seconds(std::process::id()) - before) * 1000.0 / count as f64
    }
}
