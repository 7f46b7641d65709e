//! Keys and certificates as operators make them: by the `openssl` command line, which shares no code with
//! this crate. They are made once for all test runs, since large keys take seconds.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// One call of openssl a line, in the folder of the keys. `-traditional` is PKCS#1.
const RECIPE: &str = "
    genrsa -traditional -out rsa-1024.pkcs1.pem 1024
    genrsa -traditional -out rsa-2047.pkcs1.pem 2047
    genrsa -traditional -out rsa-2048.pkcs1.pem 2048
    genrsa -traditional -out rsa-2048-other.pkcs1.pem 2048
    genrsa -traditional -out rsa-3072.pkcs1.pem 3072
    genrsa -traditional -out rsa-4096.pkcs1.pem 4096
    genrsa -traditional -3 -out rsa-2048-e3.pkcs1.pem 2048
    genrsa -traditional -primes 3 -out rsa-2048-three-primes.pkcs1.pem 2048
    genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:65539 -out rsa-2048-e65539.pkcs8.pem
    genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:1099511627791 -out rsa-2048-e2to40.pkcs8.pem
    genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out rsa-pss-2048.pkcs8.pem
    genpkey -algorithm ED25519 -out ed25519.pkcs8.pem
    genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ec.pkcs8.pem
    ec -in ec.pkcs8.pem -out ec.sec1.pem
    ecparam -name prime256v1 -genkey -out ec-with-parameters.sec1.pem
    pkcs8 -topk8 -nocrypt -in rsa-1024.pkcs1.pem -out rsa-1024.pkcs8.pem
    pkcs8 -topk8 -nocrypt -in rsa-2048.pkcs1.pem -out rsa-2048.pkcs8.pem
    pkcs8 -topk8 -nocrypt -in rsa-3072.pkcs1.pem -out rsa-3072.pkcs8.pem
    pkcs8 -topk8 -nocrypt -in rsa-4096.pkcs1.pem -out rsa-4096.pkcs8.pem
    pkcs8 -topk8 -passout pass:test -in rsa-2048.pkcs1.pem -out rsa-2048.encrypted-pkcs8.pem
    rsa -traditional -aes128 -passout pass:test -in rsa-2048.pkcs1.pem -out rsa-2048.encrypted-pkcs1.pem
    rsa -in rsa-2048.pkcs1.pem -pubout -out rsa-2048.spki.pem
    rsa -in rsa-2048.pkcs1.pem -RSAPublicKey_out -out rsa-2048.pkcs1-public.pem
    req -x509 -new -key rsa-2048.pkcs1.pem -subj /CN=test -days 1 -out rsa-2048.certificate.pem
    prime -generate -bits 512 -hex -out prime-512-a.hex
    prime -generate -bits 512 -hex -out prime-512-b.hex
";

/// Changes with [`RECIPE`], so that an old folder is not taken for the new one.
const FOLDER: &str = "openssl-keys-1";

/// The text of a file that the recipe makes.
pub(crate) fn file(name: &str) -> String {
    let path = folder().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The number in a file of a prime.
pub(crate) fn hex(name: &str) -> String {
    file(name).trim().to_owned()
}

/// Whether `openssl dgst` verifies a SHA-256 signature with a public key of the recipe.
pub(crate) fn verifies(key: &str, options: &[&str], message: &[u8], signature: &[u8]) -> bool {
    let given = tempfile::tempdir().unwrap();
    let [message_file, signature_file] =
        ["message", "signature"].map(|name| given.path().join(name));
    fs::write(&message_file, message).unwrap();
    fs::write(&signature_file, signature).unwrap();
    let arguments = [
        &["dgst", "-sha256", "-verify", key],
        options,
        &["-signature"],
    ]
    .concat();
    let output = openssl(&arguments, &[&signature_file, &message_file], folder());
    output.status.success()
}

/// The SHA-256 signature that `openssl dgst` makes with a private key of the recipe.
pub(crate) fn signature(key: &str, options: &[&str], message: &[u8]) -> Vec<u8> {
    let given = tempfile::tempdir().unwrap();
    let message_file = given.path().join("message");
    fs::write(&message_file, message).unwrap();
    let arguments = [&["dgst", "-sha256", "-sign", key], options].concat();
    let output = openssl(&arguments, &[&message_file], folder());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn openssl(arguments: &[&str], files: &[&Path], folder: &Path) -> Output {
    Command::new("openssl")
        .args(arguments)
        .args(files)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| {
            panic!("these tests need the openssl command (OpenSSL 3) on the PATH: {error}")
        })
}

fn folder() -> &'static Path {
    static READY: OnceLock<PathBuf> = OnceLock::new();
    READY.get_or_init(|| {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(parent).unwrap();
        let folder = parent.join(FOLDER);
        // Whoever comes second waits here until the first is done.
        let lock = File::create(parent.join(format!("{FOLDER}.lock"))).unwrap();
        lock.lock().unwrap();
        if !folder.exists() {
            make(parent, &folder);
        }
        folder
    })
}

/// Makes the folder under another name first: one that is there is complete.
fn make(parent: &Path, folder: &Path) {
    let unfinished = parent.join(format!("{FOLDER}.unfinished"));
    let _ = fs::remove_dir_all(&unfinished);
    fs::create_dir(&unfinished).unwrap();
    for line in RECIPE
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        run(line, &unfinished);
    }
    fs::rename(&unfinished, folder).unwrap();
}

fn run(line: &str, folder: &Path) {
    // `prime` writes to standard output only.
    let (arguments, output) = match line.split_once(" -out ") {
        Some((arguments, name)) if line.starts_with("prime ") => (arguments, Some(name)),
        _ => (line, None),
    };
    let result = openssl(&arguments.split(' ').collect::<Vec<_>>(), &[], folder);
    assert!(
        result.status.success(),
        "openssl {line}: {}",
        String::from_utf8_lossy(&result.stderr)
    );
    if let Some(name) = output {
        fs::write(folder.join(name), result.stdout).unwrap();
    }
}
