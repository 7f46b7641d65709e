//! Roles, and the file in which the operator gives them to the names in client certificates.
//!
//! Attack: a signer of one ledger has another one's checkpoint signed. Shown by `tests/access/every_rpc.rs`
//! (`a_signer_of_some_ledgers_signs_no_other_one_alone_and_in_a_stream`) and `streams.rs` (`a_bound_on_ledgers_holds_in_a_stream_that_is_open`).

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::names::ClientName;
use checkpoint::fault::FieldFault;
use checkpoint::identifier;

/// Most clients in one file.
const MAX_CLIENTS: usize = 1024;

/// Most ledgers or beginnings of ledgers of one client: each is compared with every checkpoint.
const MAX_LEDGERS: usize = 1024;

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

/// The roles of all clients, by the URI or the DNS name in their certificates. A name has the roles of its own type of name
/// alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Clients(HashMap<ClientName, Grant>);

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
    ///     [clients."URI:spiffe://amply.example/ledger"]
    ///     roles = ["signer"]
    ///     ledgers = ["global", "org_*"]
    ///
    ///     [clients."DNS:auditors.example.org"]
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
                    "{}; expected tables [clients.\"URI:...\"] or [clients.\"DNS:...\"] with roles and, for a signer, ledgers",
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
        for (text, grant) in wire.clients {
            let field = format!("clients.{text:?}");
            let name = ClientName::parse(&text);
            let grant = read_grant(&field, grant).map_err(|found| faults.extend(found));
            match (name, grant) {
                (Err(problem), _) => faults.push(FieldFault::new(field, problem)),
                (Ok(name), _) if clients.contains_key(&name) => {
                    let problem = format!("names {name}, which stands there in another way too");
                    faults.push(FieldFault::new(field, problem));
                }
                (Ok(name), grant) => drop(clients.insert(name, grant.ok())),
            }
        }
        faults.sort_by(|a, b| a.field.cmp(&b.field));
        match faults.is_empty() {
            true => {
                let clients = clients.into_iter();
                let clients = clients.filter_map(|(name, grant)| Some((name, grant?)));
                Ok(Self(clients.collect()))
            }
            false => Err(faults),
        }
    }

    /// The caller that these names are: all roles that any of them has, under all names that have one. A caller without a
    /// role may do nothing, and is called by the first of its names, or `otherwise`.
    pub(super) fn caller(&self, names: &[ClientName], otherwise: &str) -> Caller {
        let mut granted: Vec<&ClientName> = Vec::new();
        let mut grants = Vec::new();
        for name in names {
            if let Some(grant) = self.0.get(name)
                && !granted.contains(&name)
            {
                granted.push(name);
                grants.push(grant.clone());
            }
        }
        let shown: Vec<String> = granted.iter().map(|name| name.to_string()).collect();
        let name = match (shown.is_empty(), names.first()) {
            (false, _) => shown.join(", "),
            (true, Some(first)) => first.to_string(),
            (true, None) => otherwise.into(),
        };
        Caller {
            name: name.into(),
            is_named: !names.is_empty(),
            grants,
        }
    }
}

/// `client` is the table, as a fault names it.
fn read_grant(client: &str, wire: WireGrant) -> Result<Grant, Vec<FieldFault>> {
    let field = |member: &str| format!("{client}{member}");
    let mut faults = Vec::new();
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
            if texts.is_empty() || texts.len() > MAX_LEDGERS {
                let problem = format!(
                    "has {} entries; expected 1 to {MAX_LEDGERS}, or no line for all ledgers",
                    texts.len()
                );
                faults.push(FieldFault::new(field(".ledgers"), problem));
            }
            let mut patterns = Vec::new();
            for text in texts.iter().take(MAX_LEDGERS) {
                match LedgerPattern::parse(text) {
                    Some(pattern) if patterns.contains(&pattern) => {
                        let problem = format!("has {text:?} twice; expected each once");
                        faults.push(FieldFault::new(field(".ledgers"), problem));
                    }
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
    /// Whether the name is one in a certificate.
    is_named: bool,
    grants: Vec<Grant>,
}

impl Caller {
    /// Somebody on this machine, where no certificates are asked for.
    pub(super) fn open(address: &str) -> Self {
        let roles = vec![Role::Signer, Role::Auditor, Role::Operator];
        Self {
            name: address.into(),
            is_named: false,
            grants: vec![Grant {
                roles,
                ledgers: Ledgers::All,
            }],
        }
    }

    /// The names in the certificate by which the caller has its roles, with their types and commas between, or the address of
    /// a caller without one.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether the certificate has a name of a type that roles are given to.
    pub fn is_named(&self) -> bool {
        self.is_named
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
        [clients."URI:spiffe://amply.example/ledger"]
        roles = ["signer"]
        ledgers = ["global", "org_*"]
        [clients."DNS:Auditors.Example.org."]
        roles = ["auditor"]
    "#;

    fn caller(clients: &Clients, names: &[ClientName]) -> Caller {
        clients.caller(names, "127.0.0.1")
    }

    fn uri(text: &str) -> ClientName {
        ClientName::Uri(text.into())
    }

    fn dns(text: &str) -> ClientName {
        ClientName::parse(&format!("DNS:{text}")).unwrap()
    }

    #[test]
    fn a_signer_is_bound_to_its_ledgers() {
        let clients = Clients::parse(FILE).unwrap();
        let ledger = caller(&clients, &[uri("spiffe://amply.example/ledger")]);
        for (ledger_id, expected) in [
            ("global", true),
            ("org_7", true),
            ("globals", false),
            ("x_org_7", false),
            ("Org_7", false),
        ] {
            assert_eq!(ledger.may_sign(ledger_id), expected, "{ledger_id}");
        }
        assert!(!ledger.has(Role::Auditor));
    }

    #[test]
    fn a_dns_name_is_the_same_in_any_case_and_a_uri_is_not() {
        let clients = Clients::parse(FILE).unwrap();
        assert!(caller(&clients, &[dns("auditors.EXAMPLE.org")]).has(Role::Auditor));
        assert!(!caller(&clients, &[uri("spiffe://AMPLY.example/ledger")]).has(Role::Signer));
        assert!(!caller(&clients, &[uri("auditors.example.org")]).has(Role::Auditor));
        let nobody = caller(&clients, &[dns("other.example.org")]);
        assert_eq!(
            (nobody.name().as_ref(), nobody.grants.len()),
            ("DNS:other.example.org", 0)
        );
        assert_eq!(caller(&clients, &[]).name().as_ref(), "127.0.0.1");
    }

    #[test]
    fn several_names_have_the_roles_of_all_and_are_all_told() {
        let clients = Clients::parse(FILE).unwrap();
        let both = [
            uri("spiffe://other.example/x"),
            uri("spiffe://amply.example/ledger"),
            dns("auditors.example.org"),
        ];
        let both = caller(&clients, &both);
        assert!(both.has(Role::Auditor) && both.may_sign("global"));
        assert_eq!(
            both.name().as_ref(),
            "URI:spiffe://amply.example/ledger, DNS:auditors.example.org"
        );
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let faults = Clients::parse(
            "[clients.\"no name\"]\nroles=[]\n[clients.\"DNS:a\"]\nroles=[\"auditor\"]\nledgers=[\"x\"]\n\
             [clients.\"DNS:b\"]\nroles=[\"signer\"]\nledgers=[\"a*b\"]\n\
             [clients.\"DNS:c\"]\nroles=[\"signer\"]\nledgers=[]\n\
             [clients.\"DNS:d\"]\nroles=[\"signer\"]\nledgers=[\"x\", \"x\"]",
        );
        let fields: Vec<_> = faults
            .unwrap_err()
            .into_iter()
            .map(|fault| fault.field)
            .collect();
        let expected = [
            r#"clients."DNS:a".ledgers"#,
            r#"clients."DNS:b".ledgers"#,
            r#"clients."DNS:c".ledgers"#,
            r#"clients."DNS:d".ledgers"#,
            r#"clients."no name""#,
            r#"clients."no name".roles"#,
        ];
        assert_eq!(fields, expected);
        for (text, expected) in [
            ("", "clients: has 0 entries"),
            (
                "\n[clients.\"DNS:a\"]\nroles = [\"admin\"]",
                "line 3: unknown variant `admin`",
            ),
            (
                "[clients.\"DNS:a\"]\nrole = []",
                "line 2: unknown field `role`",
            ),
        ] {
            let message = checkpoint::fault::list(&Clients::parse(text).unwrap_err());
            assert!(message.starts_with(expected), "{message}");
        }
        let twice = "[clients.\"DNS:A.example\"]\nroles=[\"auditor\"]\n[clients.\"DNS:a.example.\"]\nroles=[\"signer\"]";
        let message = checkpoint::fault::list(&Clients::parse(twice).unwrap_err());
        assert!(message.contains("names DNS:a.example, which"), "{message}");
    }
}
