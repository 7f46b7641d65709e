//! The settings in force: for each flag of `serve` the first of flag, environment, file and default that has it.

use std::collections::HashSet;
use std::error::Error as _;
use std::ffi::OsString;
use std::fmt;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};

use super::file;
use crate::cli::serve::Serve;
use crate::cli::shown::shown;
use crate::cli::unused;
use crate::cli::{Cli, Failure};
use checkpoint::fault::FieldFault;

const MISSING: &str = "is missing; expected with what else is set (see serve --help)";

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    /// The variable.
    Environment(String),
    /// `FILE:LINE`.
    File(String),
    Default,
    /// Not set, and without a default.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File(place) => write!(f, "file {place}"),
            Self::Default => f.write_str("default"),
            Self::Nowhere => f.write_str("not set"),
        }
    }
}

/// A flag of `serve` with what it is set to.
pub(super) struct Setting {
    flag: Arg,
    values: Vec<OsString>,
    pub(super) origin: Origin,
}

impl Setting {
    pub(super) fn name(&self) -> &str {
        self.flag.get_long().unwrap_or_default()
    }

    /// What it is set to, with secrets masked.
    pub(super) fn shown(&self) -> Vec<String> {
        let takes_secrets = self.flag.is_hide_env_values_set();
        let show = |value: &OsString| shown(takes_secrets, &value.to_string_lossy());
        self.values.iter().map(show).collect()
    }

    /// The files to read that it names.
    pub(super) fn files(&self) -> &[OsString] {
        let names = self.flag.get_value_names().unwrap_or_default();
        match names.first().is_some_and(|name| name == "FILE") && self.is_explicit() {
            true => &self.values,
            false => &[],
        }
    }

    fn is_explicit(&self) -> bool {
        !matches!(self.origin, Origin::Default | Origin::Nowhere)
    }

    fn is_switch(&self) -> bool {
        !self.flag.get_action().takes_values()
    }

    fn arguments(&self) -> impl Iterator<Item = OsString> {
        let is_on = |value: &&OsString| !self.is_switch() || *value == "true";
        let values = self.values.iter().filter(is_on);
        values.map(|value| file::argument(&self.flag, value))
    }

    /// The field of a fault.
    pub(super) fn field(&self) -> String {
        match self.is_explicit() && self.origin != Origin::Flag {
            true => format!("--{} ({})", self.name(), self.origin),
            false => format!("--{}", self.name()),
        }
    }
}

/// All settings of `serve`, with what is wrong with the file.
pub(super) struct Settings {
    pub(super) all: Vec<Setting>,
    file_faults: Vec<FieldFault>,
}

impl Settings {
    /// Gathers them from what is given on the line and in the environment, and from the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn gather(given: &ArgMatches) -> Result<Self, Failure> {
        let mut command = Cli::command();
        command.build();
        let serve = command.find_subcommand("serve");
        let is_setting = |flag: &&Arg| {
            flag.get_long().is_some_and(|name| name != file::FLAG) && !is_clap_s(flag)
        };
        let flags: Vec<&Arg> = serve
            .into_iter()
            .flat_map(Command::get_arguments)
            .filter(is_setting)
            .collect();
        let (entries, file_faults) = match file::named(given) {
            Some(path) => file::parse(&file::read(&path)?, &path, &flags),
            None => (Vec::new(), Vec::new()),
        };
        let gather = |flag: &&Arg| {
            let id = flag.get_id().as_str();
            let values = given.get_raw(id).into_iter().flatten();
            let values = values.map(OsString::from).collect();
            let entry = entries
                .iter()
                .find(|entry| flag.get_long() == Some(&entry.name));
            let (values, origin) = match (given.value_source(id), entry) {
                (Some(ValueSource::CommandLine), _) => (values, Origin::Flag),
                (Some(ValueSource::EnvVariable), _) => {
                    let variable = flag.get_env().unwrap_or_default().to_string_lossy();
                    (values, Origin::Environment(variable.into_owned()))
                }
                (_, Some(entry)) => {
                    let values = entry.values.iter().map(OsString::from).collect();
                    (values, Origin::File(entry.place.clone()))
                }
                // A switch that is off.
                (Some(_), None) if flag.get_action().takes_values() => (values, Origin::Default),
                _ => (Vec::new(), Origin::Nowhere),
            };
            Setting {
                flag: (*flag).clone(),
                values,
                origin,
            }
        };
        Ok(Self {
            all: flags.iter().map(gather).collect(),
            file_faults,
        })
    }

    /// What the file sets, as arguments.
    pub(super) fn of_file(&self) -> impl Iterator<Item = OsString> {
        let is_of_file = |setting: &&Setting| matches!(setting.origin, Origin::File(_));
        self.all
            .iter()
            .filter(is_of_file)
            .flat_map(Setting::arguments)
    }

    /// Everything that is wrong in form: with the file, with each value, and with what is missing or excludes another.
    pub(super) fn faults(&self) -> Vec<FieldFault> {
        self.judge().0
    }

    /// The faults, and `serve` with what is right.
    pub(super) fn judge(&self) -> (Vec<FieldFault>, Option<Serve>) {
        let mut faults: Vec<_> = self.file_faults.clone();
        let mut dropped = HashSet::new();
        for setting in self.all.iter().filter(|setting| setting.is_switch()) {
            if setting
                .values
                .iter()
                .any(|value| value != "true" && value != "false")
            {
                faults.push(FieldFault::new(setting.field(), "expected true or false"));
                dropped.insert(setting.name());
            }
        }
        // clap tells one fault at a time: what it refuses is noted and left away, and the rest is judged again.
        loop {
            let Err(error) = strict().try_get_matches_from(self.arguments(&dropped)) else {
                break;
            };
            let culprits = self.named_in(&error, ContextKind::InvalidArg);
            if error.kind() == ErrorKind::MissingRequiredArgument {
                let missing = culprits.iter().filter(|setting| {
                    !dropped.contains(setting.name()) && !self.is_refused(setting)
                });
                let because = |setting: &&Setting| FieldFault::new(setting.field(), MISSING);
                faults.extend(missing.map(because));
                break;
            }
            let Some(culprit) = culprits.first().filter(|one| dropped.insert(one.name())) else {
                faults.push(FieldFault::new("settings", error.kind().to_string()));
                break;
            };
            faults.push(FieldFault::new(
                culprit.field(),
                self.problem(&error, culprit),
            ));
        }
        let lenient = strict().ignore_errors(true);
        let matches = lenient.try_get_matches_from(self.arguments(&dropped));
        for unused in matches.iter().flat_map(unused::find) {
            let set = self
                .all
                .iter()
                .find(|setting| setting.name() == unused.flag);
            // What the environment sets is told at the start, and no fault.
            if let Some(set) = set.filter(|set| !matches!(set.origin, Origin::Environment(_))) {
                let problem = format!("would not be used: {}", unused.because);
                faults.push(FieldFault::new(set.field(), problem));
            }
        }
        let serve = matches.ok().and_then(|matches| {
            let (_, serve) = matches.subcommand()?;
            Serve::from_arg_matches(serve).ok()
        });
        (faults, serve)
    }

    /// Whether the file has it, and what it has was refused already.
    fn is_refused(&self, setting: &Setting) -> bool {
        let end = format!(": {}", setting.name());
        self.file_faults
            .iter()
            .any(|fault| fault.field.ends_with(&end))
    }

    fn arguments(&self, dropped: &HashSet<&str>) -> Vec<OsString> {
        let start = ["checkpoint-signer".into(), "serve".into()];
        let kept = |setting: &&Setting| setting.is_explicit() && !dropped.contains(setting.name());
        let given = self.all.iter().filter(kept).flat_map(Setting::arguments);
        start.into_iter().chain(given).collect()
    }

    /// The settings that an error names, as `--grpc <ADDRESS>`.
    fn named_in(&self, error: &clap::Error, context: ContextKind) -> Vec<&Setting> {
        let texts = match error.get(context) {
            Some(ContextValue::String(text)) => std::slice::from_ref(text),
            Some(ContextValue::Strings(texts)) => texts.as_slice(),
            _ => &[],
        };
        let is_named = |setting: &&Setting| {
            let flag = format!("--{}", setting.name());
            texts
                .iter()
                .any(|text| text.split([' ', '=']).next() == Some(&flag))
        };
        self.all.iter().filter(is_named).collect()
    }

    /// What is wrong, without the value where that may be secret.
    fn problem(&self, error: &clap::Error, culprit: &Setting) -> String {
        let found = culprit.shown().join(", ");
        match (error.kind(), error.source()) {
            (ErrorKind::ArgumentConflict, _) => {
                let others = self.named_in(error, ContextKind::PriorArg);
                let others: Vec<String> = others.iter().map(|other| other.field()).collect();
                if others == [culprit.field()] {
                    return "is given more than once; expected once".into();
                }
                format!(
                    "cannot be used with {}; expected one of them",
                    others.join(", ")
                )
            }
            (_, Some(source)) => format!("is {found:?}: {source}"),
            _ => match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                    format!("is {found:?}; expected one of {}", valid.join(", "))
                }
                _ => format!("is {found:?}; expected a value"),
            },
        }
    }
}

/// `--help` and `--version`.
fn is_clap_s(flag: &Arg) -> bool {
    matches!(flag.get_id().as_str(), "help" | "version")
}

/// The command line without the environment, which is among the settings already.
fn strict() -> Command {
    let without = |flag: Arg| flag.env(None::<&'static str>);
    Cli::command()
        .mut_args(without)
        .mut_subcommand("serve", |serve| serve.mut_args(without))
}
