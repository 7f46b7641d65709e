//! Roles, and the file in which the operator gives them to the names in client certificates.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::fault::FieldFault;
use crate::identifier;

/// Most clients in one file.
const MAX_CLIENTS: usize = 1024;

/// Longest name of a client, in bytes (SPIFFE-ID, section 2.3: implementations must support 2048).
const MAX_NAME_BYTES: usize = 2048;

/// What a client is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The ledger service: has checkpoints signed.
    Signer,
    /// Reads the keyring and the record, and verifies.
    Auditor,
    /// Refreshes and revokes keys.
    Operator,
}

impl Role {
    /// The name in the roles file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

/// Which ledgers a signer may have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ledgers {
    All,
    Only(Vec<LedgerPattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LedgerPattern {
    Exactly(String),
    StartsWith(String),
}

impl LedgerPattern {
    fn parse(text: &str) -> Option<Self> {
        let (start, pattern) = match text.strip_suffix('*') {
            Some(start) => (start, Self::StartsWith(start.into())),
            None => (text, Self::Exactly(text.into())),
        };
        identifier::check(start).ok().map(|()| pattern)
    }

    fn covers(&self, ledger_id: &str) -> bool {
        match self {
            Self::Exactly(id) => ledger_id == id,
            Self::StartsWith(start) => ledger_id.starts_with(start.as_str()),
        }
    }
}

impl Ledgers {
    fn cover(&self, ledger_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| pattern.covers(ledger_id)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    roles: Vec<Role>,
    ledgers: Ledgers,
}

/// The roles of all clients, by the URI or the DNS name in their certificates.
#[derive(Debug, PartialEq, Eq)]
pub struct Clients(HashMap<String, Grant>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireClients {
    #[serde(default)]
    clients: HashMap<String, WireGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireGrant {
    roles: Vec<Role>,
    ledgers: Option<Vec<String>>,
}

impl Clients {
    /// Reads the file: TOML, a table for each client.
    ///
    /// ```
    /// # use checkpoint_signer::grpc::access::Clients;
    /// let clients = Clients::parse(r#"
    ///     [clients."spiffe://amply.example/ledger"]
    ///     roles = ["signer"]
    ///     ledgers = ["global", "org_*"]
    ///
    ///     [clients."auditors.example.org"]
    ///     roles = ["auditor"]
    /// "#);
    /// assert!(clients.is_ok());
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<FieldFault>> {
        let wire: WireClients = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(1, |span| {
                1 + text
                    .get(..span.start)
                    .map_or(0, |before| before.matches('\n').count())
            });
            vec![FieldFault::new(
                format!("line {at}"),
                format!(
                    "{}; expected tables [clients.\"NAME\"] with roles and, for a signer, ledgers",
                    error.message()
                ),
            )]
        })?;
        let mut faults = Vec::new();
        if wire.clients.is_empty() || wire.clients.len() > MAX_CLIENTS {
            let problem = format!(
                "has {} entries; expected 1 to {MAX_CLIENTS}",
                wire.clients.len()
            );
            faults.push(FieldFault::new("clients", problem));
        }
        let mut clients = HashMap::new();
        for (name, grant) in wire.clients {
            match read_grant(&name, grant) {
                Ok(grant) => drop(clients.insert(canonical(&name), grant)),
                Err(found) => faults.extend(found),
            }
        }
        faults.sort_by(|a, b| a.field.cmp(&b.field));
        match faults.is_empty() {
            true => Ok(Self(clients)),
            false => Err(faults),
        }
    }

    /// The caller that these names are: all roles that any of them has. A caller without a role may do nothing.
    pub(super) fn caller<'n>(&self, names: impl Iterator<Item = &'n str>) -> Caller {
        let mut caller = Caller {
            name: Arc::from(""),
            grants: Vec::new(),
        };
        for name in names {
            let grant = self.0.get(&canonical(name));
            let is_first = grant.is_some() && caller.grants.is_empty();
            if is_first || caller.name.is_empty() {
                caller.name = name.into();
            }
            caller.grants.extend(grant.cloned());
        }
        caller
    }
}

/// DNS names are the same in any case (RFC 4343); a URI is taken as it is written.
fn canonical(name: &str) -> String {
    match name.contains("://") {
        true => name.into(),
        false => name.to_ascii_lowercase(),
    }
}

fn read_grant(name: &str, wire: WireGrant) -> Result<Grant, Vec<FieldFault>> {
    let field = |member: &str| format!("clients.{name:?}{member}");
    let mut faults = Vec::new();
    let is_dns = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = match name.split_once("://") {
        Some((scheme, rest)) => {
            !scheme.is_empty() && !rest.is_empty() && name.chars().all(|c| c.is_ascii_graphic())
        }
        None => !name.is_empty() && name.chars().all(is_dns),
    };
    if !is_name || name.len() > MAX_NAME_BYTES {
        let problem = "is no name of a client; expected a URI such as spiffe://example.org/ledger, or a DNS name";
        faults.push(FieldFault::new(field(""), problem));
    }
    if wire.roles.is_empty() {
        let problem = "is empty; expected one of signer, auditor, operator, or several";
        faults.push(FieldFault::new(field(".roles"), problem));
    }
    let ledgers = match wire.ledgers {
        None => Ledgers::All,
        Some(_) if !wire.roles.contains(&Role::Signer) => {
            let problem = "is given without the role signer, whose ledgers it bounds";
            faults.push(FieldFault::new(field(".ledgers"), problem));
            Ledgers::All
        }
        Some(texts) => {
            let mut patterns = Vec::new();
            for text in &texts {
                match LedgerPattern::parse(text) {
                    Some(pattern) => patterns.push(pattern),
                    None => {
                        let problem = format!(
                            "has {text:?}; expected a ledger_id, or the beginning of one and an asterisk, such as org_*"
                        );
                        faults.push(FieldFault::new(field(".ledgers"), problem));
                    }
                }
            }
            Ledgers::Only(patterns)
        }
    };
    match faults.is_empty() {
        true => Ok(Grant {
            roles: wire.roles,
            ledgers,
        }),
        false => Err(faults),
    }
}

/// Who calls, and what they may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    name: Arc<str>,
    grants: Vec<Grant>,
}

impl Caller {
    /// Somebody on this machine, where no certificates are asked for.
    pub(super) fn open(address: &str) -> Self {
        let roles = vec![Role::Signer, Role::Auditor, Role::Operator];
        Self {
            name: address.into(),
            grants: vec![Grant {
                roles,
                ledgers: Ledgers::All,
            }],
        }
    }

    /// The name in the certificate by which the caller has its roles, or the address of a caller without one.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether the caller has the role.
    pub fn has(&self, role: Role) -> bool {
        self.grants.iter().any(|grant| grant.roles.contains(&role))
    }

    /// Whether the caller may have checkpoints of this ledger signed.
    pub fn may_sign(&self, ledger_id: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.roles.contains(&Role::Signer) && grant.ledgers.cover(ledger_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [clients."spiffe://amply.example/ledger"]
        roles = ["signer"]
        ledgers = ["global", "org_*"]
        [clients."Auditors.Example.org"]
        roles = ["auditor"]
    "#;

    #[test]
    fn a_signer_is_bound_to_its_ledgers() {
        let clients = Clients::parse(FILE).unwrap();
        let ledger = clients.caller(["spiffe://amply.example/ledger"].into_iter());
        for (ledger_id, expected) in [
            ("global", true),
            ("org_7", true),
            ("globals", false),
            ("x_org_7", false),
        ] {
            assert_eq!(ledger.may_sign(ledger_id), expected, "{ledger_id}");
        }
        assert!(!ledger.has(Role::Auditor));
    }

    #[test]
    fn a_dns_name_is_the_same_in_any_case_and_a_uri_is_not() {
        let clients = Clients::parse(FILE).unwrap();
        assert!(
            clients
                .caller(["auditors.EXAMPLE.org"].into_iter())
                .has(Role::Auditor)
        );
        assert!(
            !clients
                .caller(["spiffe://AMPLY.example/ledger"].into_iter())
                .has(Role::Signer)
        );
        let nobody = clients.caller(["other.example.org"].into_iter());
        assert_eq!(
            (nobody.name().as_ref(), nobody.grants.len()),
            ("other.example.org", 0)
        );
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let faults = Clients::parse(
            "[clients.\"no name\"]\nroles=[]\n[clients.a]\nroles=[\"auditor\"]\nledgers=[\"x\"]\n\
             [clients.b]\nroles=[\"signer\"]\nledgers=[\"a*b\"]",
        );
        let fields: Vec<_> = faults
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.field)
            .collect();
        let expected = [
            r#"clients."a".ledgers"#,
            r#"clients."b".ledgers"#,
            r#"clients."no name""#,
            r#"clients."no name".roles"#,
        ];
        assert_eq!(fields, expected);
        for (text, expected) in [
            ("", "clients: has 0 entries"),
            (
                "\n[clients.a]\nroles = [\"admin\"]",
                "line 3: unknown variant `admin`",
            ),
            ("[clients.a]\nrole = []", "line 2: unknown field `role`"),
        ] {
            let message = crate::fault::list(&Clients::parse(text).unwrap_err());
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
