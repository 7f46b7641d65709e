//! The templates are as CloudFormation wants them, and what `checkov` finds is mended or judged beside it.

use std::path::PathBuf;

use serde_json::Value;

use crate::cloud::{path, read};

/// Every template of `deploy/`.
fn templates() -> Vec<String> {
    let found = std::fs::read_dir(path("deploy")).unwrap();
    let found =
        found.map(|entry| format!("deploy/{}", entry.unwrap().file_name().to_str().unwrap()));
    let mut found: Vec<String> = found.filter(|name| name.ends_with(".yaml")).collect();
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

#[test]
fn the_templates_are_free_of_errors_warnings_and_remarks() {
    let mut linter = crate::python::python();
    linter.args([
        "-c",
        "import sys; from cfnlint.runner import main; sys.exit(main())",
    ]);
    // That a runtime is deprecated from some day on (E2531, E2533, W2531) is no word on the template, which is as it was.
    linter.args(["--ignore-checks", "E2531", "E2533", "W2531"]);
    linter.args(["--include-checks", "I", "--"]);
    let files: Vec<PathBuf> = templates().iter().map(|name| path(name)).collect();
    let output = linter.args(files).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// What a template may have at most to be given to `aws cloudformation deploy` without a bucket (AWS, "CloudFormation quotas").
const LARGEST_TEMPLATE: usize = 51_200;

#[test]
fn every_template_is_small_enough_to_be_deployed_as_a_file() {
    for name in templates() {
        let length = read(&name).len();
        assert!(length <= LARGEST_TEMPLATE, "{name} has {length} bytes");
    }
}

/// Where `checkov` wants judgements, in a comment: `checkov:skip=ID:why`.
const JUDGED: &str = "# checkov:skip=";

/// The findings of `checkov` on the templates and the Dockerfile: those that are open, and those that were judged.
fn findings() -> [Vec<Value>; 2] {
    let mut linter = crate::python::checkov();
    // It would ask its maker's service for explanations.
    linter.args(["--skip-download", "--compact", "--output", "json", "--file"]);
    linter.args(templates()).arg("deploy/Dockerfile");
    let output = linter.current_dir(path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let reports: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("checkov said no JSON ({error}): {said}"));
    let reports = reports.as_array().unwrap();
    for kind in ["cloudformation", "dockerfile"] {
        let report = reports.iter().find(|report| report["check_type"] == kind);
        let summary = &report.unwrap_or_else(|| panic!("checkov left {kind} out"))["summary"];
        assert!(summary["passed"].as_u64().unwrap() > 20, "{summary}");
        assert_eq!(summary["parsing_errors"], 0, "{summary}");
    }
    ["failed_checks", "skipped_checks"].map(|member| {
        let lists = reports
            .iter()
            .map(|report| report["results"][member].as_array());
        lists.flatten().flatten().cloned().collect()
    })
}

#[test]
fn what_checkov_finds_is_mended_or_judged_beside_it_and_every_judgement_is_of_a_finding() {
    let [open, judged] = findings();
    let told = |finding: &Value| {
        let [id, name, file, lines] = ["check_id", "check_name", "file_path", "file_line_range"]
            .map(|member| &finding[member]);
        format!("{id} {name} {file} {lines}")
    };
    let open: Vec<String> = open.iter().map(told).collect();
    assert!(open.is_empty(), "{open:#?}");

    let files = templates().into_iter().chain(["deploy/Dockerfile".into()]);
    let texts: String = files.map(|name| read(&name)).collect();
    let mut written: Vec<&str> = texts
        .split(JUDGED)
        .skip(1)
        .map(|rest| &rest[..rest.find('\n').unwrap()])
        .collect();
    let judged = judged.iter().map(|finding| {
        let [id, why] = [
            &finding["check_id"],
            &finding["check_result"]["suppress_comment"],
        ]
        .map(|text| text.as_str().unwrap());
        assert!(why.contains(' '), "{id} is judged without a reason");
        format!("{id}:{why}")
    });
    let mut judged: Vec<String> = judged.collect();
    written.sort_unstable();
    judged.sort();
    assert_eq!(
        judged, written,
        "a judgement without a finding is to be taken out"
    );
}
