//! The algorithms that keys sign with.

/// A JOSE signature algorithm (RFC 7518, section 3.1) that keys of this service may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256, and a salt of 32 bytes (RFC 7518, section 3.5).
    #[default]
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, section 3.3).
    Rs256,
}

impl Algorithm {
    /// Its JOSE name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            "PS256" => Ok(Self::Ps256),
            "RS256" => Ok(Self::Rs256),
            other => Err(UnknownAlgorithm(crate::fault::excerpt(other))),
        }
    }
}

/// The name is that of no algorithm of this service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is {0}; expected PS256 or RS256")]
pub struct UnknownAlgorithm(String);
