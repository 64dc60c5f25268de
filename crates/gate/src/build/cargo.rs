//! Builds with cargo.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Build, BuildError, io_error};
use crate::config::Target;

/// Cargo with the flags that both programs are built with, whatever the environment and the configuration
/// files say: one code generation unit, so that a change in one function does not move others between
/// units; a fixed instruction set; no path of this machine.
#[derive(Clone, Debug)]
pub struct Cargo {
    target: Target,
    toolchain: String,
}

/// The instruction set of `.cargo/config.toml`.
const CPU: Option<&str> = if cfg!(target_arch = "x86_64") { Some("x86-64-v3") } else { None };

impl Cargo {
    /// For `target`, with the compiler that is found from `folder`.
    pub fn new(target: Target, folder: &Path) -> Result<Self, BuildError> {
        let rustc = Path::new("rustc");
        let version = Command::new(rustc).arg("-vV").current_dir(folder).output();
        let version = version.map_err(io_error(rustc))?;
        let toolchain = String::from_utf8_lossy(&version.stdout).into_owned();
        Ok(Cargo { target, toolchain })
    }

    fn flags(source: &Path) -> Vec<String> {
        let cpu = CPU.map(|cpu| format!("-Ctarget-cpu={cpu}"));
        let remap = format!("--remap-path-prefix={}=/source", source.display());
        cpu.into_iter().chain(["-Ccodegen-units=1".into(), remap]).collect()
    }

    fn command(&self, source: &Path, target: &Path) -> Command {
        let Target { package, bin, features } = &self.target;
        let mut command = Command::new("cargo");
        command.args(["build", "--release", "--locked", "--color=never"]);
        command.args(["--package", package, "--bin", bin]);
        if !features.is_empty() {
            command.arg("--features").arg(features.join(","));
        }
        command.current_dir(source);
        command.env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
        command.env("CARGO_ENCODED_RUSTFLAGS", Self::flags(source).join("\u{1f}"));
        command.env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
        command
    }
}

impl Build for Cargo {
    fn key(&self) -> String {
        let flags = Self::flags(Path::new("source"));
        format!("{:?} {flags:?} {}", self.target, self.toolchain)
    }

    fn build(&self, source: &Path, target: &Path, log: &Path) -> Result<PathBuf, BuildError> {
        let file = File::create(log).map_err(io_error(log))?;
        let mut command = self.command(source, target);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).status();
        if status.map_err(io_error(Path::new("cargo")))?.success() {
            let program = format!("{}{}", self.target.bin, std::env::consts::EXE_SUFFIX);
            return Ok(target.join("release").join(program));
        }
        let said = fs::read_to_string(log).unwrap_or_default();
        Err(BuildError::Compiler { error: first_error(&said), log: log.into() })
    }
}

/// The first error with its place: `error[E0308]: mismatched types (src/lib.rs:3:5)`.
fn first_error(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.starts_with("error"));
    let error = lines.next().unwrap_or("cargo printed no error");
    let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "));
    place.map_or(error.into(), |place| format!("{error} ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_has_its_place() {
        let said = "   Compiling x\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5\n  |\n";
        assert_eq!(first_error(said), "error[E0308]: mismatched types (src/lib.rs:3:5)");
        assert_eq!(first_error("error: no such package\n"), "error: no such package");
        assert_eq!(first_error(""), "cargo printed no error");
    }

    #[test]
    fn the_flags_are_explicit_and_name_no_path() {
        let cargo = Cargo { target: Target::default(), toolchain: "rustc 1".into() };
        let command = cargo.command(Path::new("/a/b"), Path::new("/t"));
        let flags = command.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
        let flags = flags.unwrap().1.unwrap().to_str().unwrap();
        assert!(flags.contains("-Ccodegen-units=1\u{1f}--remap-path-prefix=/a/b=/source"));
        assert!(command.get_envs().any(|(name, to)| name == "RUSTFLAGS" && to.is_none()));
        assert!(!cargo.key().contains("/a/b"));
    }
}
