//! Tells how the certificates stand with which the service is reached: that one is not valid yet, that one ends soon, once at each
//! threshold, that it has ended; and shows from when until when they are valid.
//!
//! A certificate that is not valid stops everybody at once, on all replicas: no retry and no other replica helps. An authority
//! that has ended beside one that has not stops nobody whom the other one vouches for; its own are not let in any more.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::grpc::access::Access;
use crate::telemetry::Metrics;
use crate::x509::{Certificate, Certificates, Standing};
use checkpoint::key::instant_text;

/// Days before the end, the tightest first.
const WARN_DAYS: [i64; 5] = [1, 3, 7, 14, 30];

/// How near the end is. The nearer, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    NotYet,
    Ended,
    /// The tightest of [`WARN_DAYS`] that was passed.
    Within(i64),
    Far,
}

impl Nearness {
    fn of(certificate: &Certificate, now: DateTime<Utc>) -> Self {
        match certificate.standing(now) {
            Standing::NotYet => return Self::NotYet,
            Standing::Ended => return Self::Ended,
            Standing::Valid => {}
        }
        let passed = |days: &&i64| certificate.until - now <= TimeDelta::days(**days);
        let tightest = WARN_DAYS.iter().find(passed);
        tightest.map_or(Self::Far, |days| Self::Within(*days))
    }
}

/// Logs and shows, until the service ends.
pub(super) async fn watch(
    mut access: Access,
    metrics: Arc<Metrics>,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let mut told: HashMap<&str, Nearness> = HashMap::new();
    let mut noted: BTreeSet<(&str, String)> = BTreeSet::new();
    loop {
        let (files, now) = (access.certificates_in_force(), clock.now());
        for file in &files {
            let certificate = file.deciding(now);
            metrics.show_certificate(file.file, certificate.from, certificate.until);
            let found = Nearness::of(certificate, now);
            // One that was renewed begins anew.
            let before = told.insert(file.file, found).unwrap_or(Nearness::Far);
            if found < before {
                tell(found, file, certificate, now);
            }
        }
        let notes = files.iter().flat_map(|file| {
            let notes = file.notes(now).into_iter();
            notes.map(|note| (file.file, note))
        });
        let notes: BTreeSet<_> = notes.collect();
        for (file, note) in notes.difference(&noted) {
            tracing::info!(
                file,
                note,
                "an authority beside others that are valid is not: those who come by it are not let in, and nobody else is concerned; take it out of the file"
            );
        }
        noted = notes;
        let next = next_crossing(&files, now);
        tokio::select! {
            () = access.changed() => {}
            () = clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// When something is to be told that is not told now.
fn next_crossing(files: &[Certificates], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let certificates = files.iter().flat_map(Certificates::all);
    let crossings = certificates.flat_map(|certificate| {
        let days = WARN_DAYS.iter().chain(&[0]);
        let ends = days.map(|days| certificate.until - TimeDelta::days(*days));
        ends.chain([certificate.from])
    });
    crossings.filter(|instant| *instant > now).min()
}

fn tell(found: Nearness, file: &Certificates, certificate: &Certificate, now: DateTime<Utc>) {
    let judges = file.judges();
    let (file, path, subject) = (file.file, file.path.display(), &certificate.subject);
    let (from, until) = (
        instant_text(certificate.from),
        instant_text(certificate.until),
    );
    match found {
        Nearness::Far => {}
        Nearness::Within(days) => {
            let seconds_left = (certificate.until - now).num_seconds();
            tracing::warn!(
                file,
                %path,
                subject,
                within_days = days,
                until,
                seconds_left,
                "a certificate ends soon: renew it and replace the file, which is read again by itself"
            );
        }
        Nearness::Ended if judges => tracing::error!(
            file,
            %path,
            subject,
            until,
            "a certificate has ended, that of all authorities of a file: nobody who comes by them is let in; renew them and replace the file, which is read again \
             by itself"
        ),
        Nearness::Ended => tracing::error!(
            file,
            %path,
            subject,
            until,
            "a certificate has ended: nobody who checks it can call; renew it and replace the file, which is read again by itself"
        ),
        Nearness::NotYet if judges => tracing::error!(
            file,
            %path,
            subject,
            from,
            until,
            "no authority of a file is valid yet: nobody who comes by them is let in before; replace the file, which is read again by \
             itself, or set the clock of this machine if that is behind"
        ),
        Nearness::NotYet => tracing::error!(
            file,
            %path,
            subject,
            from,
            until,
            "a certificate is not valid yet: nobody who checks it can call before; replace the file by one that is, which is read by \
             itself, or set the clock of this machine if that is behind"
        ),
    }
}
