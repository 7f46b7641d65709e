//! The endpoints: what they give, how it may be kept, and what they say when something is wrong.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use checkpoint::key::KeyId;
use checkpoint::keyring::Keyring;
use serde_json::json;

use crate::client::{Answer, get, post_json, request};
use crate::publication::Publication;
use crate::support::{TestService, at, checkpoint, key_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_published_checkpoint_is_given_byte_for_byte_and_may_be_kept_for_ever() {
    let publication = Publication::new().await;
    let answer = get(
        &publication.service.http(),
        "/v1/checkpoints/org_1/chk_2024-06-01",
    );
    assert_eq!(answer.body, publication.read("expired.json"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_with_their_states_and_one_by_one() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    let keys = get(&http, "/v1/keys").json();
    assert_eq!(keys["signing"], "amply-checkpoint-key-2026");
    let states = keys["keys"].as_array().unwrap().iter();
    let states: Vec<_> = states.map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(
        states,
        ["SCHEDULED", "ACTIVE", "RETIRED", "RETIRED", "REVOKED"]
    );
    let one = get(&http, "/v1/keys/amply-checkpoint-key-2023");
    assert_eq!(one.json(), keys["keys"][4]);
    assert_eq!(
        one.json()["distrusted"],
        json!({"from": "2023-07-01T00:00:00Z", "reason": "found on a lost laptop"})
    );
    let set = json!({"keys": [one.json()["jwk"]]}).to_string();
    assert_eq!(
        Keyring::from_jwks(set.as_bytes()).unwrap().entries().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_the_time_is_not_kept_beyond_the_next_change() {
    let service = TestService::with(&key_of(2025), "2025-12-31T23:59:00Z").await;
    let answer = get(&service.http(), "/v1/keys");
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    let jwks = get(&service.http(), "/.well-known/jwks.json");
    assert_eq!(jwks.header("cache-control"), "public, max-age=300");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_and_filtered() {
    let mut service = TestService::new().await;
    for number in 1..=230 {
        let mut asked = checkpoint(&format!("chk_{number}"), number, "a");
        asked.ledger_id = format!("org_{}", number % 2);
        service.sign(asked).await.unwrap();
    }
    let http = service.http();
    let mut path = "/v1/checkpoints?ledger=org_1&from=2025-06-01".to_owned();
    let (mut ids, mut pages) = (Vec::new(), Vec::new());
    let token = loop {
        let page = get(&http, &path).json();
        let checkpoints = page["checkpoints"].as_array().unwrap().clone();
        pages.push(checkpoints.len());
        ids.extend(checkpoints.iter().map(|one| one["checkpoint_id"].clone()));
        let Some(token) = page["next_page"].as_str() else {
            break path.rsplit_once('=').unwrap().1.to_owned();
        };
        path = format!("/v1/checkpoints?ledger=org_1&from=2025-06-01&page={token}");
    };
    assert_eq!(pages, [100, 15]);
    let odd = (1..=230).filter(|number| number % 2 == 1);
    let expected: Vec<_> = odd.map(|number| json!(format!("chk_{number}"))).collect();
    assert_eq!(ids, expected);
    let none = get(&http, "/v1/checkpoints?until=2025-06-01").json();
    assert_eq!(none, json!({"checkpoints": []}));
    let other = get(&http, &format!("/v1/checkpoints?ledger=org_0&page={token}"));
    let detail = other.problem(404, "PAGE_NOT_FOUND");
    assert!(detail.starts_with("page: is not of these"), "{detail}");
    let newest = get(&http, "/v1/checkpoints/newest").json();
    assert_eq!(newest["checkpoints"][0]["checkpoint_id"], "chk_230");
    assert_eq!(newest["checkpoints"].as_array().unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_says_whether_the_signature_is_recorded() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    for (name, kind, recorded) in [
        ("valid.json", "VALID", json!(true)),
        ("tampered.json", "INVALID_SIGNATURE", json!(null)),
        ("revoked.json", "KEY_REVOKED", json!(null)),
        ("unknown.json", "UNKNOWN_KEY", json!(null)),
        ("garbage.txt", "MALFORMED", json!(null)),
    ] {
        let verdict = post_json(&http, "/v1/verify", &publication.read(name));
        assert_eq!(verdict.header("cache-control"), "no-store");
        let verdict = verdict.json();
        assert_eq!(verdict["verdict"], kind, "{name}: {verdict}");
        assert_eq!(verdict["recorded"], recorded, "{name}: {verdict}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_has_already_is_not_sent_again() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    for path in [
        "/",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/jwks.jwt",
        "/v1/keys",
        "/v1/keys/amply-checkpoint-key-2026",
        "/v1/checkpoints",
        "/v1/checkpoints/newest",
        "/v1/checkpoints/org_1/chk_2024-06-01",
    ] {
        let first = get(&http, path);
        let etag = first.header("etag");
        assert!(first.status == 200 && etag.len() > 40, "{path}: {etag}");
        for known in [etag, &format!("\"other\", W/{etag}"), "*"] {
            let again = request(&http, "GET", path, &[("If-None-Match", known)], b"");
            assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
            assert_eq!(again.header("etag"), etag, "{path}");
            let kept = again.header("cache-control");
            assert_eq!(kept, first.header("cache-control"), "{path}");
        }
        let other = [("If-None-Match", "\"other\"")];
        assert_eq!(request(&http, "GET", path, &other, b"").status, 200);
        let head = request(&http, "HEAD", path, &[], b"");
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        let length: usize = head.header("content-length").parse().unwrap();
        assert_eq!(length, first.body.len(), "{path}");
    }
}

fn is_protected(answer: &Answer, path: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "cross-origin"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_problems_that_name_the_field_and_what_is_right() {
    let service = TestService::new().await;
    let http = service.http();
    for (path, status, reason, says) in [
        ("/v1/keys/none", 404, "KEY_NOT_FOUND", "no key none"),
        (
            "/v1/keys/a%20b",
            400,
            "INVALID_REQUEST",
            "kid: is \"a b\"; expected letters",
        ),
        ("/v1/keys/%ff", 400, "INVALID_REQUEST", "is not UTF-8"),
        (
            "/v1/checkpoints/org_1/chk",
            404,
            "CHECKPOINT_NOT_FOUND",
            "ledger org_1 has no",
        ),
        (
            "/v1/checkpoints?ledgr=org_1",
            400,
            "INVALID_REQUEST",
            "expected ledger, key, from",
        ),
        (
            "/v1/checkpoints?key=a&key=b",
            400,
            "INVALID_REQUEST",
            "key: stands there twice",
        ),
        (
            "/v1/checkpoints?from=soon&until=later",
            400,
            "INVALID_REQUEST",
            "until: is \"later\"",
        ),
        ("/v1", 404, "NOT_FOUND", "/openapi.json"),
    ] {
        let answer = get(&http, path);
        let detail = answer.problem(status, reason);
        assert!(detail.contains(says), "{path}: {detail}");
        is_protected(&answer, path);
    }
    let both = get(&http, "/v1/checkpoints?from=soon&until=later").json();
    assert_eq!(both["errors"][1]["field"], "until");
    let method = request(&http, "PUT", "/v1/keys", &[], b"");
    method.problem(405, "METHOD_NOT_ALLOWED");
    assert_eq!(method.header("allow"), "GET,HEAD");
    let form = [("Content-Type", "text/plain")];
    request(&http, "POST", "/v1/verify", &form, b"{}").problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let large = " ".repeat(1024 * 1024 + 1);
    post_json(&http, "/v1/verify", &large).problem(413, "TOO_LARGE");
    is_protected(&get(&http, "/"), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_may_read_and_ask_for_verdicts() {
    let service = TestService::new().await;
    let asked = [
        ("Origin", "https://example.org"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let preflight = request(&service.http(), "OPTIONS", "/v1/verify", &asked, b"");
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    let methods = preflight.header("access-control-allow-methods");
    assert!(methods.contains("POST"), "{methods}");
    let headers = preflight.header("access-control-allow-headers");
    assert!(headers.contains("content-type"), "{headers}");
}

fn part(jws: &str, number: usize) -> serde_json::Value {
    let part = jws.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_signed_keyring_is_by_the_key_in_force_and_says_what_the_plain_one_says() {
    let publication = Publication::new().await;
    let http = publication.service.http();
    let answer = get(&http, "/.well-known/jwks.jwt");
    assert_eq!(answer.header("content-type"), "application/jwk-set+jwt");
    let iat = at(crate::publication::NOW).timestamp();
    assert_eq!(
        part(&answer.body, 0),
        json!({"alg": "PS256", "iat": iat, "kid": "amply-checkpoint-key-2026", "typ": "jwk-set+jwt"})
    );
    let claims = part(&answer.body, 1);
    assert_eq!(claims["iat"], iat);
    assert_eq!(claims["iss"], "https://checkpoints.example.org");
    let plain = get(&http, "/.well-known/jwks.json");
    assert_eq!(claims["keys"], plain.json()["keys"]);
    let keyring = Keyring::from_jwks(plain.body.as_bytes()).unwrap();
    let kid: KeyId = "amply-checkpoint-key-2026".parse().unwrap();
    let key = keyring.get(&kid).unwrap().version();
    let (input, signature) = answer.body.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let checked = key
        .public_key
        .verify_independently(key.algorithm, input.as_bytes(), &signature);
    checked.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyring_is_not_signed_when_no_key_is_in_force() {
    let service = TestService::new().await;
    let http = service.http();
    assert_eq!(get(&http, "/.well-known/jwks.jwt").status, 200);
    service.clock.set(at("2026-01-01"));
    let answer = get(&http, "/.well-known/jwks.jwt");
    let detail = answer.problem(503, "KEY_EXPIRED");
    assert!(detail.contains("which has passed"), "{detail}");
    // Somebody has to do something first.
    assert_eq!(answer.header("retry-after"), "");
}
