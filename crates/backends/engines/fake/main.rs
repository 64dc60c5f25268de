//! A small engine that computes in f64, and breaks the protocol in the way that its argument names.

#[path = "../engines/attn_engine.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod attn_engine;

use std::time::Duration;

use attn_engine::{Engine, Problem, serve};

/// Softmax attention, one row after another.
struct Fake {
    fault: String,
    input: Input,
    o: Vec<f32>,
    lse: Vec<f32>,
}

#[derive(Default)]
struct Input {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    bias: Option<(Vec<f32>, Vec<usize>)>,
    sinks: Option<Vec<f32>>,
    /// B, Hq, Hkv, Nq, Nk, D, Dv.
    sizes: [usize; 7],
    scale: f64,
    softcap: Option<f64>,
    causal: Option<String>,
}

impl Input {
    fn score(&self, [b, h, i, j]: [usize; 4]) -> f64 {
        let [_, heads, heads_kv, len_q, len_k, dim, _] = self.sizes;
        let diagonal = match self.causal.as_deref() {
            Some("top-left") => i as i64,
            Some("bottom-right") => i as i64 + len_k as i64 - len_q as i64,
            _ => i64::MAX,
        };
        if j as i64 > diagonal {
            return f64::NEG_INFINITY;
        }
        let q = &self.q[((b * heads + h) * len_q + i) * dim..][..dim];
        let kv = h / (heads / heads_kv);
        let k = &self.k[((b * heads_kv + kv) * len_k + j) * dim..][..dim];
        let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
        let scaled = self.scale * dot;
        let capped = self.softcap.map_or(scaled, |cap| cap * (scaled / cap).tanh());
        capped
            + self.bias.as_ref().map_or(0.0, |(bias, dims)| {
                let at = [b % dims[0], h % dims[1], i, j];
                f64::from(bias[dims.iter().zip(at).fold(0, |flat, (size, at)| flat * size + at)])
            })
    }

    fn row(&self, [b, h, i]: [usize; 3]) -> (Vec<f32>, f32) {
        let [_, heads, heads_kv, _, len_k, _, dim_v] = self.sizes;
        let scores: Vec<f64> = (0..len_k).map(|j| self.score([b, h, i, j])).collect();
        let sink = self.sinks.as_ref().map_or(f64::NEG_INFINITY, |sinks| f64::from(sinks[h]));
        let max = scores.iter().copied().fold(sink, f64::max);
        if max == f64::NEG_INFINITY {
            return (vec![0.0; dim_v], f32::NEG_INFINITY);
        }
        let sum = scores.iter().map(|score| (score - max).exp()).sum::<f64>() + (sink - max).exp();
        let mut o = vec![0.0; dim_v];
        for (j, score) in scores.iter().enumerate() {
            let v = &self.v[((b * heads_kv + h / (heads / heads_kv)) * len_k + j) * dim_v..];
            let weight = (score - max).exp() / sum;
            o.iter_mut().zip(v).for_each(|(o, v)| *o += weight * f64::from(*v));
        }
        (o.into_iter().map(|o| o as f32).collect(), (max + sum.ln()) as f32)
    }
}

impl Engine for Fake {
    fn prepare(&mut self, _: &Problem) -> Result<(), String> {
        if self.fault == "refuses" { Err("out of memory".into()) } else { Ok(()) }
    }

    fn load(&mut self, p: &Problem) -> Result<(), String> {
        let names = ["batch", "heads_q", "heads_kv", "len_q", "len_k", "dim", "dim_v"];
        let read = |name: &str| p.has(name).then(|| p.read(name)).transpose();
        self.input = Input {
            q: p.read("q")?,
            k: p.read("k")?,
            v: p.read("v")?,
            bias: read("bias")?.map(|bias| (bias, p.dims("bias"))),
            sinks: read("sinks")?,
            sizes: names.map(|name| p.size(name)),
            scale: p.json["scale"].as_f64().ok_or("no scale")?,
            softcap: p.json["softcap"].as_f64(),
            causal: p.json["causal"].as_str().map(String::from),
        };
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        match self.fault.as_str() {
            "crashes" => {
                eprintln!("kernel panic: not a real one");
                std::process::abort();
            }
            "hangs" => std::thread::sleep(Duration::from_secs(3600)),
            "prints" => println!("Loading the best kernels.."),
            _ => {}
        }
        let [batch, heads, _, len, ..] = self.input.sizes;
        let rows =
            (0..batch * heads * len).map(|at| [at / len / heads, at / len % heads, at % len]);
        let (o, lse): (Vec<_>, Vec<_>) = rows.map(|row| self.input.row(row)).unzip();
        (self.o, self.lse) = (o.concat(), lse);
        if self.fault == "wrong" {
            self.o[0] += 0.01;
        }
        Ok(())
    }

    fn store(&mut self, p: &Problem) -> Result<(), String> {
        p.write("o", &self.o)?;
        if p.has("lse") { p.write("lse", &self.lse) } else { Ok(()) }
    }
}

fn main() {
    let fault = std::env::args().nth(1).unwrap_or_default();
    // For tests that end it.
    let _ = std::fs::write("pid", std::process::id().to_string());
    let mut fake = Fake { fault: fault.clone(), input: Input::default(), o: vec![], lse: vec![] };
    match fault.as_str() {
        "no-start" => std::process::exit(3),
        "old" => println!(
            r#"{{"hello":{{"protocol":"attn-engine/0","library":"fake 1.0","isa":"none"}}}}"#
        ),
        "lies" => {
            let mut problem = None;
            for line in std::io::stdin().lines().map_while(Result::ok) {
                let answer =
                    attn_engine::answer(&line, "fake 1.0", "none", &mut fake, &mut problem);
                let told = if line.contains("run") {
                    r#"{"done":9000000000000}"#.into()
                } else {
                    answer.unwrap().to_string()
                };
                println!("{told}");
            }
        }
        _ => serve("fake 1.0", "none", fake),
    }
}
