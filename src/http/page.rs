//! The page for auditors: one HTML file that works as it is, saved and opened without a network.
//!
//! Its style and its script stand in it, since a browser loads no module from beside a saved page. The policy allows
//! exactly these two, by their hashes, in the page itself and as a header.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::representation::{KEYS_KEPT, Keep, Representation};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/style.css");

/// Every word of the page, by its name in every language.
const WORDS: &str = include_str!("page/words.json");

/// The language of the document as it is served; the script puts the reader's in its place.
const FIRST_LANGUAGE: &str = "en";

/// The script, in the order in which its modules need one another. What verifies is the npm package's, whose first user the page is.
const MODULES: [&str; 15] = [
    include_str!("../../clients/javascript/src/visible.js"),
    include_str!("../../clients/javascript/src/json.js"),
    include_str!("../../clients/javascript/src/checkpoint.js"),
    include_str!("../../clients/javascript/src/keyring.js"),
    include_str!("../../clients/javascript/src/verify.js"),
    include_str!("../../clients/javascript/src/together.js"),
    include_str!("../../clients/javascript/src/foreign.js"),
    include_str!("../../clients/javascript/src/input.js"),
    include_str!("page/language.js"),
    include_str!("page/money.js"),
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
    let mut script = format!("const TABLE = {};\n", WORDS.trim_end());
    script.extend(MODULES.iter().map(|module| without_imports(module)));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&script),
        hash(STYLE)
    );
    let html = with_words(HTML)
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

/// The document with the words that it names, `{{NAME}}` in the first language and `{{NAME:LANGUAGE}}` in another.
fn with_words(html: &str) -> String {
    let words: BTreeMap<&str, Value> = serde_json::from_str(WORDS).unwrap_or_default();
    let mut filled = html.to_owned();
    for (name, languages) in &words {
        for (language, text) in languages.as_object().into_iter().flatten() {
            let Some(text) = text.as_str() else { continue };
            let place = match language.as_str() {
                FIRST_LANGUAGE => format!("{{{{{name}}}}}"),
                _ => format!("{{{{{name}:{language}}}}}"),
            };
            filled = filled.replace(&place, &markup(text));
        }
    }
    filled
}

/// A word's text as HTML: `code` between backticks, `[text](address)` a link, as the script reads it.
fn markup(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => html.push_str(&links(part)),
            _ => html.push_str(&format!("<code>{part}</code>")),
        }
    }
    html
}

fn links(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('[') {
        let link = from.split_once("](").and_then(|(name, tail)| {
            let (address, after) = tail.split_once(')')?;
            Some((name, address, after))
        });
        let Some((name, address, after)) = link else {
            break;
        };
        html.push_str(&format!("{before}<a href=\"{address}\">{name}</a>"));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}
