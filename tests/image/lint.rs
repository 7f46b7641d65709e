//! The Dockerfile is as hadolint wants it.

use std::process::Command;

use crate::dockerfile::root;

#[test]
fn the_dockerfile_is_free_of_remarks() {
    let mut where_it_is = crate::python::python();
    where_it_is.args([
        "-c",
        "import sysconfig; print(sysconfig.get_path('scripts'))",
    ]);
    let folder = String::from_utf8(where_it_is.output().unwrap().stdout).unwrap();
    let linter = std::path::Path::new(folder.trim()).join("hadolint");
    let mut command = Command::new(linter);
    command.args(["--failure-threshold", "style", "deploy/Dockerfile"]);
    let output = command.current_dir(root()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
