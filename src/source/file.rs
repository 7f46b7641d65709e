//! Keys in a file: the same JSON as the secret, or an array of versions with their staging labels.

use std::fs::Metadata;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{KeySource, SourceError};
use checkpoint::signing::{MAX_SECRET_BYTES, VersionSecret};

/// How often the file's metadata is looked at. Looking works on every file system, also where a mounted
/// secret is replaced by a renamed link, which change notifications miss.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Largest file: a century of versions.
const MAX_FILE_BYTES: u64 = 100 * MAX_SECRET_BYTES as u64;

/// Keys in a file.
pub struct FileSource {
    path: PathBuf,
    name: String,
    /// How the file looked when it was last loaded.
    loaded: Mutex<Option<Fingerprint>>,
}

/// What changes when a file is written or replaced.
#[derive(Clone, PartialEq, Eq)]
struct Fingerprint {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl From<Metadata> for Fingerprint {
    fn from(file: Metadata) -> Self {
        Self {
            inode: file.ino(),
            bytes: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl FileSource {
    /// A source that need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.into(),
            name: format!("file:{}", path.display()),
            loaded: Mutex::new(None),
        }
    }

    fn look(&self) -> Option<Fingerprint> {
        std::fs::metadata(&self.path).ok().map(Fingerprint::from)
    }

    fn loaded(&self) -> std::sync::MutexGuard<'_, Option<Fingerprint>> {
        // A fingerprint is replaced as a whole: a poisoned lock holds a good one.
        self.loaded
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[async_trait]
impl KeySource for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    async fn load(&self) -> Result<Vec<VersionSecret>, SourceError> {
        // Looked at before reading, so that a change while reading is seen as one.
        *self.loaded() = self.look();
        let path = self.path.clone();
        // Validating keys is RSA arithmetic: not for the reactor.
        tokio::task::spawn_blocking(move || {
            let bytes = read(&path).map_err(SourceError::Unavailable)?;
            Ok(VersionSecret::parse_file(&bytes)?)
        })
        .await
        .map_err(|_| SourceError::Unavailable("the task that reads it was ended".into()))?
    }

    async fn changed(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.look() != *self.loaded() {
                return;
            }
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| format!("{shown}: {error}");
    let mut file = files::open_regular(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %shown, "the key file can be read by others; expected mode 0600");
    }
    if metadata.len() > MAX_FILE_BYTES {
        let found = metadata.len();
        return Err(format!(
            "{shown}: has {found} bytes; expected at most {MAX_FILE_BYTES}"
        ));
    }
    // With room for all from the start: a buffer that grows leaves copies behind.
    let capacity = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.by_ref()
        .take(metadata.len())
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
