//! `attn completions` and `attn man`: what a shell and `man` want to know of the command line.

use clap_complete::Shell;
use clap_mangen::Man;

use super::help;
use crate::exit::{Exit, Failure};
use crate::program::program_name;

/// Print a script that completes commands and options in a shell
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  attn completions bash > ~/.local/share/bash-completion/completions/attn
  attn completions zsh > ~/.zfunc/_attn
  attn completions fish > ~/.config/fish/completions/attn.fish";

pub(crate) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), program_name(), &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    Exit::Success
}

/// The manual: a page for the program, followed by one for each command.
pub(crate) fn man() -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let mut program = help::command();
    // Tells every command its whole name: `attn run`.
    program.build();
    Man::new(program.clone()).render(&mut page)?;
    for command in program.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help")
    {
        Man::new(command.clone()).render(&mut page)?;
    }
    print!("{}", String::from_utf8_lossy(&page));
    Ok(Exit::Success)
}
