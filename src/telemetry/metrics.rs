//! What is counted, for Prometheus: names and labels are the published ones, and change with a line in the changelog only.
//!
//! No label holds what a caller wrote: reasons and kinds are this crate's words, keys are the operator's.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use checkpoint::jws::ProtectedHeader;
use checkpoint::reason::Reason;
use checkpoint::verdict::VerdictKind;

/// Before every name.
const PREFIX: &str = "checkpoint_signer";

/// Upper bounds of latencies in seconds: from a fraction of one RSA signature to what no caller waits for.
const LATENCIES: [f64; 15] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// A number that is asked for when it is shown.
pub(crate) type Shown = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Signed {
    key_id: String,
    algorithm: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByReason {
    reason: &'static str,
}

impl ByReason {
    fn of(reason: Reason) -> Self {
        let reason = reason.as_str();
        Self { reason }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct KeyLabels {
    pub(crate) key_id: String,
    pub(crate) state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DaysLabel {
    pub(crate) days: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FileLabel {
    pub(crate) file: &'static str,
}

/// The labels of a number that is left out while nobody knows it.
type Unlabelled = [(&'static str, &'static str); 0];

/// The numbers of one service.
pub struct Metrics {
    registry: Registry,
    signatures: Family<Signed, Counter>,
    repeats: Counter,
    refusals: Family<ByReason, Counter>,
    calls_refused: Family<ByReason, Counter>,
    verdicts: Family<Kind, Counter>,
    refreshes: Family<Outcome, Counter>,
    conflicts: Counter,
    queue: Histogram,
    rsa: Histogram,
    record: Histogram,
    sign: Histogram,
    pub(crate) gauges: Gauges,
}

/// What is true at the instant at which it is shown; whoever shows it sets it before.
#[derive(Default)]
pub(crate) struct Gauges {
    pub(crate) queue_depth: Shown,
    pub(crate) queue_capacity: Shown,
    pub(crate) signing: Shown,
    pub(crate) window_remaining: Family<KeyLabels, Shown>,
    pub(crate) coverage_remaining: Shown,
    pub(crate) last_window_remaining: Shown,
    pub(crate) coverage_warning: Family<DaysLabel, Shown>,
    pub(crate) source_faults: Shown,
    pub(crate) source_read: Family<Unlabelled, Shown>,
    pub(crate) source_calls: Counter,
    pub(crate) lines_lost: Counter,
    pub(crate) record_rows: Family<Unlabelled, Shown>,
    /// Set when the files are read, and not before they are shown.
    pub(crate) certificate_ends: Family<FileLabel, Shown>,
    pub(crate) certificate_begins: Family<FileLabel, Shown>,
}

impl Default for Metrics {
    fn default() -> Self {
        let latencies = || Histogram::new(LATENCIES);
        let mut metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            signatures: Family::default(),
            repeats: Counter::default(),
            refusals: Family::default(),
            calls_refused: Family::default(),
            verdicts: Family::default(),
            refreshes: Family::default(),
            conflicts: Counter::default(),
            queue: latencies(),
            rsa: latencies(),
            record: latencies(),
            sign: latencies(),
            gauges: Gauges::default(),
        };
        metrics.start_at_zero();
        metrics.register_counts();
        metrics.register_latencies();
        metrics.register_gauges();
        metrics
    }
}

impl Metrics {
    /// A series that begins with its first event is invisible to `increase()`: what is alerted on exists from the start.
    fn start_at_zero(&self) {
        for kind in VerdictKind::ALL {
            drop(self.verdicts.get_or_create(&Kind {
                kind: kind.as_str(),
            }));
        }
        for outcome in [SUCCESS, FAILURE] {
            drop(self.refreshes.get_or_create(&Outcome { outcome }));
        }
        for reason in WATCHED_REASONS {
            drop(self.refusals.get_or_create(&ByReason::of(reason)));
        }
        for reason in GATE_REASONS {
            drop(self.calls_refused.get_or_create(&ByReason::of(reason)));
        }
    }

    fn register_counts(&mut self) {
        let build = Family::<Vec<(&str, &str)>, Shown>::default();
        build
            .get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))])
            .set(1.0);
        let registry = &mut self.registry;
        registry.register("build_info", "The version that runs", build);
        registry.register(
            "signatures",
            "Signatures that were made and recorded",
            self.signatures.clone(),
        );
        registry.register(
            "repeated_answers",
            "Recorded signatures that were given again",
            self.repeats.clone(),
        );
        registry.register(
            "refusals",
            "Checkpoints that were not signed, by the reason that the caller was told",
            self.refusals.clone(),
        );
        registry.register(
            "calls_refused",
            "gRPC calls that were turned away before they were looked at, by the reason",
            self.calls_refused.clone(),
        );
        registry.register(
            "verdicts",
            "Verdicts on published checkpoints, by kind",
            self.verdicts.clone(),
        );
        registry.register(
            "key_refreshes",
            "Readings of the key source, by outcome",
            self.refreshes.clone(),
        );
        registry.register(
            "key_conflicts",
            "Key versions of the source that contradict the record, each time that they are read",
            self.conflicts.clone(),
        );
    }

    fn register_latencies(&mut self) {
        let latencies = [
            (
                "queue",
                "From a checkpoint's submission to the beginning of its RSA signature",
                &self.queue,
            ),
            ("rsa", "One RSA signature", &self.rsa),
            (
                "record",
                "One transaction of the record, of up to 256 signatures",
                &self.record,
            ),
            (
                "sign",
                "From a checkpoint's submission to its answer, recorded or refused",
                &self.sign,
            ),
        ];
        for (name, help, histogram) in latencies {
            self.registry
                .register_with_unit(name, help, Unit::Seconds, histogram.clone());
        }
    }

    fn register_gauges(&mut self) {
        let (registry, gauges) = (&mut self.registry, &self.gauges);
        registry.register(
            "queue_depth",
            "Checkpoints that wait or are worked on",
            gauges.queue_depth.clone(),
        );
        registry.register(
            "queue_capacity",
            "Checkpoints that may wait or be worked on",
            gauges.queue_capacity.clone(),
        );
        registry.register(
            "signing_possible",
            "1 while some key can sign and the record did not go back, 0 otherwise",
            gauges.signing.clone(),
        );
        registry.register_with_unit(
            "key_window_remaining",
            "Time to the end of a key's window; negative after it",
            Unit::Seconds,
            gauges.window_remaining.clone(),
        );
        registry.register_with_unit(
            "signing_coverage_remaining",
            "Time until no loaded key can sign: to the first gap between windows, or the end of the last; 0 when none can",
            Unit::Seconds,
            gauges.coverage_remaining.clone(),
        );
        registry.register_with_unit(
            "last_key_window_remaining",
            "Time to the end of the last window of the loaded keys; 0 when there is none",
            Unit::Seconds,
            gauges.last_window_remaining.clone(),
        );
        registry.register(
            "signing_coverage_warning",
            "1 once no loaded key can sign within so many days",
            gauges.coverage_warning.clone(),
        );
        registry.register(
            "key_source_faults",
            "What was wrong at the last reading of the key source",
            gauges.source_faults.clone(),
        );
        registry.register_with_unit(
            "key_source_last_success_timestamp",
            "When the key source was last read without a fault",
            Unit::Seconds,
            gauges.source_read.clone(),
        );
        registry.register(
            "secrets_manager_calls",
            "Calls to Secrets Manager, retries among them, as of the last reading",
            gauges.source_calls.clone(),
        );
        registry.register(
            "log_lines_lost",
            "Lines that were not logged, since nobody read the log and too many waited",
            gauges.lines_lost.clone(),
        );
        registry.register(
            "record_rows",
            "Signatures in the record; not shown while it cannot be read",
            gauges.record_rows.clone(),
        );
        registry.register_with_unit(
            "certificate_expiration_timestamp",
            "When the first certificate of a file ends with which gRPC is served",
            Unit::Seconds,
            gauges.certificate_ends.clone(),
        );
        registry.register_with_unit(
            "certificate_not_before_timestamp",
            "From when on that certificate is valid",
            Unit::Seconds,
            gauges.certificate_begins.clone(),
        );
    }

    /// A signature is on record.
    pub fn signed(&self, header: &ProtectedHeader) {
        let labels = Signed {
            key_id: header.kid.to_string(),
            algorithm: header.alg.as_str(),
        };
        self.signatures.get_or_create(&labels).inc();
    }

    /// A recorded signature is given again.
    pub(crate) fn repeated(&self) {
        self.repeats.inc();
    }

    /// A checkpoint is not signed. The reason is one of the contract's.
    pub(crate) fn refused(&self, reason: Reason) {
        self.refusals.get_or_create(&ByReason::of(reason)).inc();
    }

    /// A call is turned away at the gate. The reason is one of the contract's.
    pub(crate) fn turned_away(&self, reason: Reason) {
        let turned_away = &self.calls_refused;
        turned_away.get_or_create(&ByReason::of(reason)).inc();
    }

    /// A verdict is given.
    pub(crate) fn judged(&self, kind: VerdictKind) {
        let kind = kind.as_str();
        self.verdicts.get_or_create(&Kind { kind }).inc();
    }

    /// The key source was read.
    pub(crate) fn refreshed(&self, went_well: bool) {
        let outcome = match went_well {
            true => SUCCESS,
            false => FAILURE,
        };
        self.refreshes.get_or_create(&Outcome { outcome }).inc();
    }

    /// A key version of the source contradicts the record.
    pub(crate) fn conflicted(&self) {
        self.conflicts.inc();
    }

    /// How long a checkpoint waited for its RSA signature.
    pub fn waited(&self, time: Duration) {
        self.queue.observe(time.as_secs_f64());
    }

    /// How long an RSA signature took.
    pub fn made_rsa(&self, time: Duration) {
        self.rsa.observe(time.as_secs_f64());
    }

    /// How long a transaction of the record took.
    pub fn committed(&self, time: Duration) {
        self.record.observe(time.as_secs_f64());
    }

    /// How long a checkpoint took in all.
    pub fn answered(&self, time: Duration) {
        self.sign.observe(time.as_secs_f64());
    }

    /// The files of certificates were read.
    pub(crate) fn show_certificate(
        &self,
        file: &'static str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) {
        let Gauges {
            certificate_ends,
            certificate_begins,
            ..
        } = &self.gauges;
        for (gauge, instant) in [(certificate_begins, from), (certificate_ends, until)] {
            let seconds = instant.timestamp() as f64;
            gauge.get_or_create(&FileLabel { file }).set(seconds);
        }
    }

    /// All of them in the text format of OpenMetrics 1.0.
    ///
    /// # Errors
    /// When a metric cannot be written as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

/// Why a call is turned away.
const GATE_REASONS: [Reason; 3] = [
    Reason::CertificateRefused,
    Reason::RoleRequired,
    Reason::TooManyCalls,
];

/// Reasons that somebody must act on.
const WATCHED_REASONS: [Reason; 11] = [
    Reason::Equivocation,
    Reason::Rollback,
    Reason::ClockWentBack,
    Reason::ClockAhead,
    Reason::KeyRevoked,
    Reason::KeyExpired,
    Reason::KeyNotYetValid,
    Reason::NoSigningKey,
    Reason::Overloaded,
    Reason::RecordStoreUnavailable,
    Reason::SignatureFailed,
];
