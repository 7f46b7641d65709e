//! Every link between the files that people read leads to a file, and to a heading in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The pages that people begin with, and all of `docs/`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let first = [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "clients/python/README.md",
        "clients/javascript/README.md",
        "vectors/README.md",
        "deploy/README.md",
        "fuzz/README.md",
    ];
    let mut pages: Vec<PathBuf> = first.iter().map(|name| root.join(name)).collect();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// A page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    let outside = text.split("\n```").step_by(2);
    outside.collect()
}

/// As GitHub makes it of a heading.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    title
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Where a link may lead to within a page.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(page);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let shown = page.strip_prefix(ROOT).unwrap().display();
        let text = prose(&page);
        let links = text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.contains("://")) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                _ => page.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{shown}: {link}");
            let known = section.is_empty() || anchors(&target).contains(section);
            assert!(known, "{shown}: {link}");
        }
    }
}
