//! What to look for: the private numbers of a key in every form that a program may keep them in, and its PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs1::RsaPrivateKeyRef;
use pkcs8::der::{Decode as _, SecretDocument};

/// Bytes that are compared at once: any run of twice as many holds such a block whole.
pub const BLOCK: usize = 16;

/// Characters of base64 on a line of PEM (RFC 7468, section 2), and the bytes that they stand for.
const LINE_CHARACTERS: usize = 64;
const LINE_BYTES: usize = 48;

/// How a number, or the PEM, lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As DER has it, and as a library exports it.
    BigEndian,
    /// As libraries compute with it: limbs of 32 or 64 bits on a machine that is little-endian itself.
    Limbs,
    /// In limbs of 52 bits, as vector instructions multiply them.
    Limbs52,
    /// Lines of PEM, alone or inside of the secret's JSON.
    Pem,
    /// As a log might show bytes.
    Text,
}

/// One thing to look for.
#[derive(Clone, Debug)]
pub struct Needle {
    pub key: String,
    pub part: &'static str,
    pub form: Form,
    pub bytes: Vec<u8>,
}

/// The secret document's PEM.
pub fn pem(document: &str) -> String {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    document["private_key"].as_str().unwrap().to_owned()
}

/// The private part of a secret document, in all forms.
pub fn of(key: &str, document: &str) -> Vec<Needle> {
    let (_, der) = SecretDocument::from_pem(&pem(document)).unwrap();
    let numbers = RsaPrivateKeyRef::from_der(der.as_bytes()).unwrap();
    let parts = [
        ("d", numbers.private_exponent.as_bytes()),
        ("p", numbers.prime1.as_bytes()),
        ("q", numbers.prime2.as_bytes()),
        ("dP", numbers.exponent1.as_bytes()),
        ("dQ", numbers.exponent2.as_bytes()),
        ("qInv", numbers.coefficient.as_bytes()),
    ];
    let needle = |part, form, bytes| Needle {
        key: key.to_owned(),
        part,
        form,
        bytes,
    };
    let mut needles = Vec::new();
    for (part, number) in parts {
        let reversed: Vec<u8> = number.iter().rev().copied().collect();
        needles.push(needle(part, Form::Limbs52, limbs52(&reversed)));
        needles.push(needle(part, Form::Limbs, reversed));
        needles.push(needle(part, Form::BigEndian, number.to_vec()));
        for text in texts(number) {
            needles.push(needle(part, Form::Text, text.into_bytes()));
        }
    }
    // The lines before these hold the modulus, which everybody may know, and which a JWK has in base64, too.
    let d = numbers.private_exponent.as_bytes();
    let place = der.as_bytes().windows(d.len()).position(|w| w == d);
    let first = place.unwrap().div_ceil(LINE_BYTES);
    let base64 = STANDARD.encode(der.as_bytes());
    for line in base64.as_bytes().chunks(LINE_CHARACTERS).skip(first) {
        needles.push(needle("PEM", Form::Pem, line.to_vec()));
    }
    needles
}

fn limbs52(little_endian: &[u8]) -> Vec<u8> {
    let bit = |index: usize| {
        let byte = little_endian.get(index / 8).copied().unwrap_or_default();
        u64::from(byte >> (index % 8) & 1)
    };
    let limbs = (little_endian.len() * 8).div_ceil(52);
    let limb = |limb: usize| (0..52).fold(0, |value, b| value | bit(limb * 52 + b) << b);
    (0..limbs).flat_map(|l| limb(l).to_le_bytes()).collect()
}

/// Hexadecimal, and the list that `Debug` prints of bytes.
fn texts(number: &[u8]) -> [String; 3] {
    let hex: String = number.iter().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<String> = number.iter().map(u8::to_string).collect();
    [hex.to_uppercase(), hex, list.join(", ")]
}
