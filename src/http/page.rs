//! The page for auditors: one HTML file that works as it is, saved and opened without a network.
//!
//! Its style and its script stand in it, since a browser loads no module from beside a saved page. The policy allows
//! exactly these two, by their hashes, in the page itself and as a header.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::representation::{KEYS_KEPT, Keep, Representation};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// The script, in the order in which its modules need one another. What verifies is the npm package's, whose first user the page is.
const MODULES: [&str; 12] = [
    include_str!("../../clients/javascript/src/visible.js"),
    include_str!("../../clients/javascript/src/json.js"),
    include_str!("../../clients/javascript/src/checkpoint.js"),
    include_str!("../../clients/javascript/src/keyring.js"),
    include_str!("../../clients/javascript/src/verify.js"),
    include_str!("../../clients/javascript/src/together.js"),
    include_str!("../../clients/javascript/src/input.js"),
    include_str!("page/words.js"),
    include_str!("page/rings.js"),
    include_str!("page/timeline.js"),
    include_str!("page/results.js"),
    include_str!("page/app.js"),
];

struct HtmlPage {
    html: Bytes,
    policy: Option<HeaderValue>,
}

static PAGE: LazyLock<HtmlPage> = LazyLock::new(|| {
    let script: String = MODULES
        .iter()
        .map(|module| without_imports(module))
        .collect();
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&script),
        hash(STYLE)
    );
    let html = HTML
        .replace("{{policy}}", &policy)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", &script);
    HtmlPage {
        html: html.into(),
        // A meta element may not say who frames the page (CSP 3, section 3.3).
        policy: HeaderValue::from_str(&format!("{policy}; frame-ancestors 'none'")).ok(),
    }
});

/// `GET /`
pub(super) async fn page() -> impl IntoResponse {
    let mut response = Representation {
        content_type: "text/html; charset=utf-8",
        keep: Keep::For(KEYS_KEPT),
        body: PAGE.html.clone(),
    }
    .into_response();
    if let Some(policy) = &PAGE.policy {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

/// Several modules as one: what they import from one another is in the same scope then.
fn without_imports(module: &str) -> String {
    let mut joined = String::with_capacity(module.len());
    for line in module.lines() {
        if !line.starts_with("import ") {
            joined.push_str(line.strip_prefix("export ").unwrap_or(line));
            joined.push('\n');
        }
    }
    joined
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}
