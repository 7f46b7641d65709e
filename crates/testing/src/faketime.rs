//! Another day than today, as `.ci/on-another-day` makes it: what a program needs for it when its environment is emptied.

use std::ffi::OsString;

/// The variables of libfaketime, where the tests themselves run under it. Nothing otherwise.
pub fn same_day() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name == "LD_PRELOAD" || name.starts_with("FAKETIME")
    })
}
