//! A secret that is not written as it should be is told of in the log: once for each version, not with every refresh.

use serde_json::Value;

use crate::log::Log;
use crate::support::{TestService, key_of, versions};

/// The warnings so far.
fn told(log: &Log) -> Vec<Value> {
    let lines = log.lines().into_iter();
    let about = |line: &Value| line["message"] == "the secret is not written as it should be";
    lines.filter(about).collect()
}

/// A key whose PEM was changed by a shell or an editor.
fn odd(year: i32, change: impl Fn(&str) -> String) -> String {
    let mut document: Value = serde_json::from_str(&key_of(year)).unwrap();
    document["private_key"] = change(document["private_key"].as_str().unwrap()).into();
    document.to_string()
}

#[tokio::test]
async fn what_is_odd_is_logged_once_for_each_version() {
    let (log, _guard) = Log::collect();
    let escaped = odd(2025, |pem| pem.replace('\n', "\\n"));
    let mut service = TestService::with(&escaped, "2025-06-01").await;
    let lines = told(&log);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    assert_eq!(
        (&line["level"], &line["key_id"], &line["labels"]),
        (&"WARN".into(), &"key-2025".into(), &"AWSCURRENT".into())
    );
    let warning = line["warning"].as_str().unwrap();
    assert!(
        warning.starts_with("private_key: was read") && warning.contains("escaped twice"),
        "{warning}"
    );

    // Read again and again, and beside another version.
    service.use_keys(&escaped).await.unwrap();
    let both = versions(&[(&escaped, "AWSPREVIOUS"), (&key_of(2026), "AWSCURRENT")]);
    service.use_keys(&both).await.unwrap();
    service.use_keys("{").await.unwrap_err();
    service.use_keys(&both).await.unwrap();
    assert_eq!(told(&log).len(), 1);

    // Another version, and another oddity of the same one.
    let wide = odd(2026, |pem| pem.replace('\n', " "));
    let both = versions(&[(&escaped, "AWSPREVIOUS"), (&wide, "AWSCURRENT")]);
    service.use_keys(&both).await.unwrap();
    assert_eq!(told(&log).len(), 2);
    assert_eq!(told(&log)[1]["key_id"], "key-2026");
    let one_line = odd(2025, |pem| pem.replace('\n', ""));
    let both = versions(&[(&one_line, "AWSPREVIOUS"), (&wide, "AWSCURRENT")]);
    service.use_keys(&both).await.unwrap();
    assert_eq!(told(&log).len(), 3);

    // As it should be.
    service.use_keys(&key_of(2025)).await.unwrap();
    assert_eq!(told(&log).len(), 3);
}

#[tokio::test]
async fn a_file_in_utf_16_signs_and_is_told_of() {
    let (log, _guard) = Log::collect();
    let service = TestService::with(&key_of(2025), "2025-06-01").await;
    assert!(told(&log).is_empty());
    let utf16 = format!("\u{feff}{}", key_of(2026));
    let utf16: Vec<u8> = utf16.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = |name| service.folder.path().join(name);
    std::fs::write(path("keys.new"), utf16).unwrap();
    std::fs::rename(path("keys.new"), path("keys.json")).unwrap();
    crate::wait::until("the new file to be read", async || !told(&log).is_empty()).await;
    let warning = told(&log).remove(0);
    assert_eq!(warning["key_id"], "key-2026");
    assert!(
        warning["warning"]
            .as_str()
            .unwrap()
            .starts_with("secret: was read"),
        "{warning}"
    );
}
