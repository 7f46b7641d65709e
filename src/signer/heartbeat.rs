//! Asks the record all the time what others changed: their keys and revocations, the newest time, the store's clock. What a
//! replica publishes and says of its health rests on it, so that it is true within a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::record::{Pulse, Record, RecordError};
use crate::timekeeping::{Timekeeper, uptime};

/// How often: what one replica brings must be in the keyring of every other within a second.
const EVERY: Duration = Duration::from_millis(400);

/// What the record last answered; none before its first answer.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// The newest answer.
    pub pulse: Option<Pulse>,
    /// Why it does not answer now.
    pub fault: Option<RecordError>,
}

/// Starts to ask; ends when nobody listens any more.
pub(super) async fn start(record: Arc<dyn Record>, time: Arc<Timekeeper>) -> watch::Receiver<Beat> {
    let (publisher, beats) = watch::channel(Beat::default());
    take(record.as_ref(), &time, &publisher).await;
    tokio::spawn(async move {
        while !publisher.is_closed() {
            tokio::time::sleep(EVERY).await;
            take(record.as_ref(), &time, &publisher).await;
        }
    });
    beats
}

async fn take(record: &dyn Record, time: &Timekeeper, publisher: &watch::Sender<Beat>) {
    let asked = uptime();
    let answer = record.pulse().await;
    publisher.send_modify(|beat| match answer {
        Ok(pulse) => {
            time.note_store(pulse.store_clock, asked);
            beat.pulse = Some(pulse);
            beat.fault = None;
        }
        Err(error) => beat.fault = Some(error),
    });
}
