//! The folder of an installed engine.
//!
//! ```text
//! HOME/torch/engine.toml, engine.py, attn_engine.py, requirements.txt    what is built into this crate
//!            venv/ or target/                                           what was installed or built
//!            installed.json                                             written last: what the engine said of itself
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use attn_core::Unavailable;
use attn_core::text::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::backend::EngineBackend;
use crate::definition::{Definition, Kind};
use crate::process::{Fault, Process};
use crate::protocol::Hello;

/// `(path below engines/, content)`, sorted.
static FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/files.rs"));

const DEFINITION: &str = "engine.toml";
const MARK: &str = "installed.json";

/// Variables of the user's environment that change what an engine does or how fast it is.
const UNSET: [&str; 9] = [
    "GOMP_CPU_AFFINITY",
    "KMP_AFFINITY",
    "LD_PRELOAD",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "OMP_PROC_BIND",
    "OPENBLAS_CORETYPE",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
];

/// Why an engine cannot be installed or described.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        source: io::Error,
    },
    /// `engine.toml` does not say what it must.
    #[error("{}: {why}", path.display())]
    Definition {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It does not do what it must.
    #[error("{name}: {fault}")]
    Fault {
        /// The engine.
        name: String,
        /// What it did.
        fault: Fault,
    },
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> EngineError {
    |source| EngineError::Io { path: path.into(), source }
}

/// The engines that there are, installed or not.
#[derive(Clone, Debug)]
pub struct Engines {
    home: PathBuf,
    engines: Vec<Arc<Engine>>,
}

/// An engine, installed or not.
#[derive(Debug)]
pub struct Engine {
    definition: &'static Definition,
    /// By their names in its folder.
    files: BTreeMap<String, String>,
    folder: PathBuf,
}

/// What an installed engine said of itself, and what it was installed from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// Name and version.
    pub library: String,
    /// Instruction set.
    pub isa: String,
    /// Of the files that it was installed from.
    digest: String,
    /// The folder of a [`Kind::Program`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    folder: Option<PathBuf>,
}

impl Engines {
    /// Those that are built in, and those that were added in `home`.
    pub fn open(home: &Path) -> Result<Self, EngineError> {
        let mut engines = Engines { home: home.into(), engines: Vec::new() };
        for (path, text) in FILES {
            if let Some(name) = path.strip_suffix("/engine.toml") {
                let own = |path: &'static str| path.strip_prefix(name)?.strip_prefix('/');
                // What all engines of a language share is beside their folders.
                let rust = FILES.iter().any(|(path, _)| own(path) == Some("main.rs"));
                let shared = if rust { "attn_engine.rs" } else { "attn_engine.py" };
                let files = FILES.iter().filter_map(|(path, text)| {
                    let name = own(path).or_else(|| (*path == shared).then_some(shared))?;
                    Some((name.to_string(), (*text).to_string()))
                });
                engines.add(Path::new(path), text, files.collect())?;
            }
        }
        for entry in fs::read_dir(home).into_iter().flatten().flatten() {
            let known = |engine: &Arc<Engine>| engine.folder == entry.path();
            let path = entry.path().join(DEFINITION);
            if !engines.engines.iter().any(known) && path.is_file() {
                engines.read(&path)?;
            }
        }
        Ok(engines)
    }

    /// Each of them, in the order of their names.
    pub fn all(&self) -> &[Arc<Engine>] {
        &self.engines
    }

    /// The engine with this name.
    pub fn named(&self, name: &str) -> Option<&Arc<Engine>> {
        self.engines.iter().find(|engine| engine.name() == name)
    }

    /// Every backend of every engine.
    pub fn backends(&self) -> impl Iterator<Item = EngineBackend> + '_ {
        let variants = |engine: &Arc<Engine>| 0..engine.definition.backends.len();
        self.engines.iter().flat_map(move |engine| {
            variants(engine).map(move |variant| EngineBackend::new(engine.clone(), variant))
        })
    }

    /// Adds the program whose `engine.toml` is in `folder`.
    pub fn add_program(&mut self, folder: &Path) -> Result<Arc<Engine>, EngineError> {
        let folder = folder.canonicalize().map_err(io(folder))?;
        let engine = self.read(&folder.join(DEFINITION))?;
        engine.write()?;
        engine.mark(Some(folder))?;
        Ok(engine)
    }

    fn read(&mut self, path: &Path) -> Result<Arc<Engine>, EngineError> {
        let text = fs::read_to_string(path).map_err(io(path))?;
        let engine = self.add(path, &text, BTreeMap::from([(DEFINITION.into(), text.clone())]))?;
        match engine.definition.kind {
            Kind::Program => Ok(engine),
            kind => Err(EngineError::Definition {
                path: path.into(),
                why: format!("kind {kind:?}, expected `program`: other kinds are built into attn"),
            }),
        }
    }

    fn add(
        &mut self,
        path: &Path,
        text: &str,
        files: BTreeMap<String, String>,
    ) -> Result<Arc<Engine>, EngineError> {
        let wrong = |why: String| EngineError::Definition { path: path.into(), why };
        let definition: Definition =
            toml::from_str(text).map_err(|error| wrong(error.message().into()))?;
        definition.check().map_err(wrong)?;
        let folder = self.home.join(&definition.name);
        // What a backend says of itself lives as long as the program.
        let definition = Box::leak(Box::new(definition));
        let engine = Arc::new(Engine { definition, files, folder });
        self.engines.retain(|known| known.name() != engine.name());
        self.engines.push(engine.clone());
        self.engines.sort_by_key(|engine| engine.name());
        Ok(engine)
    }
}

impl Definition {
    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(plain) {
            return Err(format!("name `{}`, expected letters, digits, `.`, `_`, `-`", self.name));
        }
        let below = format!("{}/", self.name);
        let others = |id: &&String| **id != self.name && !id.starts_with(&below);
        if let Some(id) = self.backends.iter().map(|variant| &variant.id).find(others) {
            return Err(format!("backend id `{id}`, expected `{}` or `{below}..`", self.name));
        }
        if self.backends.is_empty() || (self.kind == Kind::Program && self.command.is_empty()) {
            return Err("expected a `[[backend]]`, and of a program its `command`".into());
        }
        Ok(())
    }
}

/// Something to be run to install an engine.
#[derive(Debug)]
pub struct Step {
    /// What it does.
    pub what: &'static str,
    /// How.
    pub command: Command,
}

impl Engine {
    /// What `engine.toml` says.
    pub fn definition(&self) -> &'static Definition {
        self.definition
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        &self.definition.name
    }

    /// Its folder, whether or not it is there.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it said of itself when it was installed; cheap, and starts nothing.
    pub fn installed(&self) -> Result<Installed, Unavailable> {
        let (name, size) = (self.name(), self.definition.download_mb);
        let install = format!("attn engine install {name}");
        let unavailable = |reason| Err(Unavailable { reason });
        let Ok(text) = fs::read_to_string(self.folder.join(MARK)) else {
            let size =
                if size > 0 { format!(", which downloads {size} MB") } else { String::new() };
            return unavailable(format!("not installed: {install}{size}"));
        };
        match serde_json::from_str::<Installed>(&text) {
            Ok(installed) if installed.digest == self.digest() => Ok(installed),
            _ => unavailable(format!("installed for another version of attn: {install}")),
        }
    }

    /// Makes its folder, with the files that are built in; it is not installed until [`Engine::finish`].
    pub fn write(&self) -> Result<(), EngineError> {
        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        self.unmark()?;
        for (name, text) in &self.files {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(io(&path))?;
        }
        Ok(())
    }

    /// What installs it, after [`Engine::write`]; with `uv` where it is there, else with `python`.
    pub fn steps(&self, python: &str, uv: bool) -> Vec<Step> {
        let step = |what, program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).current_dir(&self.folder);
            Step { what, command }
        };
        let venv = self.folder.join("venv").join("bin").join("python");
        let venv = venv.to_str().unwrap_or_default();
        let wheels =
            ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", "requirements.txt"];
        let (environment, packages) = ("making an environment", "installing packages");
        match (self.definition.kind, uv) {
            (Kind::Python, true) => vec![
                step(environment, "uv", &["venv", "--clear", "--python", python, "venv"]),
                step(
                    packages,
                    "uv",
                    &[&["pip", "install", "--python", venv][..], &wheels].concat(),
                ),
            ],
            (Kind::Python, false) => vec![
                step(environment, python, &["-m", "venv", "--clear", "venv"]),
                step(
                    packages,
                    venv,
                    &[&["-m", "pip", "install", "--disable-pip-version-check"][..], &wheels]
                        .concat(),
                ),
            ],
            (Kind::Cargo, _) => {
                let mut build = step("building", "cargo", &["build", "--release", "--locked"]);
                build.command.env("CARGO_TARGET_DIR", "target");
                // With it the program would be in another folder.
                build.command.env_remove("CARGO_BUILD_TARGET");
                build.command.env("RUSTFLAGS", "-Ctarget-cpu=native");
                vec![build]
            }
            (Kind::Program, _) => Vec::new(),
        }
    }

    /// Starts it once; what it says of itself is noted, which makes it installed.
    pub fn finish(&self) -> Result<Installed, EngineError> {
        self.mark(None)
    }

    fn mark(&self, folder: Option<PathBuf>) -> Result<Installed, EngineError> {
        let hello = self.hello(folder.as_deref());
        let Hello { library, isa, .. } =
            hello.map_err(|fault| EngineError::Fault { name: self.name().into(), fault })?;
        let installed = Installed { library, isa, digest: self.digest(), folder };
        let path = self.folder.join(MARK);
        let text = serde_json::to_string(&installed).expect("paths of installed engines are text");
        fs::write(&path, text).map_err(io(&path))?;
        Ok(installed)
    }

    fn hello(&self, folder: Option<&Path>) -> Result<Hello, Fault> {
        Ok(Process::start(self.command(1, folder), 1)?.hello.clone())
    }

    /// Removes it: first the note that it is there.
    pub fn remove(&self) -> Result<(), EngineError> {
        self.unmark()?;
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(&self.folder)(error)),
            _ => Ok(()),
        }
    }

    fn unmark(&self) -> Result<(), EngineError> {
        let mark = self.folder.join(MARK);
        match fs::remove_file(&mark) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(&mark)(error)),
            _ => Ok(()),
        }
    }

    /// Starts a process of it, which must be what was installed.
    pub(crate) fn start(&self, threads: usize) -> Result<Process, Fault> {
        let installed =
            self.installed().map_err(|unavailable| Fault::Failed(unavailable.reason))?;
        let process = Process::start(self.command(threads, installed.folder.as_deref()), threads)?;
        let (found, expected) = (&process.hello.library, installed.library);
        if *found == expected {
            return Ok(process);
        }
        Err(Fault::Failed(format!("the engine is {found}, expected {expected} as installed")))
    }

    /// Of the files that it is installed from.
    fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in &self.files {
            hash.update(format!("{name} {}\n{text}", text.len()));
        }
        hex(&hash.finalize())
    }

    fn command(&self, threads: usize, folder: Option<&Path>) -> Command {
        let Definition { name, kind, thread_variables, environment, command, .. } = self.definition;
        let folder = folder.unwrap_or(&self.folder);
        let mut started = match (kind, &command[..]) {
            (Kind::Program, [program, args @ ..]) => {
                let is_path = program.contains('/');
                let program = if is_path { folder.join(program) } else { program.into() };
                let mut command = Command::new(program);
                command.args(args);
                command
            }
            (Kind::Cargo, _) => Command::new(folder.join("target").join("release").join(name)),
            _ => {
                let mut command = Command::new(folder.join("venv").join("bin").join("python"));
                // Neither the user's packages nor variables of Python's.
                command.args(["-E", "-s", "engine.py"]);
                command
            }
        };
        started.current_dir(folder);
        for variable in UNSET {
            started.env_remove(variable);
        }
        started.envs(thread_variables.iter().map(|variable| (variable, threads.to_string())));
        started.envs(environment);
        started
    }
}
