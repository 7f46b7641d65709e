//! Compares the tables, indexes and triggers that a store has with those that it was made with: a trigger that is gone no longer
//! refuses anything.

use std::fmt;

/// The way on with a record of another version.
pub(super) const OTHER_PROGRAM: &str = "use the program that wrote it, or move the record by `record export` with that program \
                                        and `record import` with this one (docs/upgrade.md)";

/// A thing of a schema: its kind and name, and what defines it.
pub(super) type Object = (String, String);

/// One that is not as it was made.
pub(super) struct Difference {
    pub(super) name: String,
    problem: &'static str,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "schema: {} {}", self.name, self.problem)
    }
}

/// What differs.
pub(super) fn differences(expected: &[Object], found: &[Object]) -> Vec<Difference> {
    let difference = |(name, _): &Object, problem| Difference {
        name: name.clone(),
        problem,
    };
    let changed = expected.iter().filter(|object| !found.contains(object));
    let changed = changed.map(|object| difference(object, "is missing or was changed"));
    let known = |name: &String| expected.iter().any(|(expected, _)| expected == name);
    let foreign = found.iter().filter(|(name, _)| !known(name));
    let foreign = foreign.map(|object| difference(object, "is not the service's"));
    changed.chain(foreign).collect()
}
