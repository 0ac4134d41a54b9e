//! The command line is sound, and its documentation is that of the code.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use clap::{Arg, Command as Clap, CommandFactory as _};

use super::*;

/// Commands whose flags are settings of a process.
const DOCUMENTED: [&str; 3] = ["up", "metadata-node", "broker"];

#[test]
fn the_command_line_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn the_flags_in_docs_are_those_of_the_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (begin, end) = ("<!-- flags: begin -->\n", "<!-- flags: end -->\n");
    let (before, rest) = text.split_once(begin).expect("the page has the first mark");
    let (table, after) = rest.split_once(end).expect("the page has the second mark");
    let expected = flags();
    if std::env::var_os("DMQ_REWRITE").is_some() {
        std::fs::write(&page, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run this test with DMQ_REWRITE=1 and look at the difference");
}

/// One table per documented command.
fn flags() -> String {
    let root = CommandLine::command();
    let global: BTreeSet<&str> = root.get_arguments().map(|arg| arg.get_id().as_str()).collect();
    let mut text = String::new();
    for name in DOCUMENTED {
        let command = root.find_subcommand(name).unwrap();
        let _ = writeln!(text, "### `dmq {name}`\n");
        text.push_str(&table(command, |arg| {
            !global.contains(arg.get_id().as_str()) || arg.get_id() == "services"
        }));
    }
    text.push_str("### Commands that talk to a cluster\n\n");
    text.push_str(&table(&root, |_| true));
    text
}

fn table(command: &Clap, shown: impl Fn(&Arg) -> bool) -> String {
    let mut text = "| flag | environment | default | meaning |\n|---|---|---|---|\n".to_owned();
    let arguments =
        command.get_arguments().filter(|arg| !matches!(arg.get_id().as_str(), "help" | "version"));
    for arg in arguments.filter(|arg| shown(arg)) {
        let code = |text: String| if text.is_empty() { "-".to_owned() } else { format!("`{text}`") };
        let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = if arg.get_action().takes_values() { default.join(",") } else { String::new() };
        let default = if arg.is_required_set() { "required".to_owned() } else { code(default) };
        let environment = arg.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let about = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let flag = format!("--{}", arg.get_long().unwrap_or_default());
        let _ = writeln!(text, "| `{flag}` | {} | {default} | {about} |", code(environment));
    }
    text.push('\n');
    text
}
