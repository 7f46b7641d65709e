//! The one form that all names of this service have: `checkpoint_id`, `ledger_id` and `key_id`.

use crate::fault::excerpt;

/// Longest identifier in bytes: they stand in URLs, log lines and database keys.
pub const MAX_IDENTIFIER_BYTES: usize = 128;

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// The text is empty.
    #[error("is empty; expected 1 to {MAX_IDENTIFIER_BYTES} characters")]
    Empty,
    /// The text is longer than [`MAX_IDENTIFIER_BYTES`].
    #[error("has {0} bytes; expected 1 to {MAX_IDENTIFIER_BYTES}")]
    TooLong(usize),
    /// The text holds a character that no identifier may hold.
    #[error("is {0}; expected letters, digits and . _ : - of ASCII, the first a letter or digit")]
    Form(String),
    /// The name of a key could be taken for a fingerprint; it is not repeated, so that no error has one.
    #[error(
        "could be taken for the fingerprint or thumbprint of a key; expected a name that cannot, such as \
         amply-checkpoint-key-2027"
    )]
    Fingerprint,
}

/// Checks the form that all identifiers share.
///
/// # Errors
/// [`IdentifierError`] says which bound does not hold.
pub fn check(text: &str) -> Result<(), IdentifierError> {
    if text.is_empty() {
        return Err(IdentifierError::Empty);
    }
    if text.len() > MAX_IDENTIFIER_BYTES {
        return Err(IdentifierError::TooLong(text.len()));
    }
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    if starts_well && text.bytes().all(allowed) {
        Ok(())
    } else {
        Err(IdentifierError::Form(excerpt(text)))
    }
}

/// Makes a newtype of an identifier whose only constructor is `FromStr`; `but` is one more check of its own.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident $(but $check:path)?) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::identifier::IdentifierError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::identifier::check(text)?;
                $($check(text)?;)?
                Ok(Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use identifier;
