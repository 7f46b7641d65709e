//! A JSON object as text, with members changed at will. Text and not values: what is wrong with JSON often
//! does not survive being parsed.

/// Members in order, each value as raw JSON.
#[derive(Clone)]
pub(crate) struct Document(Vec<(String, String)>);

impl Document {
    /// From members whose values are raw JSON.
    pub(crate) fn new<const N: usize>(members: [(&str, &str); N]) -> Self {
        Self(members.map(|(name, raw)| (name.into(), raw.into())).into())
    }

    /// Gives a member another value, or adds it.
    pub(crate) fn with(mut self, name: &str, raw: impl Into<String>) -> Self {
        match self.0.iter_mut().find(|(found, _)| found == name) {
            Some((_, value)) => *value = raw.into(),
            None => self.0.push((name.into(), raw.into())),
        }
        self
    }

    /// Adds a member, also when it is there already.
    pub(crate) fn and(mut self, name: &str, raw: impl Into<String>) -> Self {
        self.0.push((name.into(), raw.into()));
        self
    }

    /// Takes a member away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self
    }

    /// The JSON text.
    pub(crate) fn text(&self) -> String {
        let members = self.0.iter();
        let members = members.map(|(name, raw)| format!("{}: {raw}", serde_json::json!(name)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(",\n"))
    }
}
