//! One reading of `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::get;

/// The series and their values, and the names of all metrics.
pub struct Scrape {
    series: BTreeMap<String, f64>,
    pub text: String,
}

impl Scrape {
    /// Reads `http://host:port/metrics`.
    pub fn of(base: &str) -> Self {
        let answer = get(base, "/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let content_type = answer.header("content-type");
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
        assert!(answer.body.ends_with("# EOF\n"));
        let lines = answer.body.lines().filter(|line| !line.starts_with('#'));
        let series = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self {
            series: series.collect(),
            text: answer.body.clone(),
        }
    }

    /// The value of a series, `name{label="value"}`, without the prefix of all names.
    pub fn get(&self, series: &str) -> Option<f64> {
        let name = format!("checkpoint_signer_{series}");
        self.series.get(&name).copied()
    }

    pub fn value(&self, series: &str) -> f64 {
        let found = self.get(series);
        found.unwrap_or_else(|| panic!("{series} is missing in {}", self.text))
    }

    /// The names that a query may use.
    pub fn names(&self) -> BTreeSet<String> {
        let name = |series: &String| series.split('{').next().unwrap().to_owned();
        self.series.keys().map(name).collect()
    }
}
