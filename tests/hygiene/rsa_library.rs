//! Where the RSA library keeps a key: each allocation of it that a dump shows, and nothing else.

use std::collections::BTreeMap;

use crate::image::{self, Counts, Hit, Image, counts};
use crate::needles::{Form, Needle};

/// What aws-lc keeps of a key that has signed, as limbs (`struct rsa_st`): the number itself, and of all but `qInv`
/// one more of fixed width: `d_fixed`, `dmp1_fixed`, `dmq1_fixed`, and the modulus in `mont_p` and in `mont_q`.
const KEPT: [(&str, usize); 6] = [
    ("d", 2),
    ("p", 2),
    ("q", 2),
    ("dP", 2),
    ("dQ", 2),
    ("qInv", 1),
];

/// Asserts that no key is in the image but this, and of this what the RSA library keeps.
pub fn check(image: &Image, needles: &[Needle], in_force: &str) -> Counts {
    let hits = image.search(needles);
    let found = counts(&hits, in_force);
    let kept = KEPT.map(|(part, count)| ((part, Form::Limbs), count));
    let shown: Vec<&Hit> = hits.iter().collect();
    assert_eq!(found, BTreeMap::from(kept), "{}", image::list(&shown));
    let other: Vec<&Hit> = hits.iter().filter(|hit| hit.key != in_force).collect();
    assert!(other.is_empty(), "{}", image::list(&other));
    found
}
