//! How a connection is made and kept: one on which the server warns that a commit may not be durable is closed before the commit
//! is answered, so that nobody takes it for one.
//!
//! PostgreSQL commits in two steps where there is a synchronous standby: on its own disk, then it waits for the standby. When that
//! wait is ended (`pg_cancel_backend`, `statement_timeout`, a shutdown), it answers `COMMIT` all the same, after a warning.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::Connect;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Socket};

use super::DatabaseAddress;
use super::error::describe;

/// Makes connections by a TLS connector, to the first host of an address that takes rows.
pub(super) struct Wire<T> {
    pub(super) tls: T,
    pub(super) address: DatabaseAddress,
}

type Connecting<'a> =
    Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + 'a>>;

impl<T> Connect for Wire<T>
where
    T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
    T::Stream: Sync + Send + Unpin,
    T::TlsConnect: Sync + Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self, config: &Config) -> Connecting<'_> {
        let config = config.clone();
        Box::pin(async move {
            let (client, mut connection) = self.first_that_answers(&config).await?;
            // What the server tells at the start of a session is about no commit.
            poll_fn(|context| {
                while let Poll::Ready(Some(Ok(_))) = connection.poll_message(context) {}
                Poll::Ready(())
            })
            .await;
            Ok((client, tokio::spawn(keep(connection))))
        })
    }
}

impl<T> Wire<T>
where
    T: MakeTlsConnect<Socket> + Clone,
{
    async fn first_that_answers(
        &self,
        config: &Config,
    ) -> Result<(Client, Connection<Socket, T::Stream>), Error> {
        let mut failed = None;
        for (host, config) in self.address.in_order() {
            match config.connect(self.tls.clone()).await {
                Ok(connected) => {
                    self.address.heard.answers(&host);
                    return Ok(connected);
                }
                Err(error) => {
                    self.address.heard.fails(&host, describe(&error));
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => config.connect(self.tls.clone()).await,
        }
    }
}

async fn keep<S>(mut connection: Connection<Socket, S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notice(notice))) if is_warning(&notice) => {
                // Whoever waits for an answer finds the connection closed, and asks again.
                let (code, message) = (notice.code().code(), notice.message());
                tracing::warn!(
                    code,
                    message,
                    "the database warns: what was asked is not done"
                );
                return;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, "a connection to the database has ended");
                return;
            }
            None => return,
        }
    }
}

/// A warning of class 01, or one of the synchronous commit's: by its place in the source, which no language and no version of
/// the server words differently.
fn is_warning(notice: &DbError) -> bool {
    let of_waiting = notice.file() == Some("syncrep.c");
    // Where the severity is not told apart from its translation, nothing is taken for harmless.
    let is_loud = !matches!(
        notice.parsed_severity(),
        Some(Severity::Notice | Severity::Info | Severity::Log | Severity::Debug)
    );
    is_loud && (of_waiting || notice.code().code().starts_with("01"))
}
