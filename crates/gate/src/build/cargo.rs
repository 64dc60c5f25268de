//! Builds with cargo.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use attn_record::disk::FileError;
use serde::Deserialize;

use super::{Build, BuildError};
use crate::config::Target;

/// Cargo with the flags that both programs are built with, whatever the environment and the configuration
/// files say: one code generation unit, so that a change in one function does not move others between
/// units; a fixed instruction set; the target of this machine; no path of this machine.
#[derive(Clone, Debug)]
pub struct Cargo {
    target: Target,
    /// `x86_64-unknown-linux-gnu`.
    host: String,
    environment: Environment,
}

/// What a build depends on beside files of the checkout.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The variables of this process.
    pub variables: Vec<(OsString, OsString)>,
    /// The folder with the user's configuration of cargo: `CARGO_HOME`.
    pub cargo_home: Option<PathBuf>,
}

/// The instruction set of `.cargo/config.toml`.
const CPU: Option<&str> = if cfg!(target_arch = "x86_64") { Some("x86-64-v3") } else { None };

/// Files of a checkout that say how cargo builds. Rust flags and the target that they name take no part.
pub const CONFIGURATION: [&str; 3] = [".cargo", "rust-toolchain", "rust-toolchain.toml"];

/// Variables that change what cargo builds begin with one of these.
const VARIABLES: [&str; 6] = ["CARGO_", "RUSTC", "RUSTUP_TOOLCHAIN", "CC", "CFLAGS", "LD"];

/// Variables that the build sets or removes itself, or that cargo sets for a program that it runs.
const OWN: [&str; 6] = [
    "CARGO_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
];

impl Cargo {
    /// For `target`, with the compiler that is found from `folder`.
    pub fn new(
        target: Target,
        folder: &Path,
        environment: Environment,
    ) -> Result<Self, BuildError> {
        let version = version("rustc", folder)?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        Ok(Cargo { target, host: host.unwrap_or_default().into(), environment })
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
        command.args(["--message-format=json-render-diagnostics", "--target", &self.host]);
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

    fn no_program(&self) -> BuildError {
        let Target { package, bin, .. } = self.target.clone();
        BuildError::NoProgram { package, bin }
    }
}

impl Build for Cargo {
    /// Target, flags, toolchain, variables and the configuration files outside of `source`.
    fn key(&self, source: &Path) -> Result<String, BuildError> {
        let flags = Self::flags(Path::new("source"));
        let [rustc, cargo] = [version("rustc", source)?, version("cargo", source)?];
        let variables = variables(&self.environment.variables);
        let files = configuration(source, self.environment.cargo_home.as_deref());
        Ok(format!("{:?} {flags:?} {rustc} {cargo} {variables:?} {files:?}", self.target))
    }

    fn build(&self, source: &Path, target: &Path, log: &Path) -> Result<PathBuf, BuildError> {
        // What an earlier revision left must not be taken for this one's.
        let file = format!("{}{}", self.target.bin, std::env::consts::EXE_SUFFIX);
        let old = target.join(&self.host).join("release").join(file);
        if old.exists() {
            fs::remove_file(&old).map_err(FileError::of(&old))?;
        }
        let messages = File::create(log).map_err(FileError::of(log))?;
        let mut command = self.command(source, target);
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(messages).spawn();
        let output = output.and_then(std::process::Child::wait_with_output);
        let output = output.map_err(FileError::of(Path::new("cargo")))?;
        if !output.status.success() {
            let text = fs::read_to_string(log).unwrap_or_default();
            return Err(BuildError::Compiler { error: first_error(&text), log: log.into() });
        }
        let program = executable(&output.stdout, &self.target.bin);
        program.filter(|program| program.exists()).ok_or_else(|| self.no_program())
    }
}

/// What `program` says of its version in `folder`, where a file may name another toolchain.
fn version(program: &str, folder: &Path) -> Result<String, BuildError> {
    let output = Command::new(program).arg("-vV").current_dir(folder).output();
    let output = output.map_err(FileError::of(Path::new(program)))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Those of `all` that change what is built, sorted.
fn variables(all: &[(OsString, OsString)]) -> Vec<&(OsString, OsString)> {
    let begins = |name: &OsString, with: &[&str]| {
        let name = name.to_string_lossy();
        with.iter().any(|beginning| name.starts_with(beginning))
    };
    let counts = |name: &OsString| begins(name, &VARIABLES) && !begins(name, &OWN);
    let mut found: Vec<_> = all.iter().filter(|(name, _)| counts(name)).collect();
    found.sort();
    found
}

/// The configuration files that cargo reads for `source`, but those in it, with what they say.
fn configuration(source: &Path, cargo_home: Option<&Path>) -> Vec<(PathBuf, String)> {
    let parents = source.ancestors().skip(1).map(|folder| folder.join(".cargo"));
    let folders = parents.chain(cargo_home.map(PathBuf::from));
    let files = folders.flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(name)));
    files.filter_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?))).collect()
}

/// The program `bin` in the messages of cargo.
fn executable(messages: &[u8], bin: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        target: Artifact,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Artifact {
        name: String,
    }
    let lines = messages.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    messages.filter(|message| message.target.name == bin).find_map(|message| message.executable)
}

/// The first error with its place: `error[E0308]: mismatched types (src/lib.rs:3:5)`.
fn first_error(log: &str) -> String {
    let mut lines = log.lines().skip_while(|line| !line.starts_with("error"));
    let error = lines.next().unwrap_or("cargo printed no error");
    let place = lines.find_map(|line| line.trim_start().strip_prefix("--> "));
    place.map_or(error.into(), |place| format!("{error} ({place})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_has_its_place() {
        let log = "   Compiling x\nerror[E0308]: mismatched types\n --> src/lib.rs:3:5\n  |\n";
        assert_eq!(first_error(log), "error[E0308]: mismatched types (src/lib.rs:3:5)");
        assert_eq!(first_error("error: no such package\n"), "error: no such package");
        assert_eq!(first_error(""), "cargo printed no error");
    }

    #[test]
    fn the_flags_are_explicit_and_name_no_path() {
        let cargo = Cargo {
            target: Target::default(),
            host: "x-y".into(),
            environment: Environment::default(),
        };
        let command = cargo.command(Path::new("/a/b"), Path::new("/t"));
        let flags = command.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
        let flags = flags.unwrap().1.unwrap().to_str().unwrap();
        assert!(flags.contains("-Ccodegen-units=1\u{1f}--remap-path-prefix=/a/b=/source"));
        assert!(command.get_envs().any(|(name, to)| name == "RUSTFLAGS" && to.is_none()));
    }

    #[test]
    fn variables_that_change_a_build_are_part_of_the_key() {
        let pair = |(name, value): (&str, &str)| (OsString::from(name), OsString::from(value));
        let all = [
            ("RUSTC_WRAPPER", "sccache"),
            ("PATH", "/bin"),
            ("CARGO_TARGET_DIR", "/t"),
            ("CARGO_PKG_NAME", "attn-gate"),
            ("CARGO_PROFILE_RELEASE_LTO", "fat"),
        ];
        let all = all.map(pair);
        assert_eq!(variables(&all), [&all[4], &all[0]]);
    }

    #[test]
    fn the_program_is_where_cargo_says() {
        let lines = "not json\n{\"reason\":\"build-finished\",\"success\":true}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"other\"},\"executable\":\"/t/other\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"attn\"},\"executable\":null}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"attn\"},\"executable\":\"/t/x/attn\"}\n";
        assert_eq!(executable(lines.as_bytes(), "attn"), Some("/t/x/attn".into()));
        assert_eq!(executable(lines.as_bytes(), "none"), None);
    }
}
