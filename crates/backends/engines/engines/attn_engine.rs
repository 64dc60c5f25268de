//! `attn-engine/1` for engines in Rust: `serve(library, isa, Engine)` answers until the stream ends. Needs `serde_json`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use serde_json::{Value, json};

/// What an engine computes.
pub trait Engine {
    /// Everything that depends on the problem alone.
    fn prepare(&mut self, problem: &Problem) -> Result<(), String>;
    /// Take the inputs.
    fn load(&mut self, problem: &Problem) -> Result<(), String>;
    /// Compute once.
    fn run(&mut self) -> Result<(), String>;
    /// Write the last result.
    fn store(&mut self, problem: &Problem) -> Result<(), String>;
}

/// The problem, as the request states it, and its file.
pub struct Problem {
    pub json: Value,
    file: File,
}

#[allow(dead_code)]
impl Problem {
    /// A size.
    pub fn size(&self, name: &str) -> usize {
        self.json[name].as_u64().unwrap_or(0) as usize
    }

    /// Whether the problem has this tensor.
    pub fn has(&self, tensor: &str) -> bool {
        self.json["tensors"].get(tensor).is_some()
    }

    /// Sizes of a tensor's axes.
    pub fn dims(&self, tensor: &str) -> Vec<usize> {
        let dims = self.json["tensors"][tensor]["dims"].as_array();
        dims.into_iter().flatten().map(|size| size.as_u64().unwrap_or(0) as usize).collect()
    }

    /// The type of a tensor's elements: `f64`, `f32`, `bf16`, `f16` or `bool`.
    pub fn dtype(&self, tensor: &str) -> &str {
        self.json["tensors"][tensor]["dtype"].as_str().unwrap_or_default()
    }

    /// The bytes of a tensor.
    pub fn bytes(&self, tensor: &str) -> Result<Vec<u8>, String> {
        let size = match self.dtype(tensor) {
            "f64" => 8,
            "f32" => 4,
            "bool" => 1,
            _ => 2,
        };
        let mut bytes = vec![0; self.dims(tensor).iter().product::<usize>() * size];
        let at = self.json["tensors"][tensor]["at"].as_u64().ok_or("no such tensor")?;
        self.file.read_exact_at(&mut bytes, at).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    /// The elements of a tensor of f32.
    pub fn read(&self, tensor: &str) -> Result<Vec<f32>, String> {
        let bytes = self.bytes(tensor)?;
        let words = bytes.chunks_exact(4);
        Ok(words.map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect())
    }

    /// Writes the bytes of a tensor.
    pub fn write_bytes(&self, tensor: &str, bytes: &[u8]) -> Result<(), String> {
        let at = self.json["tensors"][tensor]["at"].as_u64().ok_or("no such tensor")?;
        self.file.write_all_at(bytes, at).map_err(|error| error.to_string())
    }

    /// Writes the elements of a tensor of f32.
    pub fn write(&self, tensor: &str, elements: &[f32]) -> Result<(), String> {
        let mut bytes = vec![0; elements.len() * 4];
        for (word, x) in bytes.chunks_exact_mut(4).zip(elements) {
            word.copy_from_slice(&x.to_le_bytes());
        }
        self.write_bytes(tensor, &bytes)
    }
}

/// The widest vector instructions of this processor: what an engine that chooses at run time may use.
#[allow(dead_code)]
pub fn isa() -> String {
    #[cfg(target_arch = "x86_64")]
    let names = [
        ("AVX-512", std::arch::is_x86_feature_detected!("avx512f")),
        ("AVX2", std::arch::is_x86_feature_detected!("avx2")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let names = [("NEON", cfg!(target_arch = "aarch64"))];
    let name = names.into_iter().find(|(_, has)| *has).map_or("baseline", |(name, _)| name);
    format!("{name} (run time)")
}

/// Answers requests on standard input.
pub fn serve(library: &str, isa: &str, mut engine: impl Engine) {
    // In one line, of which the caller shows the last.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{}", panic.to_string().replace('\n', " "));
    }));
    // As every process has that lives for a while: glibc keeps freed memory of up to this size from now on.
    drop(std::hint::black_box(Vec::<u8>::with_capacity((32 << 20) - (64 << 10))));
    let mut problem = None;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match answer(&line, library, isa, &mut engine, &mut problem) {
            Ok(answer) => answer,
            Err(why) => json!({ "failed": why }),
        };
        let mut out = std::io::stdout().lock();
        if out.write_all(format!("{answer}\n").as_bytes()).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// The answer to one request.
pub fn answer(
    line: &str,
    library: &str,
    isa: &str,
    engine: &mut impl Engine,
    problem: &mut Option<Problem>,
) -> Result<Value, String> {
    let ask: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if ask.get("hello").is_some() {
        return Ok(json!({"hello": {"protocol": "attn-engine/1", "library": library, "isa": isa}}));
    }
    if let Some(ask) = ask.get("prepare") {
        let path = ask["file"].as_str().ok_or("no file")?;
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|error| format!("{path}: {error}"))?;
        let prepared = problem.insert(Problem { json: ask.clone(), file });
        engine.prepare(prepared)?;
        return Ok(json!({ "done": 0 }));
    }
    if ask == "nothing" {
        return Ok(json!({ "done": 0 }));
    }
    let problem = problem.as_ref().ok_or("nothing is prepared")?;
    let start = Instant::now();
    match (ask.as_str(), ask["run"].as_u64()) {
        (Some("load"), _) => engine.load(problem)?,
        (Some("store"), _) => engine.store(problem)?,
        (_, Some(calls)) => (0..calls).try_for_each(|_| engine.run())?,
        _ => return Err(format!("unknown request {line}")),
    }
    let ns = if ask.get("run").is_some() { start.elapsed().as_nanos() as u64 } else { 0 };
    Ok(json!({ "done": ns }))
}
