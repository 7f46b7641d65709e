//! The flag of services that lets a filter of the log take their warnings away.

use clap::Args;

use crate::telemetry::{self, OwnWarnings};

#[derive(Args)]
pub(super) struct LogArgs {
    /// Let --log-level leave out this program's warnings and errors, which are written whatever it says otherwise. The audit
    /// log is written all the same
    #[arg(long, env = "CHECKPOINT_SIGNER_SILENCE_WARNINGS")]
    silence_warnings: bool,
}

impl LogArgs {
    pub(super) fn warnings(&self) -> OwnWarnings {
        match self.silence_warnings {
            true => OwnWarnings::AsFiltered,
            false => OwnWarnings::Always,
        }
    }
}

/// Who asked for less than is written is told why there is more.
pub(super) fn tell_of_kept(filter: &str, warnings: OwnWarnings) {
    if warnings == OwnWarnings::Always && telemetry::leaves_out_warnings(filter) {
        tracing::warn!(
            filter,
            "--log-level leaves out warnings of this program, which are written all the same; --silence-warnings leaves them out"
        );
    }
}
