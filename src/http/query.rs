//! Query parameters and path segments, read strictly: an unknown name or a wrong value is told, never ignored, so that
//! a filter which was mistyped does not list everything.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, RawQuery};
use axum::http::request::Parts;
use url::form_urlencoded;

use super::problem::Problem;
use checkpoint::fault::{Faults, FieldFault, excerpt};

/// The parameters of one request, taken one by one.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    faults: Faults,
}

impl Query {
    /// Takes the query apart. Each parameter stands there once, and is one of `known`.
    pub(super) fn read(RawQuery(query): RawQuery, known: &'static [&'static str]) -> Self {
        let mut faults = Faults::default();
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let expected = known.join(", ");
            if !known.contains(&&*name) {
                let problem = format!("is not a parameter of this list; expected {expected}");
                faults.push(FieldFault::new(excerpt(&name), problem));
            } else if pairs.iter().any(|(other, _)| *other == name) {
                let problem = "stands there twice; expected each parameter once";
                faults.push(FieldFault::new(name, problem));
            } else {
                pairs.push((name.into_owned(), value.into_owned()));
            }
        }
        Self { pairs, faults }
    }

    /// One parameter's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs.find_map(|(found, value)| (found == name).then_some(value.as_str()))
    }

    /// One parameter, if it is there and right.
    pub(super) fn take<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(self.text(name)?);
        self.faults.take(name, parsed)
    }

    /// All faults, if there are any.
    pub(super) fn finish(self) -> Result<(), Problem> {
        match self.faults.into_vec() {
            faults if faults.is_empty() => Ok(()),
            faults => Err(Problem::invalid(faults)),
        }
    }
}

/// The segments of the path that a route leaves open, as texts.
pub(super) struct Segments<T>(pub(super) T);

impl<S, T> FromRequestParts<S> for Segments<T>
where
    S: Send + Sync,
    T: serde::de::DeserializeOwned + Send,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(segments) = path.map_err(|_| {
            let problem = "is not UTF-8 behind its percent-encoding; expected identifiers";
            Problem::invalid(vec![FieldFault::new("path", problem)])
        })?;
        Ok(Self(segments))
    }
}

/// Reads an identifier of the path.
pub(super) fn identifier<T: FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: &str,
) -> Result<T, Problem> {
    let wrong = |error: T::Err| Problem::invalid(vec![FieldFault::new(field, error.to_string())]);
    text.parse().map_err(wrong)
}
