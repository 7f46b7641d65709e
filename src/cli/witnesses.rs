//! The flags that tell how far the record once was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use checkpoint_verify::cli::head::read_head;
use clap::Args;

use super::Failure;
use super::failure::fault_of;
use super::server::ClientTlsArgs;
use crate::client::{self, RemotePeer};
use crate::record::Record;
use crate::record::witness::KnownHead;
use crate::service::{HeadFile, Peer, SilentPeer, WhenMissing, WitnessError, Witnesses};
use crate::x509::Certificates;
use checkpoint::fault::FieldFault;
use checkpoint::log::head::LogName;

/// The head file in the folder of --dev.
const DEV_HEAD_FILE: &str = "record-head.jws";

/// What tells how far the record once was. `serve` starts only on a record that contains all of it, and goes on comparing; a command
/// compares it once.
#[derive(Args)]
pub(super) struct WitnessArgs {
    /// A signed head that the record must contain: a file with what `record head` printed, in either form. Give it again for
    /// further ones
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_KNOWN_HEAD",
        value_delimiter = ',',
        value_name = "HEAD"
    )]
    known_head: Vec<PathBuf>,
    /// Where `serve` keeps the newest signed head of the record, outside of it; the record must contain that head. An empty
    /// record begins the file; for any other, make it by `record head`. With --dev, it is in the data folder. Commands only read it
    #[arg(long, env = "CHECKPOINT_SIGNER_HEAD_FILE", value_name = "PATH")]
    head_file: Option<PathBuf>,
    /// Another replica of the same record; name all of them. Each is asked for what it has seen, which the record must contain. One
    /// that does not answer when `serve` starts is left out; after a promotion of the database, all must answer before anything
    /// is signed or accepted. Give it again for further ones
    #[arg(
        long,
        env = "CHECKPOINT_SIGNER_PEER",
        value_delimiter = ',',
        value_name = "URL"
    )]
    peer: Vec<String>,
    #[command(flatten)]
    peer_tls: ClientTlsArgs,
}

/// What a record is compared with once.
#[derive(Args)]
pub(super) struct ComparedArgs {
    #[command(flatten)]
    witnesses: WitnessArgs,
    /// Go on knowingly when this --peer does not answer: one that was ended, and what it has seen is known otherwise. Give it
    /// again for further ones
    #[arg(long, value_name = "URL")]
    without_peer: Vec<String>,
}

impl ComparedArgs {
    /// Reads the heads.
    pub(super) fn read(self) -> Result<Compared, Failure> {
        let WitnessArgs {
            head_file, peer, ..
        } = &self.witnesses;
        if let Some(path) = head_file.as_ref().filter(|path| !path.exists()) {
            return Err(Failure::Impossible(format!(
                "--head-file {}: is missing; expected the head file of a replica, or leave it out",
                path.display()
            )));
        }
        let mut without = self.without_peer.iter();
        if let Some(url) = without.find(|url| !peer.contains(url)) {
            return Err(Failure::Impossible(format!(
                "--without-peer {url}: expected one of --peer ({})",
                peer.join(", ")
            )));
        }
        Ok(Compared {
            witnesses: self.witnesses.read(None)?,
            without: self.without_peer,
        })
    }
}

/// What a record is compared with once, and the peers that need not answer.
pub(super) struct Compared {
    witnesses: Witnesses,
    without: Vec<String>,
}

impl Compared {
    /// Compares the record with all of it. Gives what could not be compared: what stands against going on, and what was left out
    /// knowingly.
    pub(super) async fn check(
        &self,
        record: &dyn Record,
        log: &LogName,
    ) -> Result<(Vec<String>, Vec<String>), WitnessError> {
        let mut untold = self.witnesses.check(record, log).await?;
        untold.extend(self.witnesses.check_revocations(record).await?);
        let (known, open): (Vec<SilentPeer>, Vec<SilentPeer>) = untold
            .into_iter()
            .partition(|untold| self.without.contains(&untold.url));
        let problems =
            |untold: Vec<SilentPeer>| untold.into_iter().map(|one| one.problem).collect();
        Ok((problems(open), problems(known)))
    }
}

impl WitnessArgs {
    /// What is wrong with them, as far as that can be told without the record and the peers.
    pub(super) fn faults(&self) -> Vec<FieldFault> {
        let heads = self.known_head.iter().filter_map(|path| {
            let failure = read_head(path).err()?;
            Some(FieldFault::new("--known-head", failure.message()))
        });
        let file = self.head_file().and_then(|file| {
            let problem = file.look().err()?.to_string();
            Some(fault_of("--head-file", &problem))
        });
        let tls = self.peer_tls.named();
        let peers = self.peer.iter().filter_map(|url| {
            let error = client::check(url, &tls).err()?;
            Some(FieldFault::new("--peer", error.to_string()))
        });
        heads.chain(file).chain(peers).collect()
    }

    /// The certificates with which the peers are asked.
    pub(super) fn certificates(&self) -> Vec<Certificates> {
        self.peer_tls.named().certificates()
    }

    fn head_file(&self) -> Option<HeadFile> {
        Some(HeadFile {
            path: self.head_file.clone()?,
            when_missing: WhenMissing::BeginWhenEmpty,
        })
    }

    /// Reads the heads. `dev` is the folder of --dev, if the record is there.
    pub(super) fn read(self, dev: Option<&Path>) -> Result<Witnesses, Failure> {
        let head_file = self.head_file();
        let known_head = |path: PathBuf| {
            let place = format!("--known-head {}", path.display());
            let head = read_head(&path).map_err(|failure| {
                Failure::Impossible(format!("--known-head {}", failure.message()))
            })?;
            Ok(KnownHead { place, head })
        };
        let known_heads = self.known_head.into_iter().map(known_head);
        let dev_file = || {
            Some(HeadFile {
                path: dev?.join(DEV_HEAD_FILE),
                when_missing: WhenMissing::Begin,
            })
        };
        let tls = self.peer_tls.named();
        let peer = |url: String| {
            let refused = |error| Failure::Impossible(format!("--peer: {error}"));
            client::check(&url, &tls).map_err(refused)?;
            let tls = tls.clone();
            Ok(Arc::new(RemotePeer { url, tls }) as Arc<dyn Peer>)
        };
        Ok(Witnesses {
            known_heads: known_heads.collect::<Result<_, Failure>>()?,
            head_file: head_file.or_else(dev_file),
            peers: self
                .peer
                .into_iter()
                .map(peer)
                .collect::<Result<_, Failure>>()?,
        })
    }
}
