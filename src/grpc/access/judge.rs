//! Whether a caller may (still) do what it does.
//!
//! Attack: whoever lost a role goes on in a stream that is open. Shown by `tests/access/streams.rs`
//! (`a_role_that_is_taken_away_ends_in_streams_that_are_open`).

use std::sync::Arc;

use tonic::Status;

use super::peer::BELIEVED;
use super::{Access, Caller, Peer, Rpc};
use crate::audit::{self, Asked};
use crate::grpc::status;
use crate::telemetry::Metrics;
use checkpoint::reason::Reason;

/// Judges one call, as often as it is asked.
#[derive(Clone)]
pub(in crate::grpc) struct Judge {
    pub(in crate::grpc) peer: Arc<Peer>,
    pub(in crate::grpc) access: Access,
    pub(in crate::grpc) rpc: &'static Rpc,
    pub(in crate::grpc) metrics: Arc<Metrics>,
    pub(in crate::grpc) request_id: Arc<str>,
}

impl Judge {
    /// The caller, by what is in force now. That a caller may not is counted, and told to the audit log.
    ///
    /// # Errors
    /// Its certificate is not accepted any more, or it does not have the role.
    pub(in crate::grpc) fn judge(&self) -> Result<Arc<Caller>, Status> {
        let caller = self.peer.caller(&self.access).map_err(|error| {
            self.turned_away(self.peer.counted_as(), Reason::CertificateRefused);
            status::not_let_in(&error.to_string())
        })?;
        match self.rpc.need.is_met_by(&caller) {
            true => Ok(caller),
            false => {
                self.turned_away(caller.name(), Reason::RoleRequired);
                let roles = self.rpc.need.to_string();
                let (name, is_named) = (caller.name(), caller.is_named());
                Err(status::role_required(name, is_named, &roles))
            }
        }
    }

    /// Under which name the connection of the call is counted.
    pub(in crate::grpc) fn connection(&self) -> &Arc<str> {
        self.peer.connection()
    }

    /// A request to sign was not read. That is counted, and told to the audit log.
    pub(in crate::grpc) fn unread(&self, reason: Reason) {
        self.turned_away(self.peer.counted_as(), reason);
    }

    fn turned_away(&self, who: &str, reason: Reason) {
        self.metrics.turned_away(reason);
        let asked = Asked {
            who,
            request_id: &self.request_id,
        };
        audit::turned_away(asked, self.rpc.path, reason.as_str());
    }

    /// Waits until the caller may not go on.
    pub(in crate::grpc) async fn until_turned_away(mut self) -> Status {
        loop {
            if let Err(status) = self.judge() {
                return status;
            }
            // A certificate that has expired changes no file.
            tokio::select! {
                () = self.access.changed() => {}
                () = tokio::time::sleep(BELIEVED) => {}
            }
        }
    }
}
