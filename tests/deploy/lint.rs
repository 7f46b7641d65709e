//! The templates are as CloudFormation wants them.

use crate::cloud::path;

const TEMPLATES: [&str; 3] = [
    "deploy/key.yaml",
    "deploy/service.yaml",
    "deploy/alarms.yaml",
];

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
    let output = linter.args(TEMPLATES.map(path)).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn every_template_is_linted() {
    let mut found: Vec<String> = std::fs::read_dir(path("deploy"))
        .unwrap()
        .map(|entry| format!("deploy/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    found.sort();
    let mut known = TEMPLATES.map(String::from);
    known.sort();
    assert_eq!(found, known);
}
