//! The staging labels of a key version: whether it is trusted.

/// A staging label of Secrets Manager (AWS, "What's in a Secrets Manager secret?", *Version*).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StagingLabel {
    /// `AWSCURRENT`: trusted.
    Current,
    /// `AWSPREVIOUS`: trusted.
    Previous,
    /// `AWSPENDING`: staged by a rotation, not trusted yet.
    Pending,
    /// A label of the operator's own.
    Custom(String),
}

impl StagingLabel {
    /// The label as AWS writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Previous => "AWSPREVIOUS",
            Self::Pending => "AWSPENDING",
            Self::Custom(label) => label,
        }
    }
}

impl StagingLabel {
    /// The label of AWS that a text is but for its case. AWS tells labels apart by case, so that it would be one of the operator's own,
    /// and trust nothing.
    pub fn meant_by(text: &str) -> Option<Self> {
        let own = [Self::Current, Self::Previous, Self::Pending];
        let mut meant = own.into_iter().filter(|label| label.as_str() != text);
        meant.find(|label| label.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// Whether AWSPENDING is the only label.
    pub fn is_only_staged(stages: &[Self]) -> bool {
        stages == [Self::Pending]
    }

    /// Whether one of the labels makes a version trusted.
    pub fn is_trust(stages: &[Self]) -> bool {
        let trusts = |stage: &Self| matches!(stage, Self::Current | Self::Previous);
        stages.iter().any(trusts)
    }
}

impl From<&str> for StagingLabel {
    fn from(label: &str) -> Self {
        match label {
            "AWSCURRENT" => Self::Current,
            "AWSPREVIOUS" => Self::Previous,
            "AWSPENDING" => Self::Pending,
            other => Self::Custom(other.into()),
        }
    }
}
