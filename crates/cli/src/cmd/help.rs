//! The command line as it explains itself: commands in groups, and the nearest one for what was misspelt.

use std::ffi::OsString;
use std::fmt::Write as _;

use attn_bench::select::nearest;
use attn_report::table::wrap;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _};

use super::{Cli, GROUPS};
use crate::print::options;

/// Characters of a line, at most.
const WIDTH: usize = 100;

/// The command line.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let header = *command.get_styles().get_header();
    let literal = *command.get_styles().get_literal();
    let mut groups = String::new();
    for (title, names) in GROUPS {
        // Writing to a String cannot fail.
        let _ = writeln!(groups, "{header}{title}:{header:#}");
        for name in names {
            let about = command.find_subcommand(name).and_then(|command| command.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            let first = format!("  {name:<18}");
            let lines = wrap(&about, &first, first.len(), options().width.min(WIDTH));
            let rest = &lines[2 + name.len()..];
            let _ = write!(groups, "  {literal}{name}{literal:#}{rest}");
        }
        groups.push('\n');
    }
    let options = format!("{header}Options:{header:#}\n{{options}}");
    flow(command).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{options}{{after-help}}"
    ))
}

/// The command and those below it, with help that is broken once, where the terminal ends.
fn flow(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let command = names.iter().fold(command, |command, name| command.mut_subcommand(name, flow));
    match command.get_after_help().map(ToString::to_string) {
        Some(help) => command.after_help(flowing(&help)),
        None => command,
    }
}

/// Paragraphs as one line each. Lines that begin with spaces stand for themselves.
fn flowing(help: &str) -> String {
    let stands = |line: &str| line.is_empty() || line.starts_with(' ');
    let mut text = String::new();
    let mut above = "";
    for line in help.lines() {
        let gap = match () {
            () if text.is_empty() => "",
            () if stands(above) || stands(line) => "\n",
            () => " ",
        };
        text += &[gap, line].concat();
        above = line;
    }
    text
}

/// Parses a command line.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = command();
    let parsed = command.try_get_matches_from_mut(words);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|mut error| {
        if error.kind() == ErrorKind::InvalidSubcommand
            && let Some(ContextValue::String(given)) = error.get(ContextKind::InvalidSubcommand)
        {
            let names = GROUPS.map(|(_, names)| names).concat();
            if let Some(nearest) = nearest(given, &names).into_iter().next() {
                let suggested = ContextValue::Strings(vec![nearest]);
                error.insert(ContextKind::SuggestedSubcommand, suggested);
            }
        }
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_flow_and_examples_stand() {
        let help = "Examples:\n  attn run    all\n  attn list   what\n\nA sentence that\ngoes on. Another\none.\n\nLast.";
        let expected = "Examples:\n  attn run    all\n  attn list   what\n\nA sentence that goes on. Another one.\n\nLast.";
        assert_eq!(flowing(help), expected);
    }

    #[test]
    fn every_command_that_is_shown_is_in_one_group() {
        let mut listed = GROUPS.map(|(_, names)| names).concat();
        listed.sort_unstable();
        let shown = Cli::command();
        let shown = shown.get_subcommands().filter(|command| !command.is_hide_set());
        let mut shown: Vec<&str> = shown.map(clap::Command::get_name).collect();
        shown.sort_unstable();
        assert_eq!(listed, shown);
    }
}
