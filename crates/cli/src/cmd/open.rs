//! `attn open`: the page of a run in a browser.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::anyhow;

use crate::exit::{Exit, Failure};
use crate::program::program;
use crate::runs;

/// Open the page of a run in a browser, or print its path where there is none
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run folder, or a page [default: the latest of bench-results/runs]
    #[arg(value_name = "RUN")]
    run: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  attn open                                  the latest run of bench-results/runs
  attn open bench-results/reference
  attn open target/attn-gate                 the page of a gate
  attn open maps/map.html";

/// Pages of runs, gates, claims and maps.
const PAGES: [&str; 3] = ["index.html", "claims.html", "map.html"];

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let run = runs::named(args.run.as_deref())?;
    let page = page(&run)?;
    println!("{}", page.display());
    show(&page);
    Ok(Exit::Success)
}

fn page(run: &Path) -> Result<PathBuf, Failure> {
    let beside = PAGES.iter().map(|name| run.join(name));
    let found = [run.to_owned()].into_iter().chain(beside).find(|path| path.is_file());
    found.ok_or_else(|| {
        let (run, attn) = (run.display(), program());
        anyhow!("{run}: no page, expected index.html there: `{attn} report {run}` draws one").into()
    })
}

/// Hands the page to whatever opens pages here. That there is nothing is no failure: the path has been printed.
fn show(page: &Path) {
    let (opener, arguments): (&str, &[&str]) = if cfg!(windows) {
        ("cmd", &["/C", "start", ""])
    } else if cfg!(target_os = "macos") {
        ("open", &[])
    } else if ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some()) {
        ("xdg-open", &[])
    } else {
        return;
    };
    let mut command = Command::new(opener);
    command.args(arguments).arg(page).stdin(Stdio::null()).stdout(Stdio::null());
    if let Err(error) = command.stderr(Stdio::null()).status() {
        note!("attn: {opener}: {error}: open the page yourself");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_page_is_found_in_its_folder_and_by_its_own_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = page(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no page") && error.contains("report"), "{error}");
        let claims = folder.path().join("claims.html");
        fs::write(&claims, "").unwrap();
        assert_eq!(page(folder.path()).unwrap(), claims);
        assert_eq!(page(&claims).unwrap(), claims);
    }
}
