//! What a text is that is no PEM of a private RSA key.

use super::blocks::{Block, Blocks, End};
use super::refusal::Refusal;

/// Beginnings of what tools write that encrypt.
const CIPHERTEXTS: [(&str, &str); 5] = [
    ("$ANSIBLE_VAULT;", "Ansible Vault"),
    ("ENC[", "sops or eyaml"),
    ("vault:v", "the transit engine of Vault"),
    ("AQICAH", "AWS KMS"),
    ("age-encryption.org/", "age"),
];

/// Values that programs write for none.
const NOTHINGS: [&str; 6] = ["null", "none", "undefined", "nil", "nan", "[object object]"];

/// What a document of PEM with this label is, if it is no private RSA key.
pub(super) fn labelled(label: &str) -> Refusal {
    match label {
        "ENCRYPTED PRIVATE KEY" => Refusal::Encrypted,
        "EC PRIVATE KEY" => Refusal::OtherKey("PEM of \"EC PRIVATE KEY\", an EC key"),
        "EC PARAMETERS" => Refusal::OtherKey("PEM of \"EC PARAMETERS\", a part of an EC key"),
        "DSA PRIVATE KEY" => Refusal::OtherKey("PEM of \"DSA PRIVATE KEY\", a DSA key"),
        "OPENSSH PRIVATE KEY" => Refusal::OpenSsh,
        "RSA-PSS PRIVATE KEY" => Refusal::PssLabel,
        "PUBLIC KEY" => Refusal::Public("PEM of \"PUBLIC KEY\", a public key"),
        "RSA PUBLIC KEY" => Refusal::Public("PEM of \"RSA PUBLIC KEY\", a public key"),
        "CERTIFICATE" => Refusal::Public("PEM of \"CERTIFICATE\", a certificate"),
        "TRUSTED CERTIFICATE" => Refusal::Public("PEM of \"TRUSTED CERTIFICATE\", a certificate"),
        "CERTIFICATE REQUEST" => {
            Refusal::Public("PEM of \"CERTIFICATE REQUEST\", a request for a certificate")
        }
        "NEW CERTIFICATE REQUEST" => {
            Refusal::Public("PEM of \"NEW CERTIFICATE REQUEST\", a request for a certificate")
        }
        "PGP MESSAGE" => Refusal::Ciphertext("PGP"),
        "AGE ENCRYPTED FILE" => Refusal::Ciphertext("age"),
        other => Refusal::Label(other.into()),
    }
}

/// What a text with documents of PEM is, none of which is a private key.
pub(super) fn without_private(blocks: &Blocks<'_>) -> Option<Refusal> {
    if let Some(label) = blocks.without_begin.iter().find(|label| is_private(label)) {
        return Some(Refusal::NoBegin(label.clone()));
    }
    let first = blocks.found.first()?;
    Some(match &first.end {
        End::Same => labelled(&first.label),
        _ => ended(first),
    })
}

/// Why a document that does not end as it began is refused.
pub(super) fn ended(block: &Block<'_>) -> Refusal {
    match &block.end {
        End::Other(end) => Refusal::WrongEnd {
            begin: block.label.clone(),
            end: end.clone(),
        },
        _ => Refusal::NoEnd(block.label.clone()),
    }
}

/// Whether a label is of a private key, of whatever kind.
pub(super) fn is_private(label: &str) -> bool {
    label.ends_with("PRIVATE KEY") || label.starts_with("PGP PRIVATE KEY")
}

/// What a text without any PEM is.
pub(super) fn unlabelled(text: &str) -> Refusal {
    let text = text.trim().trim_matches(['"', '\'']);
    let begins = |start: &str| text.starts_with(start);
    if text.is_empty() {
        return Refusal::Empty;
    }
    if let Some((_, tool)) = CIPHERTEXTS.iter().find(|(start, _)| begins(start)) {
        return Refusal::Ciphertext(tool);
    }
    if NOTHINGS
        .iter()
        .any(|nothing| text.eq_ignore_ascii_case(nothing))
    {
        return Refusal::Reference("what a program writes where there is no value");
    }
    if begins("PuTTY-User-Key-File") {
        return Refusal::Putty;
    }
    if begins("ssh-") || begins("ecdsa-sha2-") {
        return Refusal::Public("a public key of SSH");
    }
    if text.contains("<RSAKeyValue") {
        return Refusal::Xml;
    }
    if ["{{", "${", "$(", "%{", "<%"]
        .iter()
        .any(|sign| begins(sign))
    {
        return Refusal::Reference("a variable that was not replaced by what it stands for");
    }
    if begins("arn:") {
        return Refusal::Reference("the name of another secret");
    }
    let is_line = text.len() <= 256 && !text.contains(['\n', ' ']);
    let is_place = ["file:", "fileb:", "/", "./", "~/", "s3:", "https:", "http:"];
    let is_file = [
        ".pem", ".key", ".p8", ".pk8", ".ppk", ".der", ".p12", ".pfx",
    ];
    if is_line
        && (is_place.iter().any(|start| begins(start))
            || is_file.iter().any(|end| text.ends_with(end)))
    {
        return Refusal::Reference("the place of a file, whose content is expected");
    }
    if ["...", "***", "\u{2026}", "REDACTED", "CHANGEME", "changeme"]
        .iter()
        .any(|sign| text.contains(sign))
    {
        return Refusal::Placeholder;
    }
    Refusal::NotPem
}

/// What bytes are that stood there in base64.
pub(super) fn bytes(bytes: &[u8]) -> Option<Refusal> {
    if bytes.starts_with(b"openssh-key-v1\0") {
        Some(Refusal::OpenSsh)
    } else if bytes.starts_with(b"\xfe\xed\xfe\xed") {
        Some(Refusal::JavaKeystore)
    } else {
        None
    }
}

/// What an OpenSSH key is, if it is not RSA: its type is told in clear.
pub(super) fn openssh(bytes: &[u8]) -> Refusal {
    let start = bytes.get(..256).unwrap_or(bytes);
    let has = |name: &[u8]| start.windows(name.len()).any(|window| window == name);
    if has(b"ssh-ed25519") {
        Refusal::OtherKey("PEM of \"OPENSSH PRIVATE KEY\", an Ed25519 key")
    } else if has(b"ecdsa-sha2") {
        Refusal::OtherKey("PEM of \"OPENSSH PRIVATE KEY\", an EC key")
    } else {
        Refusal::OpenSsh
    }
}
