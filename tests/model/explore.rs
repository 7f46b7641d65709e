//! Every state that can be reached, breadth first, so that the trace to a fault is one of the shortest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What was looked through, and the first fault.
pub struct Explored<Step> {
    pub states: usize,
    /// How many steps there are to the states that are furthest away.
    pub depth: usize,
    pub fault: Option<Fault<Step>>,
}

/// A state that must not be, and how to get there.
pub struct Fault<Step> {
    pub broken: &'static str,
    pub trace: Vec<Step>,
}

/// Takes every step from every state until none is new, or until one is at fault.
pub fn explore<State, Step>(
    first: State,
    steps: impl Fn(&State) -> Vec<(Step, State)>,
    fault: impl Fn(&State) -> Option<&'static str>,
) -> Explored<Step>
where
    State: Clone + Eq + Hash,
    Step: Clone,
{
    let mut met: HashMap<State, (), BuildHasherDefault<Quick>> = HashMap::default();
    // For each state, by the order in which they were met: the one before it, and the step between them.
    let mut came_from: Vec<(usize, Option<Step>)> = vec![(0, None)];
    met.insert(first.clone(), ());
    let (mut layer, mut depth) = (vec![(0, first)], 0);
    loop {
        let mut next = Vec::new();
        for (number, state) in &layer {
            if let Some(broken) = fault(state) {
                let trace = trace(&came_from, *number);
                return Explored {
                    states: came_from.len(),
                    depth,
                    fault: Some(Fault { broken, trace }),
                };
            }
            for (step, after) in steps(state) {
                if let Entry::Vacant(new) = met.entry(after) {
                    next.push((came_from.len(), new.key().clone()));
                    new.insert(());
                    came_from.push((*number, Some(step)));
                }
            }
        }
        if next.is_empty() {
            return Explored {
                states: came_from.len(),
                depth,
                fault: None,
            };
        }
        layer = next;
        depth += 1;
    }
}

fn trace<Step: Clone>(came_from: &[(usize, Option<Step>)], mut at: usize) -> Vec<Step> {
    let mut trace = Vec::new();
    while let (before, Some(step)) = &came_from[at] {
        trace.push(step.clone());
        at = *before;
    }
    trace.reverse();
    trace
}

/// Nobody means harm here, so that a hash need only be quick: tests are not optimised.
#[derive(Default)]
pub struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        (self.0 ^ (self.0 >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_i8(&mut self, value: i8) {
        self.write_u64(u64::from(value.cast_unsigned()));
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(u64::from_ne_bytes(value.to_ne_bytes()));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}
