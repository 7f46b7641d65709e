//! The numbers of an RSA private key (RFC 8017, section 3.2), to build keys that no generator makes.

use pkcs1::der::{Decode, Encode};
use pkcs1::{LineEnding, RsaPrivateKeyRef, UintRef, pem};
use rsa::BoxedUint;

/// Wide enough for every product that is made here.
const PRECISION_BITS: u32 = 8192;

/// The numbers, which may contradict each other.
#[derive(Clone)]
pub(crate) struct RsaNumbers {
    pub(crate) n: BoxedUint,
    pub(crate) e: BoxedUint,
    pub(crate) d: BoxedUint,
    pub(crate) p: BoxedUint,
    pub(crate) q: BoxedUint,
    pub(crate) dp: BoxedUint,
    pub(crate) dq: BoxedUint,
    pub(crate) qinv: BoxedUint,
}

impl RsaNumbers {
    /// Reads PKCS#1 PEM.
    pub(crate) fn from_pem(text: &str) -> Self {
        Self::find_in_pem(text).expect("PKCS#1 PEM")
    }

    /// Reads what may be PKCS#1 PEM.
    pub(crate) fn find_in_pem(text: &str) -> Option<Self> {
        let (_, der) = pem::decode_vec(text.as_bytes()).ok()?;
        let key = RsaPrivateKeyRef::from_der(&der).ok()?;
        let read = |number: UintRef| uint(number.as_bytes());
        Some(Self {
            n: read(key.modulus),
            e: read(key.public_exponent),
            d: read(key.private_exponent),
            p: read(key.prime1),
            q: read(key.prime2),
            dp: read(key.exponent1),
            dq: read(key.exponent2),
            qinv: read(key.coefficient),
        })
    }

    /// The key that the two factors would make if both were prime.
    pub(crate) fn from_factors(p: &BoxedUint, q: &BoxedUint, e: &BoxedUint) -> Self {
        let (p1, q1) = (p.wrapping_sub(number(1)), q.wrapping_sub(number(1)));
        let d = inverse(e, &p1.wrapping_mul(&q1));
        Self {
            n: p.wrapping_mul(q),
            dp: d.rem_vartime(&p1.to_nz().unwrap()),
            dq: d.rem_vartime(&q1.to_nz().unwrap()),
            qinv: inverse(&q.rem_vartime(&p.to_nz().unwrap()), p),
            e: e.clone(),
            d,
            p: p.clone(),
            q: q.clone(),
        }
    }

    /// As PKCS#1 PEM.
    pub(crate) fn to_pem(&self) -> String {
        let bytes = [
            &self.n, &self.e, &self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qinv,
        ]
        .map(BoxedUint::to_be_bytes);
        let number = |index: usize| UintRef::new(&bytes[index]).unwrap();
        let der = RsaPrivateKeyRef {
            modulus: number(0),
            public_exponent: number(1),
            private_exponent: number(2),
            prime1: number(3),
            prime2: number(4),
            exponent1: number(5),
            exponent2: number(6),
            coefficient: number(7),
            other_prime_infos: None,
        }
        .to_der()
        .unwrap();
        pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, &der).unwrap()
    }

    /// The numbers that are secret.
    pub(crate) fn secrets(&self) -> [&BoxedUint; 6] {
        [&self.d, &self.p, &self.q, &self.dp, &self.dq, &self.qinv]
    }
}

/// A small number.
pub(crate) fn number(value: u64) -> BoxedUint {
    uint(&value.to_be_bytes())
}

/// A number in hexadecimal.
pub(crate) fn from_hex(digits: &str) -> BoxedUint {
    BoxedUint::from_str_radix_with_precision_vartime(digits, 16, PRECISION_BITS).unwrap()
}

/// `number + addend`.
pub(crate) fn plus(number_: &BoxedUint, addend: u64) -> BoxedUint {
    number_.wrapping_add(number(addend))
}

fn uint(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice(bytes, PRECISION_BITS).unwrap()
}

fn inverse(value: &BoxedUint, modulus: &BoxedUint) -> BoxedUint {
    value.invert_mod(&modulus.to_nz().unwrap()).unwrap()
}
