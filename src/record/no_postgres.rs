//! Built without the feature `postgres`: no text is the address of a database, so that nothing here ever runs.

use std::fmt;
use std::str::FromStr;

/// There is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseAddress {}

impl FromStr for DatabaseAddress {
    type Err = String;

    fn from_str(_: &str) -> Result<Self, String> {
        Err("this program was built without the feature postgres; expected sqlite:PATH".into())
    }
}

impl fmt::Display for DatabaseAddress {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl DatabaseAddress {
    /// The host of several that is meant.
    ///
    /// # Errors
    /// Never, since there is no address.
    pub async fn choose(&self) -> Result<Self, String> {
        match *self {}
    }
}
