//! The log's lines, as the real formatter writes them.

use std::io::Write;
use std::sync::{Arc, Mutex};

use checkpoint_signer::telemetry::JsonLines;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

/// What was logged by this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Collects what this thread logs until the guard goes.
    pub fn collect() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let layer = JsonLines::new(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(layer);
        let subscriber = subscriber.with(tracing::level_filters::LevelFilter::INFO);
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines, parsed; each must be JSON.
    pub fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn a_line_has_the_members_of_every_line_and_the_fields_beside_them() {
    let (log, _guard) = Log::collect();
    tracing::warn!(target: "somewhere", count = 3u64, is_so = true, text = "a \"b\"\n", level = "x", "it happened");
    let mut line = log.lines().remove(0);
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(timestamp.as_str().unwrap()).is_ok());
    assert_eq!(
        line,
        json!({ "level": "WARN", "logger": "somewhere", "message": "it happened", "count": 3, "is_so": true,
            "text": "a \"b\"\n", "level_": "x" })
    );
}

#[test]
fn an_event_of_a_call_has_its_request_id_once() {
    let (log, _guard) = Log::collect();
    let call = tracing::error_span!("call", request_id = "night-7", rpc = "/x");
    call.in_scope(|| {
        tracing::info!("one");
        tracing::info!(request_id = "item-1", "two");
        tracing::info_span!("inner").in_scope(|| tracing::info!("three"));
    });
    tracing::info!("four");
    let lines = log.lines();
    let ids: Vec<&Value> = lines.iter().map(|line| &line["request_id"]).collect();
    assert_eq!(
        ids,
        [
            &json!("night-7"),
            &json!("item-1"),
            &json!("night-7"),
            &Value::Null
        ]
    );
    assert!(lines.iter().all(|line| line.get("rpc").is_none()));
}
