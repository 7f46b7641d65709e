//! Who acts from a shell: for the audit log, and for acts that are on record by a name.

/// The operator's name on this machine. Without one in the environment (a container, a job), the machine's list of users has it.
pub(crate) fn name() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    user.unwrap_or_else(|_| {
        let uid = rustix::process::getuid().as_raw();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let named = users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == uid.to_string()).then(|| format!("{name} (uid {uid})"))
        });
        named.unwrap_or_else(|| format!("uid {uid}"))
    })
}
