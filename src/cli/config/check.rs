//! `config check`: shows the settings and everything that is wrong with them and with the files they name.

use clap::{ArgMatches, CommandFactory as _, ValueEnum as _};
use serde_json::json;

use super::settings::{Origin, Setting, Settings};
use crate::cli::unused::unread_variables;
use crate::cli::{Cli, Failure, Format, print, print_json};
use checkpoint::fault::FieldFault;
use checkpoint::visible::visible;

/// `config check`, by what is given on its line and in the environment.
pub(in crate::cli) async fn run(given: ArgMatches) -> Result<(), Failure> {
    let format = format(&given)?;
    let settings = Settings::gather(&given)?;
    let (mut faults, serve) = settings.judge();
    if given.get_raw("config").is_some_and(|files| files.len() > 1) {
        let problem = "is given more than once, and the last one alone was read; expected one file";
        faults.push(FieldFault::new("--config", problem));
    }
    faults.extend(unread_variables(&Cli::command()));
    for setting in &settings.all {
        faults.extend(unreadable(setting));
    }
    let mut warnings = Vec::new();
    if let Some(serve) = serve {
        let places = serve.look_at_places().await;
        warnings = places.oddities;
        // A flag whose file cannot be read was told already.
        let told: Vec<String> = faults.iter().map(|fault| flag(&fault.field)).collect();
        faults.extend(
            places
                .faults
                .into_iter()
                .filter(|fault| !told.contains(&flag(&fault.field))),
        );
    }
    show(&settings, &faults, &warnings, format)?;
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Failure::Shown),
    }
}

fn format(given: &ArgMatches) -> Result<Format, Failure> {
    let mut texts = given.get_raw("format").into_iter().flatten();
    let text = texts.next_back().unwrap_or_default();
    Format::from_str(&text.to_string_lossy(), false)
        .map_err(|_| Failure::Impossible(format!("--format: is {text:?}; expected text or json")))
}

/// The flag at the start of a field.
fn flag(field: &str) -> String {
    field.split(' ').next().unwrap_or_default().into()
}

fn unreadable(setting: &Setting) -> Vec<FieldFault> {
    let fault = |path| {
        let path = std::path::Path::new(path);
        let problem = files::open_regular(path).err()?;
        let path = path.display();
        Some(FieldFault::new(
            setting.field(),
            format!("{path}: {problem}"),
        ))
    };
    setting.files().iter().filter_map(fault).collect()
}

fn show(
    settings: &Settings,
    faults: &[FieldFault],
    warnings: &[FieldFault],
    format: Format,
) -> Result<(), Failure> {
    if format == Format::Json {
        let all: Vec<_> = settings.all.iter().map(as_json).collect();
        let told = |found: &[FieldFault]| -> serde_json::Value {
            found
                .iter()
                .map(|fault| json!({ "field": fault.field, "problem": fault.problem }))
                .collect()
        };
        let (faults, warnings) = (told(faults), told(warnings));
        return print_json(&json!({ "settings": all, "faults": faults, "warnings": warnings }));
    }
    let rows: Vec<_> = settings
        .all
        .iter()
        .map(|setting| {
            let (value, origin) = (setting.shown().join(", "), setting.origin.to_string());
            let shown = |text: String| visible(&text).into_owned();
            (setting.name(), shown(value), shown(origin))
        })
        .collect();
    let width = rows
        .iter()
        .map(|(name, ..)| name.len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for (name, value, origin) in rows {
        match value.is_empty() {
            true => text.push_str(&format!("{name:width$}  ({origin})\n")),
            false => text.push_str(&format!("{name:width$}  {value}  ({origin})\n")),
        }
    }
    text.push('\n');
    for warning in warnings {
        text.push_str(&format!("warning: {}\n", visible(&warning.to_string())));
    }
    for fault in faults {
        text.push_str(&format!("fault: {}\n", visible(&fault.to_string())));
    }
    text.push_str(&match faults.len() {
        0 => "no faults\n".into(),
        count => format!("faults: {count}\n"),
    });
    print(&text)
}

fn as_json(setting: &Setting) -> serde_json::Value {
    let (from, at) = match &setting.origin {
        Origin::Flag => ("flag", None),
        Origin::Environment(variable) => ("environment", Some(variable)),
        Origin::File(place) => ("file", Some(place)),
        Origin::Default => ("default", None),
        Origin::Nowhere => ("not set", None),
    };
    json!({ "name": setting.name(), "values": setting.shown(), "from": from, "at": at })
}
