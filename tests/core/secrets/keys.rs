//! Private keys that are refused.

use crate::support::openssl;
use crate::support::rsa_numbers::{RsaNumbers, from_hex, number, plus};
use crate::support::secret::{assert_refused, secret};

const INCONSISTENT: &str = "is not a consistent RSA key";

fn assert_key_refused(pem: &str, found: &str) {
    assert_refused(&secret(pem).text(), "private_key", found);
}

fn good() -> RsaNumbers {
    RsaNumbers::from_pem(&openssl::file("rsa-2048.pkcs1.pem"))
}

fn assert_tampered_key_refused(tamper: impl FnOnce(&mut RsaNumbers)) {
    let mut numbers = good();
    tamper(&mut numbers);
    assert_key_refused(&numbers.to_pem(), INCONSISTENT);
}

#[test]
fn a_key_of_fewer_than_2048_bits_is_refused() {
    for (name, bits) in [
        ("rsa-1024.pkcs1.pem", "1024 bits"),
        ("rsa-1024.pkcs8.pem", "1024 bits"),
        ("rsa-2047.pkcs1.pem", "2047 bits"),
    ] {
        assert_key_refused(&openssl::file(name), bits);
    }
}

#[test]
fn a_key_with_the_public_exponent_3_is_refused() {
    assert_key_refused(
        &openssl::file("rsa-2048-e3.pkcs1.pem"),
        "the public exponent 3",
    );
}

#[test]
fn a_key_with_a_giant_public_exponent_is_refused() {
    assert_refused(
        &secret(&openssl::file("rsa-2048-e2to40.pkcs8.pem")).text(),
        "private_key",
        "expected",
    );
}

#[test]
fn a_key_of_three_primes_is_refused() {
    assert_key_refused(
        &openssl::file("rsa-2048-three-primes.pkcs1.pem"),
        "expected",
    );
}

#[test]
fn pkcs8_of_another_algorithm_is_refused_with_its_identifier() {
    for (name, found) in [
        ("ec.pkcs8.pem", "1.2.840.10045.2.1"),
        ("ed25519.pkcs8.pem", "1.3.101.112"),
        ("rsa-pss-2048.pkcs8.pem", "1.2.840.113549.1.1.10"),
    ] {
        assert_key_refused(&openssl::file(name), found);
    }
}

#[test]
fn pem_of_something_else_is_refused_with_its_label() {
    for (name, label) in [
        ("ec.sec1.pem", "EC PRIVATE KEY"),
        ("ec-with-parameters.sec1.pem", "EC PRIVATE KEY"),
        ("rsa-2048.certificate.pem", "CERTIFICATE"),
        ("rsa-2048.spki.pem", "PUBLIC KEY"),
        ("rsa-2048.pkcs1-public.pem", "RSA PUBLIC KEY"),
    ] {
        assert_key_refused(&openssl::file(name), &format!("is PEM of \"{label}\""));
    }
}

#[test]
fn the_format_of_openssh_is_refused_with_its_label() {
    let pem = openssl::file("rsa-2048.pkcs1.pem").replace(" RSA PRIVATE", " OPENSSH PRIVATE");
    assert_key_refused(&pem, "is PEM of \"OPENSSH PRIVATE KEY\"");
}

#[test]
fn a_label_as_long_as_a_line_of_a_key_is_not_repeated() {
    let hexadecimal = "0123456789ABCDEF".repeat(4);
    for label in [hexadecimal.clone(), format!("RSA PRIVATE {hexadecimal}")] {
        let pem = openssl::file("rsa-2048.pkcs1.pem").replace("RSA PRIVATE KEY", &label);
        assert_key_refused(&pem, "is not PEM");
    }
}

#[test]
fn an_encrypted_key_is_refused_as_such() {
    for name in [
        "rsa-2048.encrypted-pkcs8.pem",
        "rsa-2048.encrypted-pkcs1.pem",
    ] {
        assert_key_refused(&openssl::file(name), "is encrypted");
    }
}

#[test]
fn what_is_no_pem_is_refused() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    for text in ["", " ", "secret", pem.replace("-----", "--").as_str()] {
        assert_key_refused(text, "is not PEM");
    }
}

#[test]
fn a_pem_that_was_cut_short_is_refused() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let lines: Vec<&str> = pem.lines().collect();
    let without_line = [&lines[..5], &lines[6..]].concat().join("\n");
    let without_end = lines[..lines.len() - 1].join("\n");
    for text in [without_line, without_end, lines[..3].join("\n")] {
        assert_key_refused(&text, "expected");
    }
}

#[test]
fn two_keys_in_one_pem_are_refused() {
    let pem = openssl::file("rsa-2048.pkcs1.pem");
    let other = openssl::file("rsa-2048-other.pkcs1.pem");
    assert_key_refused(&format!("{pem}{other}"), "expected");
}

#[test]
fn a_modulus_that_is_not_the_product_of_the_primes_is_refused() {
    assert_tampered_key_refused(|key| key.n = plus(&key.n, 2));
}

#[test]
fn the_modulus_of_another_key_is_refused() {
    let other = RsaNumbers::from_pem(&openssl::file("rsa-2048-other.pkcs1.pem"));
    assert_tampered_key_refused(|key| key.n = other.n);
}

#[test]
fn a_wrong_public_exponent_is_refused() {
    assert_tampered_key_refused(|key| key.e = number(65539));
}

#[test]
fn a_wrong_private_exponent_is_refused() {
    assert_tampered_key_refused(|key| key.d = plus(&key.d, 2));
    assert_tampered_key_refused(|key| key.d = number(0));
    assert_tampered_key_refused(|key| key.d = number(1));
}

#[test]
fn wrong_values_of_the_chinese_remainder_theorem_are_refused() {
    assert_tampered_key_refused(|key| key.dp = plus(&key.dp, 2));
    assert_tampered_key_refused(|key| key.dq = plus(&key.dq, 2));
    assert_tampered_key_refused(|key| key.qinv = plus(&key.qinv, 1));
    assert_tampered_key_refused(|key| std::mem::swap(&mut key.dp, &mut key.dq));
    assert_tampered_key_refused(|key| std::mem::swap(&mut key.p, &mut key.q));
    for value in [0, 1] {
        assert_tampered_key_refused(|key| key.dp = number(value));
        assert_tampered_key_refused(|key| key.dq = number(value));
        assert_tampered_key_refused(|key| key.qinv = number(value));
    }
}

#[test]
fn trivial_factors_are_refused() {
    assert_tampered_key_refused(|key| {
        key.p = number(1);
        key.q = key.n.clone();
    });
    assert_tampered_key_refused(|key| {
        key.p = key.n.clone();
        key.q = number(1);
    });
    assert_tampered_key_refused(|key| key.q = number(0));
}

#[test]
fn a_factor_that_is_not_prime_is_refused_though_all_the_arithmetic_fits() {
    let [a, b] = ["prime-512-a.hex", "prime-512-b.hex"].map(|name| from_hex(&openssl::hex(name)));
    let key = good();
    let composite = a.wrapping_mul(&b);
    for (p, q) in [(&composite, &key.q), (&key.p, &composite)] {
        let numbers = RsaNumbers::from_factors(p, q, &key.e);
        assert_key_refused(&numbers.to_pem(), "expected");
    }
}

#[test]
fn an_even_modulus_is_refused() {
    let key = good();
    let even = plus(&key.q, 1);
    assert_tampered_key_refused(|key| {
        key.n = key.p.wrapping_mul(&even);
        key.q = even;
    });
}

#[test]
fn the_arithmetic_of_these_tests_makes_good_keys_of_good_primes() {
    let key = good();
    let again = RsaNumbers::from_factors(&key.p, &key.q, &key.e);
    let version = secret(&again.to_pem()).version();
    assert_eq!(
        version,
        secret(&openssl::file("rsa-2048.pkcs1.pem")).version()
    );
}

#[test]
fn the_order_of_the_primes_does_not_matter() {
    let key = good();
    let swapped = RsaNumbers::from_factors(&key.q, &key.p, &key.e);
    let version = secret(&swapped.to_pem()).version();
    assert_eq!(
        version,
        secret(&openssl::file("rsa-2048.pkcs1.pem")).version()
    );
}
