//! What the public finds after some years: keys of 2023 to 2027, each endorsed by the one before, and checkpoints of each
//! kind. The clock stands in June 2026.

use std::path::PathBuf;
use std::sync::LazyLock;

use checkpoint::checkpoint::Checkpoint;
use checkpoint::jws::SignedCheckpoint;
use checkpoint::key::{Algorithm, ValidityWindow};
use checkpoint::signing::{KeySecret, SigningKey};
use checkpoint_signer::wire::proto::RevokeKeyRequest;
use serde_json::{Value, json};

use crate::support::{TestService, at, checkpoint, versions, wire};

pub const NOW: &str = "2026-06-01T12:00:00Z";

/// Secret documents of the keys of 2023 to 2027. That of 2025 is for RS256.
pub static DOCUMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut documents: Vec<String> = Vec::new();
    for year in 2023..=2027 {
        let january = |year| at(&format!("{year}-01-01"));
        let window = ValidityWindow::new(january(year), january(year + 1)).unwrap();
        let before = documents.last().map(|text| signing_key(text));
        let december = at(&format!("{}-12-01", year - 1));
        let endorser = before.as_ref().map(|key| key.open_at(december).unwrap());
        let algorithm = match year {
            2025 => Algorithm::Rs256,
            _ => Algorithm::Ps256,
        };
        let key_id = format!("amply-checkpoint-key-{year}").parse().unwrap();
        let made = KeySecret::generate(key_id, window, algorithm, 2048, endorser.as_ref());
        documents.push(made.unwrap().0.to_string());
    }
    documents
});

pub fn signing_key(document: &str) -> SigningKey {
    KeySecret::parse(document, None).unwrap().into_signing_key()
}

/// Signs outside of any service.
pub fn signed_by(key: &SigningKey, instant: &str, content: &serde_json::Value) -> String {
    let checkpoint = Checkpoint::from_json(content.to_string().as_bytes()).unwrap();
    let jws = key.open_at(at(instant)).unwrap();
    let jws = jws.sign(checkpoint.payload()).unwrap();
    SignedCheckpoint { checkpoint, jws }.published_json()
}

pub fn content(id: &str) -> serde_json::Value {
    json!({
        "checkpoint_id": id,
        "ledger_id": "org_1",
        "timestamp": "2026-05-31T23:59:59Z",
        "cumulative_hash": format!("sha256:{}", "0a".repeat(32)),
        "entry_count": 15842,
        "total_volume": -284_729_340_i64,
        "organization_summaries": [{"name": "Hilfe für Kinder e.V."}],
    })
}

/// What an organisation's ledger publishes, with names and money in it.
fn with_money(total_volume: i64) -> serde_json::Value {
    json!({
        "checkpoint_id": "chk_2026-05-31",
        "ledger_id": "org_xyz789",
        "timestamp": "2026-05-31T23:59:59Z",
        "cumulative_hash": format!("sha256:{}", "0b".repeat(32)),
        "entry_count": 15842,
        "total_volume": total_volume,
        "organization_summaries": [
            {"organization_id": "org_xyz789", "name": "Hilfe für Kinder e.V.", "entry_count": 15000, "total_volume": total_volume - 100_000, "currency": "EUR"},
            {"organization_id": "org_abc123", "name": "Wasser & Brot \u{202e}gGmbH", "entry_count": 842, "total_volume": 100_000, "currency": "EUR"},
        ],
    })
}

/// A published checkpoint whose signature has another form than `header..signature`, by name. In the first, what was signed stands
/// between the dots, and another sum beside it: some JOSE libraries verify that payload, and never look at the one that they are given.
pub fn not_detached(published: &str) -> [(&'static str, String); 4] {
    use base64::Engine as _;
    let signed = SignedCheckpoint::from_published_json(published.as_bytes()).unwrap();
    let payload = signed.checkpoint.payload().as_bytes();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
    let compact = signed.jws.compact();
    let (header, signature) = compact.split_once("..").unwrap();
    let with = |signature: String, total_volume: Option<i64>| {
        let mut object: Value = serde_json::from_str(published).unwrap();
        object["signature"] = signature.into();
        if let Some(total_volume) = total_volume {
            object["total_volume"] = total_volume.into();
        }
        object.to_string()
    };
    [
        (
            "attached",
            with(format!("{header}.{payload}.{signature}"), Some(1)),
        ),
        (
            "attached, of the same",
            with(format!("{header}.{payload}.{signature}"), None),
        ),
        ("four parts", with(format!("{compact}.{signature}"), None)),
        ("two parts", with(format!("{header}.{signature}"), None)),
    ]
}

/// A published checkpoint in forms that readers of JSON and of base64url forgive, and the program does not: one publication, one form.
pub fn forgiven(published: &str) -> Vec<(&'static str, String)> {
    let published = published.trim_end();
    let mut object: Value = serde_json::from_str(published).unwrap();
    let signature = object["signature"].as_str().unwrap().to_owned();
    let standard = signature.replace('-', "+").replace('_', "/");
    let mut forms = vec![("a byte order mark", format!("\u{feff}{published}"))];
    for (form, text) in [
        ("padding", format!("{signature}==")),
        ("a newline at the end", format!("{signature}\n")),
        ("a space at the end", format!("{signature} ")),
        ("a newline within", signature.replacen("..", "..\n", 1)),
        (
            "a newline in the header",
            signature.replacen("..", "\n..", 1),
        ),
        ("the other alphabet", standard),
    ] {
        // Few signatures have neither of the two characters.
        if text != signature {
            object["signature"] = text.into();
            forms.push((form, object.to_string()));
        }
    }
    forms
}

/// A service that published all this, and the files that an auditor has.
pub struct Publication {
    pub service: TestService,
}

impl Publication {
    pub async fn new() -> Self {
        let keys = |number: usize, stage| (DOCUMENTS[number].as_str(), stage);
        let first = versions(&[keys(0, "AWSCURRENT")]);
        let mut service = TestService::with(&first, "2023-06-01").await;
        let mut history = 0;
        let mut published = Vec::new();
        for (number, instant) in [
            (0, "2023-06-01T00:05:00Z"),
            (0, "2023-08-01T00:05:00Z"),
            (1, "2024-06-01T00:05:00Z"),
            (2, "2025-06-01T00:05:00Z"),
            (3, NOW),
        ] {
            service.clock.set(at(instant));
            let current = versions(&[keys(number, "AWSCURRENT")]);
            service.use_keys(&current).await.unwrap();
            history += 5_281;
            let id = format!("chk_{}", &instant[..10]);
            let mut asked = checkpoint(&id, history, &id);
            asked.timestamp = Some(wire(at(instant)));
            asked.total_volume = 284_729 * i64::try_from(history).unwrap();
            published.push(service.sign(asked).await.unwrap().published_json);
        }
        let both = versions(&[keys(4, "AWSCURRENT"), keys(3, "AWSPREVIOUS")]);
        service.use_keys(&both).await.unwrap();
        let revoke = RevokeKeyRequest {
            key_id: "amply-checkpoint-key-2023".into(),
            distrust_after: Some(wire(at("2023-07-01"))),
            reason: "found on a lost laptop".into(),
        };
        service.keys.revoke_key(revoke).await.unwrap();
        let publication = Self { service };
        let stranger = crate::support::key_with("stranger", "2026-01-01", "2027-01-01", 0);
        let stranger = signed_by(&signing_key(&stranger), NOW, &content("chk_stranger"));
        let key_2026 = signing_key(&DOCUMENTS[3]);
        let [money, other] = [284_729_340, -12_345]
            .map(|total| signed_by(&key_2026, "2026-06-01T00:05:00Z", &with_money(total)));
        let digit = |text: &str| text.replacen("\"entry_count\":2640", "\"entry_count\":2641", 1);
        let tampered = digit(&published[4]);
        assert_ne!(tampered, published[4], "it has this count");
        let twice = published[4].replacen('{', "{\"total_volume\":1,", 1);
        let files = [
            ("before-revocation.json", published[0].clone()),
            ("revoked.json", published[1].clone()),
            ("expired.json", published[2].clone()),
            ("rs256.json", published[3].clone()),
            ("valid.json", published[4].clone()),
            ("tampered.json", tampered),
            ("unknown.json", stranger),
            ("twice.json", twice),
            ("garbage.txt", "Dear Sir or Madam, \u{feff}{\"a\":".into()),
            ("contradiction.ndjson", format!("{money}\n{other}\n")),
            ("money.json", money),
            ("many.ndjson", published.join("\n")),
            (
                "array.json",
                format!("[\n  {}\n]\n", published.join(",\n  ")),
            ),
            ("keyring.json", publication.fetch("/.well-known/jwks.json")),
            ("saved.html", publication.fetch("/")),
        ];
        for (name, text) in files {
            std::fs::write(publication.path(name), text).unwrap();
        }
        publication
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.service.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn fetch(&self, path: &str) -> String {
        let answer = crate::client::get(&self.service.http(), path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }
}
