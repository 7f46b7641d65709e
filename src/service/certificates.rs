//! Warns before the certificates end with which the service is reached: once at each threshold, for each file; and shows when they end.
//!
//! A certificate that has ended stops everybody at once, on all replicas: no retry and no other replica helps.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::grpc::access::{Access, CertificateEnd};
use crate::telemetry::Metrics;
use checkpoint::key::instant_text;

/// Days before the end, the tightest first.
const WARN_DAYS: [i64; 5] = [1, 3, 7, 14, 30];

/// How near the end is. The nearer, the less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Ended,
    /// The tightest of [`WARN_DAYS`] that was passed.
    Within(i64),
    Far,
}

impl Nearness {
    fn of(until: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        if until <= now {
            return Self::Ended;
        }
        let passed = |days: &&i64| until - now <= TimeDelta::days(**days);
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
    loop {
        let (ends, now) = (access.certificate_ends(), clock.now());
        for end in &ends {
            metrics.show_certificate(end.file, end.until);
            let found = Nearness::of(end.until, now);
            // One that was renewed begins anew.
            let before = told.insert(end.file, found).unwrap_or(Nearness::Far);
            if found < before {
                tell(found, end, now);
            }
        }
        let next = next_crossing(&ends, now);
        tokio::select! {
            () = access.changed() => {}
            () = clock.sleep_until(next.unwrap_or_default()), if next.is_some() => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// When something is to be told that is not told now.
fn next_crossing(ends: &[CertificateEnd], now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let crossings = ends.iter().flat_map(|end| {
        let days = WARN_DAYS.iter().chain(&[0]);
        days.map(|days| end.until - TimeDelta::days(*days))
    });
    crossings.filter(|instant| *instant > now).min()
}

fn tell(found: Nearness, end: &CertificateEnd, now: DateTime<Utc>) {
    let (file, path) = (end.file, end.path.display());
    let until = instant_text(end.until);
    match found {
        Nearness::Within(days) => {
            let seconds_left = (end.until - now).num_seconds();
            tracing::warn!(
                file,
                %path,
                within_days = days,
                until,
                seconds_left,
                "a certificate ends soon: renew it and replace the file, which is read again by itself"
            );
        }
        _ => tracing::error!(
            file,
            %path,
            until,
            "a certificate has ended: nobody who checks it can call; renew it and replace the file, which is read again by itself"
        ),
    }
}
