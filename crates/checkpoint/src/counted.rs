//! Numbers of things, in words.

use std::fmt::Display;

/// So many of a thing: `1 row`, `2 rows`.
pub fn counted(count: impl Display, one: &str, many: &str) -> String {
    let count = count.to_string();
    let name = if count == "1" { one } else { many };
    format!("{count} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one() {
        let counts = [0_u64, 1, 2, 11].map(|count| counted(count, "row", "rows"));
        assert_eq!(counts, ["0 rows", "1 row", "2 rows", "11 rows"]);
    }
}
