//! The Dockerfile is as hadolint wants it.

use crate::dockerfile::root;

#[test]
fn the_dockerfile_is_free_of_remarks() {
    let mut linter = crate::python::tool("hadolint");
    linter.args(["--failure-threshold", "style", "deploy/Dockerfile"]);
    let output = linter.current_dir(root()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
