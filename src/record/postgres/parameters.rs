//! The parameters of a database's address: each is kept, or refused with the reason.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, TargetSessionAttrs};

/// The longest wait for a host that may be asked for, in seconds.
const MAX_CONNECT_TIMEOUT: u64 = 60;

/// Takes a parameter over.
pub(super) fn set(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
    match name {
        "application_name" => {
            config.application_name(value);
        }
        "connect_timeout" => {
            let seconds = value.parse().ok();
            let seconds = seconds.filter(|seconds| (1..=MAX_CONNECT_TIMEOUT).contains(seconds));
            let wrong = || format!("connect_timeout: expected 1 to {MAX_CONNECT_TIMEOUT} seconds");
            config.connect_timeout(Duration::from_secs(seconds.ok_or_else(wrong)?));
        }
        "target_session_attrs" => match value {
            "read-write" | "primary" => {
                config.target_session_attrs(TargetSessionAttrs::ReadWrite);
            }
            _ => {
                return Err(
                    "target_session_attrs: expected read-write or primary: what is on a standby is older than what was \
                     handed out, and nothing can be recorded there"
                        .into(),
                );
            }
        },
        "load_balance_hosts" => {
            config.load_balance_hosts(match value {
                "disable" => LoadBalanceHosts::Disable,
                "random" => LoadBalanceHosts::Random,
                _ => return Err("load_balance_hosts: expected disable or random".into()),
            });
        }
        "channel_binding" => {
            config.channel_binding(match value {
                "disable" => ChannelBinding::Disable,
                "prefer" => ChannelBinding::Prefer,
                "require" => ChannelBinding::Require,
                _ => return Err("channel_binding: expected disable, prefer or require".into()),
            });
        }
        "client_encoding" => match value.to_ascii_lowercase().as_str() {
            "utf8" | "utf-8" => {}
            _ => return Err("client_encoding: expected UTF8".into()),
        },
        "options" => {
            return Err(
                "options: is not supported: a pooler may drop it, and what the service needs it sets in each transaction"
                    .into(),
            );
        }
        name if is_plain_name(name) => {
            return Err(format!(
                "{name}: is a parameter that this service does not support; expected some of sslmode, sslrootcert, host, \
                 port, hostaddr, user, password, dbname, application_name, connect_timeout, target_session_attrs, \
                 load_balance_hosts, channel_binding, client_encoding"
            ));
        }
        _ => return Err("a parameter has a name that no parameter has".into()),
    }
    Ok(())
}

/// Any other name may be a part of a password.
pub(super) fn is_plain_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    name.len() < 32 && name.bytes().all(letters)
}
