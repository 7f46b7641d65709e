//! Members that a document should have, and has not, or under another name: what to do.

use serde_json::value::RawValue;

use super::json::{Members, may_be_key};

/// A key as an array of its lines.
pub(super) const LINES: &str = "is an array, not a string that PEM may be; expected PEM: `jq '.private_key |= join(\"\\n\")' \
                                secret.json > mended.json`";

/// Longest name that a command repeats.
const MAX_NAME: usize = 40;

/// The member, or a sentence on what stands there instead, and the command that mends it.
pub(super) fn required<'a>(members: &Members<'a>, name: &str) -> Result<&'a RawValue, String> {
    if let Some(member) = members.get(name) {
        return Ok(member);
    }
    let expected = match name {
        "private_key" => "an RSA private key as PEM",
        _ => "a string",
    };
    if name == "private_key" && members.names().any(|name| name.contains("PRIVATE KEY")) {
        return Err(format!(
            "is missing; expected {expected}, which stands in the name of a member: `jq '{{private_key: keys_unsorted[0], {}}}' \
             secret.json > mended.json`, with its own name and window",
            examples()
        ));
    }
    if let Some(other) = members.names().find(|other| is_meant(other, name)) {
        return Err(format!(
            "is missing; expected {expected}, which stands under another name, {other:?}: `jq '.{name} = .[{other:?}] | \
             del(.[{other:?}])' secret.json > mended.json`"
        ));
    }
    let value = match name {
        "private_key" => {
            return Err(format!(
                "is missing; expected {expected}: `jq --rawfile pem rsa.pem '.private_key = $pem' secret.json > mended.json`"
            ));
        }
        _ => example(name),
    };
    Err(format!(
        "is missing; expected {expected}, for example: `jq '.{name} = {value:?}' secret.json > mended.json`"
    ))
}

fn example(name: &str) -> &'static str {
    match name {
        "key_id" => "amply-checkpoint-key-2027",
        "valid_from" => "2027-01-01",
        _ => "2028-01-01",
    }
}

fn examples() -> String {
    let members = ["key_id", "valid_from", "valid_until"];
    let members = members.map(|name| format!("{name}: {:?}", example(name)));
    members.join(", ")
}

/// Whether a member is the one of this name, written as other programs write names.
fn is_meant(found: &str, name: &str) -> bool {
    let letters = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    if found.len() > MAX_NAME || may_be_key(found) || found.chars().any(char::is_control) {
        return false;
    }
    // A shell would end the command there.
    if found.contains(['\'', '`', '"', '\\']) {
        return false;
    }
    let (found, wanted) = (letters(found), letters(name));
    let others: &[&str] = match name {
        "private_key" => &[
            "pem",
            "rsaprivatekey",
            "privatekeypem",
            "jwtprivatekey",
            "privkey",
        ],
        "key_id" => &["kid"],
        "valid_from" => &["notbefore", "nbf"],
        _ => &["notafter", "exp"],
    };
    found == wanted || others.contains(&found.as_str())
}
