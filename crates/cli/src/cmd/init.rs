//! `attn init`: a crate for a kernel of one's own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use attn_record::disk::write_whole;

use crate::exit::{Exit, Failure};

/// Make a crate for a kernel of your own, with a test, a bench and a gate
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder, which must be new or empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The crate's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where attn's source is: a folder, or the address of a git repository [default: the folder, or
    /// the registry, that this program was built from]
    #[arg(long, value_name = "SOURCE")]
    attn: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  attn init my-attention
  cd my-attention
  cargo test --release                      is the kernel right?
  cargo run --release -- run -b mine        check, measure, draw
  cargo run --release -- duel mine flash    how far is it from ours?
  attn init ~/kernels/mine --attn https://example.org/attn.git

The crate is a program with all commands of attn and one backend more, `mine`:

  README.md                    the commands
  src/lib.rs                   a kernel in plain loops: put yours in its place
  tests/right.rs               200 random problems, in cargo test
  benches/mine.rs              its time beside others', in cargo bench
  gate.toml, .github/          fails pull requests that make it slower or wrong
  .cargo/config.toml           build flags, and why they matter
  Cargo.toml, Cargo.lock       the versions that attn is tested with

With --attn FOLDER, or the default, the crate depends on attn by its path, so
that it builds on this machine alone: give an address before you push it.";

/// Where this program was built.
const BUILT_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Files of the crate, and what they are made from.
const FILES: [(&str, &str); 10] = [
    ("README.md", include_str!("../../templates/init/README.md.in")),
    ("Cargo.toml", include_str!("../../templates/init/Cargo.toml.in")),
    (".cargo/config.toml", include_str!("../../templates/init/config.toml.in")),
    (".gitignore", include_str!("../../templates/init/gitignore.in")),
    (".github/workflows/gate.yml", include_str!("../../templates/init/gate.yml.in")),
    ("gate.toml", include_str!("../../templates/init/gate.toml.in")),
    ("src/lib.rs", include_str!("../../templates/init/lib.rs.in")),
    ("src/main.rs", include_str!("../../templates/init/main.rs.in")),
    ("tests/right.rs", include_str!("../../templates/init/test.rs.in")),
    ("benches/mine.rs", include_str!("../../templates/init/bench.rs.in")),
];

pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    let name = name(args)?;
    let source = Source::of(args.attn.as_deref())?;
    make_empty(&args.dir)?;
    for (path, template) in FILES {
        let content = template
            .replace("{name}", &name)
            .replace("{crate}", &name.replace('-', "_"))
            .replace("{attn-check}", &source.dependency("check"))
            .replace("{attn-cli}", &source.dependency("cli"));
        write(&args.dir.join(path), content.as_bytes())?;
    }
    if let Some(lock) = source.lock() {
        write(&args.dir.join("Cargo.lock"), &lock)?;
    }
    println!("{} has a kernel in plain loops, `attention` in src/lib.rs:", args.dir.display());
    println!("put yours in its place. Next (the first build takes some minutes):\n");
    println!("  cd {}", crate::program::quoted(&args.dir.to_string_lossy()));
    println!("  cargo test --release                      is it right?");
    println!("  cargo run --release -- run -b mine        check, measure, draw");
    println!("  cargo run --release -- duel mine flash    how far is it from ours?");
    if let Source::Folder(folder) = source {
        println!("\nIt takes attn from {}, so it builds", folder.display());
        println!("here alone: give an address with --attn before you push it.");
    }
    Ok(Exit::Success)
}

/// The crate's name.
fn name(args: &Args) -> Result<String, Failure> {
    let absolute = std::path::absolute(&args.dir)?;
    let of_folder = || absolute.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or_else(of_folder).unwrap_or_default();
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest) {
        return Ok(name);
    }
    Err(Failure::usage(anyhow!(
        "`{name}` is no name of a crate, expected lower-case letters, digits, - and _: give one with --name"
    )))
}

/// Where attn comes from.
enum Source {
    Folder(PathBuf),
    Git(String),
    /// The registry that this program was installed from.
    Registry,
}

impl Source {
    fn of(named: Option<&str>) -> Result<Self, Failure> {
        match named {
            Some(address) if address.contains("://") => Ok(Source::Git(address.into())),
            Some(folder) => Source::folder(Path::new(folder)).map_err(Failure::usage),
            None if env!("ATTN_SOURCE") == "registry" => Ok(Source::Registry),
            None => Source::folder(Path::new(BUILT_IN)).map_err(|_| {
                Failure::usage(anyhow!(
                    "the source that this program was built from is gone: say with --attn where attn's is, a folder or the address of a git \
                     repository"
                ))
            }),
        }
    }

    fn folder(path: &Path) -> anyhow::Result<Self> {
        let folder = path.canonicalize().with_context(|| path.display().to_string())?;
        let manifest = folder.join("crates/cli/Cargo.toml");
        if !manifest.is_file() {
            return Err(anyhow!(
                "{}: not attn's source, no {}",
                path.display(),
                manifest.display()
            ));
        }
        Ok(Source::Folder(folder))
    }

    /// What stands behind the name of a crate of attn in `Cargo.toml`.
    fn dependency(&self, name: &str) -> String {
        // A string of JSON is one of TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Source::Folder(folder) => {
                let path = folder.join("crates").join(name);
                format!("path = {}", quoted(&path.to_string_lossy()))
            }
            Source::Git(address) => format!("git = {}", quoted(address)),
            Source::Registry => format!("version = {}", quoted(env!("CARGO_PKG_VERSION"))),
        }
    }

    /// The versions that attn is tested with.
    fn lock(&self) -> Option<Vec<u8>> {
        match self {
            Source::Folder(folder) => fs::read(folder.join("Cargo.lock")).ok(),
            Source::Git(_) | Source::Registry => None,
        }
    }
}

/// Makes the folder; nothing that is there is touched.
fn make_empty(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Failure::usage(anyhow!(
            "{}: not empty, expected a new folder: nothing was written",
            folder.display()
        ))),
    }
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    folder.with_context(|| path.display().to_string())?;
    Ok(write_whole(path, content)?)
}
