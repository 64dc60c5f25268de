//! `attn engine`: attention of other programs, installed on request.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use attn_bench::cell::Prepared;
use attn_bench::expected::Expected;
use attn_core::{
    Backend as _, DType, Exec, InputDistribution, Inputs, Problem, ProblemSpec, Shape,
};
use attn_engines::install::Step;
use attn_engines::{Engine, EngineBackend, Engines, Kind};
use attn_report::table::{Cell, Column, Table};
use clap::Subcommand;
use serde::Serialize;

use super::FormArgs;
use crate::engines;
use crate::exit::{Exit, Failure};
use crate::registry::NAIVE;

/// Install other programs that compute attention: PyTorch, llama.cpp and others
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// What there is, what is installed, and whose kernels they are
    List {
        #[command(flatten)]
        form: FormArgs,
    },
    /// Download and install; the size is said first
    Install {
        /// Names, `all`, or the folder of an engine of your own with its engine.toml
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Remove what was installed
    Remove {
        /// Names, or `all`
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Start what is installed and have each compute a small problem
    Doctor {
        /// Names [default: all that are installed]
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

const EXAMPLES: &str = "\
Examples:
  attn engine list                             what there is, with sizes
  attn engine install torch openvino           into the user's cache folder, nowhere else
  attn check -b torch,openvino                 are they right?
  attn run --engines                           measured beside all others
  attn engine install ./my-engine              a program of your own: crates/docs/ENGINES.md
  attn engine remove all

Engines in Python get a virtual environment each, by uv where it is there and else by python3; packages are pinned by their
digests. Engines in Rust are built by cargo for this processor, with the packages of their Cargo.lock. ATTN_ENGINES names another folder than the one in the user's cache.";

/// The interpreter that makes virtual environments.
const PYTHON: &str = "python3";

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let home = engines::home()?;
    let mut known = Engines::open(&home)?;
    match &args.action {
        Action::List { form } => list(&known, *form),
        Action::Install { names } => install(&mut known, &home, names),
        Action::Remove { names } => remove(&known, names),
        Action::Doctor { names } => doctor(&known, names),
    }
}

/// What `list --json` prints.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    backends: Vec<&'static str>,
    installed: Option<String>,
    unavailable: Option<String>,
    download_mb: u64,
    disk_mb: u64,
    kernel: &'static str,
    ours: &'static str,
}

impl Row {
    /// The version that is installed, or why there is none.
    fn state(&self) -> Option<&str> {
        self.installed.as_deref().or(self.unavailable.as_deref())
    }
}

fn list(known: &Engines, form: FormArgs) -> Result<Exit, Failure> {
    let rows: Vec<Row> = known.all().iter().map(|engine| row(engine)).collect();
    form.show_or(&rows, |rows| vec![table(rows)], |rows| rows.iter().for_each(print))
}

fn print(row: &Row) {
    let Row { name, disk_mb, kernel, .. } = row;
    println!("{name:<12} {}; {disk_mb} MB of disk", row.state().unwrap_or_default());
    println!("{:<12} kernel: {kernel}", "");
}

fn table(rows: &[Row]) -> Table {
    let names = [Column::id("engine"), Column::prose("backends"), Column::prose("state")];
    let sizes = ["download, MB", "disk, MB"].map(Column::number);
    let words = ["kernel", "ours"].map(Column::prose);
    let lines = rows.iter().map(|row| {
        let size = |mb: u64| Cell::value(Some(mb as f64), |mb| mb.to_string());
        let names = [row.name.into(), row.backends.join(", ").into()];
        let state = [
            Cell::or_dash(row.state().map(String::from)),
            size(row.download_mb),
            size(row.disk_mb),
        ];
        names.into_iter().chain(state).chain([row.kernel.into(), row.ours.into()]).collect()
    });
    Table::new("", names.into_iter().chain(sizes).chain(words)).rows(lines)
}

fn row(engine: &Engine) -> Row {
    let (definition, installed) = (engine.definition(), engine.installed());
    Row {
        name: engine.name(),
        backends: definition.backends.iter().map(|variant| &*variant.id).collect(),
        unavailable: installed.as_ref().err().map(ToString::to_string),
        installed: installed
            .ok()
            .map(|installed| format!("{}, {}", installed.library, installed.isa)),
        download_mb: definition.download_mb,
        disk_mb: definition.disk_mb,
        kernel: &definition.kernel,
        ours: &definition.ours,
    }
}

/// The engines with these names; `all` means all.
fn named(known: &Engines, names: &[String]) -> Result<Vec<Arc<Engine>>, Failure> {
    if names.iter().any(|name| name == "all") {
        return Ok(known.all().to_vec());
    }
    let find = |name: &String| {
        known.named(name).cloned().ok_or_else(|| {
            let all: Vec<_> = known.all().iter().map(|engine| engine.name()).collect();
            Failure::usage(anyhow!("no engine `{name}`, expected one of {}", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn install(known: &mut Engines, home: &Path, names: &[String]) -> Result<Exit, Failure> {
    let (folders, names): (Vec<_>, Vec<_>) =
        names.iter().cloned().partition(|name| name.contains('/') && Path::new(name).is_dir());
    let engines = named(known, &names)?;
    fs::create_dir_all(home).with_context(|| home.display().to_string())?;
    let lock = home.join("lock");
    // Ends with the process, however it ends.
    let _locked = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .with_context(|| lock.display().to_string())?;
    for folder in folders {
        let engine = known.add_program(Path::new(&folder))?;
        eprintln!(
            "{}: installed, {}",
            engine.name(),
            engine.installed().map_err(|why| anyhow!(why))?.library
        );
    }
    let tools = Tools::find(&engines)?;
    let total: u64 = engines.iter().map(|engine| engine.definition().download_mb).sum();
    if let [_, _, ..] = &engines[..] {
        eprintln!(
            "{} engines: {total} MB to download at most, into {}",
            engines.len(),
            home.display()
        );
    }
    for engine in engines {
        install_one(&engine, &tools)?;
    }
    Ok(Exit::Success)
}

fn install_one(engine: &Engine, tools: &Tools) -> Result<(), Failure> {
    let (name, start) = (engine.name(), Instant::now());
    let definition = engine.definition();
    let (download, disk) = (definition.download_mb, definition.disk_mb);
    if definition.kind == Kind::Program {
        return Err(Failure::usage(anyhow!("{name}: a program of your own: name its folder")));
    }
    eprintln!(
        "{name}: {download} MB to download, {disk} MB of disk, into {}",
        engine.folder().display()
    );
    engine.write()?;
    for step in engine.steps(PYTHON, tools.uv) {
        run_step(name, step)?;
    }
    let installed = engine.finish()?;
    let seconds = start.elapsed().as_secs();
    eprintln!("{name}: installed in {seconds} s: {}, {}", installed.library, installed.isa);
    Ok(())
}

/// What a step prints is progress: it goes to stderr.
fn run_step(name: &str, mut step: Step) -> Result<(), Failure> {
    eprintln!("{name}: {}", step.what);
    let program = step.command.get_program().to_string_lossy().into_owned();
    let status = step.command.stdin(Stdio::null()).stdout(io::stderr()).status();
    let status = status.map_err(|error| anyhow!("{name}: {}: {program}: {error}", step.what))?;
    if status.success() {
        return Ok(());
    }
    Err(anyhow!(
        "{name}: {} failed ({program}: {status}), see above; nothing was installed",
        step.what
    )
    .into())
}

/// What installs.
struct Tools {
    uv: bool,
}

impl Tools {
    /// Looks for what `engines` need; an error says what is missing.
    fn find(engines: &[Arc<Engine>]) -> Result<Self, Failure> {
        let works = |program: &str, args: &[&str]| {
            let mut command = Command::new(program);
            command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let needs = |kind| engines.iter().find(|engine| engine.definition().kind == kind);
        let uv = works("uv", &["--version"]);
        if let Some(engine) = needs(Kind::Python) {
            let name = engine.name();
            if !works(PYTHON, &["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]) {
                return Err(anyhow!("{name}: needs Python 3.11 or later as `{PYTHON}`, which is not there: install it, then run this again").into());
            }
            if !uv && !works(PYTHON, &["-c", "import venv, ensurepip"]) {
                return Err(anyhow!("{name}: `{PYTHON}` has no module venv with pip, and there is no uv: install python3-venv or uv, then run this again").into());
            }
        }
        if let Some(engine) = needs(Kind::Cargo).filter(|_| !works("cargo", &["--version"])) {
            return Err(anyhow!(
                "{}: needs cargo, which is not there: install Rust from rustup.rs",
                engine.name()
            )
            .into());
        }
        Ok(Tools { uv })
    }
}

fn remove(known: &Engines, names: &[String]) -> Result<Exit, Failure> {
    for engine in named(known, names)? {
        if engine.folder().exists() {
            engine.remove()?;
            eprintln!("{}: removed", engine.name());
        } else {
            eprintln!("{}: not installed", engine.name());
        }
    }
    Ok(Exit::Success)
}

fn doctor(known: &Engines, names: &[String]) -> Result<Exit, Failure> {
    let asked = named(known, names)?;
    let wanted = |backend: &EngineBackend| {
        let is_asked = asked.iter().any(|engine| engine.name() == backend.engine().name());
        is_asked || (names.is_empty() && backend.probe().is_ok())
    };
    let backends: Vec<EngineBackend> = known.backends().filter(wanted).collect();
    if backends.is_empty() {
        println!("no engine is installed: attn engine install torch openvino onnxruntime");
    }
    let mut exit = Exit::Success;
    for backend in backends {
        let id = backend.id();
        match diagnose(&backend) {
            Ok(said) => println!("{id:<16} {said}"),
            Err(why) => {
                println!("{id:<16} does not work: {why}");
                exit = Exit::Broken;
            }
        }
    }
    Ok(exit)
}

/// Computes a small problem; what it says of itself and what a request to it takes.
fn diagnose(backend: &EngineBackend) -> Result<String, Failure> {
    let installed = backend.engine().installed().map_err(|why| anyhow!(why))?;
    let problem = Problem::new(ProblemSpec::new(Shape::square(2, 33, 16), DType::F32))?;
    let inputs = Inputs::generate(&problem, InputDistribution::Normal, 1);
    let expected = Expected::compute(&problem, &inputs, &NAIVE)?;
    let mut cell = Prepared::new(backend, &problem, &Exec::SINGLE)?.engine(true);
    let verdict = cell.check(&inputs, &expected)?;
    if let Some(finding) = verdict.findings.first() {
        return Err(anyhow!("{problem}: {finding}").into());
    }
    let request_us = cell.asked().map_or(0.0, |asked| asked.request_ns as f64 / 1e3);
    Ok(format!("{}, {}: right, {request_us:.0} us a request", installed.library, installed.isa))
}
