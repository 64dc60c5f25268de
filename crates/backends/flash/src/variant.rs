//! The variants of the kernel as backends.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::Instant;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, DType, Exec, Feature, Plan,
    Precision, Problem, Score, SumOrder, Unavailable, Unsupported, target_features, with_type,
};
use attn_host::{HostPlan, Storage};
use attn_sys::amx;
use attn_sys::fma::{Element, Loop, Step};

#[cfg(target_arch = "x86_64")]
use crate::engine::is_stream;
use crate::engine::{Blocked, Engine};
use crate::num::Num;
use crate::operands::{Operands, Results};
use crate::phases::Phases;
use crate::plan::FlashPlan;
use crate::products::Products;
use crate::scalar::Scalar;
use crate::simd::{Simd, portable::Portable};
#[cfg(target_arch = "x86_64")]
use crate::simd::{amx::Amx, avx2::Avx2, avx512::Avx512, avx512bf16::Avx512Bf16};
use crate::tiles::{KEYS, Tiles};

/// Whether this processor has a feature of x86-64.
macro_rules! has {
    ($feature:tt) => {{
        #[cfg(target_arch = "x86_64")]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(not(target_arch = "x86_64"))]
        let has = false;
        has
    }};
}

/// A variant of the kernel, slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// An online softmax, one row and one key at a time.
    Scalar,
    /// Tiles of queries against blocks of keys, in arrays that the compiler vectorises.
    Tiled,
    /// The same tiles in AVX2 and FMA registers.
    Avx2,
    /// The same tiles in AVX-512 registers.
    Avx512,
    /// For bf16, products of pairs in AVX-512 registers, with weights rounded to bf16; else the same as the one before.
    Avx512Bf16,
    /// For bf16, products of whole matrices, with weights rounded to bf16, but for a few queries; else as `Avx512`.
    Amx,
}

impl Variant {
    /// All of them, slowest first.
    pub const ALL: [Variant; 6] = [
        Variant::Scalar,
        Variant::Tiled,
        Variant::Avx2,
        Variant::Avx512,
        Variant::Avx512Bf16,
        Variant::Amx,
    ];

    /// Path of the backend.
    pub const fn id(self) -> &'static str {
        match self {
            Variant::Scalar => "flash/scalar",
            Variant::Tiled => "flash/tiled",
            Variant::Avx2 => "flash/avx2",
            Variant::Avx512 => "flash/avx512",
            Variant::Avx512Bf16 => "flash/avx512bf16",
            Variant::Amx => "flash/amx",
        }
    }

    /// Queries of a tile in f32; `None` where there are no tiles.
    pub const fn queries(self) -> Option<usize> {
        const fn of<I: Simd<f32>>() -> usize {
            I::LANES * I::VECTORS
        }
        match self {
            Variant::Scalar => None,
            Variant::Tiled => Some(of::<Portable>()),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2 => Some(of::<Avx2>()),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx512 | Variant::Avx512Bf16 | Variant::Amx => Some(of::<Avx512>()),
            #[cfg(not(target_arch = "x86_64"))]
            Variant::Avx2 | Variant::Avx512 | Variant::Avx512Bf16 | Variant::Amx => None,
        }
    }

    /// The fastest that this processor has. Some processors multiply pairs of bf16 at half the rate of others: where they are not
    /// clearly faster than numbers in f32, a kernel of the latter is.
    pub fn best() -> Self {
        let worthwhile = |variant: &Variant| {
            variant.unavailable().is_none()
                && (*variant != Variant::Avx512Bf16 || pairs_are_faster())
        };
        Self::ALL.into_iter().rfind(worthwhile).unwrap_or(Variant::Scalar)
    }

    /// Why it cannot run here.
    fn unavailable(self) -> Option<String> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Some(format!("this processor lacks {}", missing.join(", ")));
        }
        (self == Variant::Amx && !amx::permitted())
            .then(|| "the system does not let this process use AMX".to_owned())
    }

    /// The instructions that it needs and this processor lacks.
    fn missing(self) -> Vec<&'static str> {
        let instructions = [
            ("AMX-BF16", amx::has_bf16()),
            ("AMX-TILE", amx::has_tiles()),
            ("AVX512-BF16", has!("avx512bf16")),
            ("AVX-512BW", has!("avx512bw")),
            ("AVX-512F", has!("avx512f")),
            ("AVX2", has!("avx2")),
            ("FMA", has!("fma")),
            ("F16C", has!("f16c")),
        ];
        let needed = match self {
            Variant::Scalar | Variant::Tiled => &[],
            Variant::Avx2 => &instructions[5..],
            Variant::Avx512 => &instructions[4..],
            Variant::Avx512Bf16 => &instructions[2..],
            Variant::Amx => &instructions[..],
        };
        needed.iter().filter(|(_, has)| !has).map(|(name, _)| *name).collect()
    }
}

/// Whether this processor adds clearly more products of bf16 than of f32 to sums in a second, measured once, in a millisecond.
fn pairs_are_faster() -> bool {
    /// Between one and two, where pairs are as fast as numbers, or twice as fast.
    const CLEARLY: f64 = 1.4;
    static FASTER: OnceLock<bool> = OnceLock::new();
    *FASTER.get_or_init(|| {
        let rate = |is: fn(&Loop) -> bool| {
            let loops = Loop::available().into_iter().filter(is);
            loops.map(products_per_second).fold(0.0, f64::max)
        };
        let pairs = rate(|of| of.isa() == "avx512bf16");
        pairs > CLEARLY * rate(|of| of.element() == Element::F32)
    })
}

/// The best of a few short runs.
fn products_per_second(of: Loop) -> f64 {
    const ROUNDS: u64 = 4000;
    let run = || {
        let start = Instant::now();
        black_box(of.run(Step::CALM, ROUNDS));
        (ROUNDS * of.fmas_per_round()) as f64 / start.elapsed().as_secs_f64()
    };
    (0..5).map(|_| run()).fold(0.0, f64::max)
}

/// A variant as a backend. Supports every problem with scaled-dot scores.
#[derive(Clone, Copy, Debug)]
pub struct Flash(pub Variant);

impl Backend for Flash {
    fn id(&self) -> BackendId {
        BackendId::new(self.0.id())
    }

    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        if let Some(reason) = self.0.unavailable() {
            return Err(Unavailable { reason });
        }
        let scalar = self.0 == Variant::Scalar;
        Ok(BackendInfo {
            isa: match self.0 {
                Variant::Scalar | Variant::Tiled => format!("{} (compile time)", target_features()),
                Variant::Avx2 => "avx2+fma+f16c (run time)".into(),
                Variant::Avx512 => "avx512f (run time)".into(),
                Variant::Avx512Bf16 => "avx512f, avx512bf16 for bf16 (run time)".into(),
                Variant::Amx => "avx512f, amx-bf16 for bf16 (run time)".into(),
            },
            arithmetic: Arithmetic {
                order: if scalar { SumOrder::Sequential } else { SumOrder::Blocked(KEYS as u32) },
                online: true,
                weights: match self.0 {
                    Variant::Avx512Bf16 | Variant::Amx => Precision::StoredBf16,
                    _ => Precision::AtLeastF32,
                },
                ..Arithmetic::PLAIN
            },
            ..BackendInfo::on_cpu(concat!("attn-flash ", env!("CARGO_PKG_VERSION")))
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        match problem.score() {
            Score::ScaledDot => problem.needs_only(Feature::is_basic),
            score => Err(Unsupported {
                feature: Feature::Score(score.kind()),
                why: "scores are products of q and k",
            }),
        }
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        exec: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        with_type!(problem.dtype(), T => plan::<T>(self.0, problem, *exec))
    }
}

fn plan<'b, S: Stored>(
    variant: Variant,
    problem: &Problem,
    exec: Exec,
) -> Result<Box<dyn Plan + 'b>, BackendError> {
    if variant == Variant::Scalar {
        return Ok(Box::new(HostPlan::<S, _>::new(problem, Scalar)));
    }
    let prepared = Prepared::<S>::new(variant, problem, &exec, None)?;
    Ok(Box::new(FlashPlan::new(problem, prepared.0)))
}

/// A storage type whose arithmetic all instruction sets have.
pub trait Stored: Storage<Compute: Computed> {}
impl<S: Storage<Compute: Computed>> Stored for S {}

/// An arithmetic that all instruction sets have: f32 and f64.
#[expect(private_bounds, reason = "nobody else can implement it")]
pub trait Computed: Num + AllSimd {}
impl<T: Num + AllSimd> Computed for T {}

/// Vectors of `Self` in every instruction set.
trait AllSimd: Num {
    fn blocked<S: Storage<Compute = Self>>(
        variant: Variant,
        problem: &Problem,
        tiles: Option<Tiles>,
        threads: usize,
    ) -> Result<Box<dyn Engine<S>>, BackendError>;
}

macro_rules! all_simd {
    ($float:ty $(, $pairs:ident, $matrices:ident)?) => {
        impl AllSimd for $float {
            fn blocked<S: Storage<Compute = $float>>(
                variant: Variant,
                problem: &Problem,
                tiles: Option<Tiles>,
                threads: usize,
            ) -> Result<Box<dyn Engine<S>>, BackendError> {
                #[cfg(target_arch = "x86_64")]
                {
                    $(if variant == Variant::Amx
                        && S::DTYPE == DType::BF16
                        && !is_stream(problem)
                        && let Some(isa) = $matrices::detect()
                    {
                        return boxed(isa, problem, tiles, threads);
                    }
                    if variant == Variant::Avx512Bf16
                        && S::DTYPE == DType::BF16
                        && let Some(isa) = $pairs::detect()
                    {
                        return boxed(isa, problem, tiles, threads);
                    })?
                    match (variant, Avx2::detect(), Avx512::detect()) {
                        (Variant::Avx2, Some(isa), _) => {
                            return boxed(isa, problem, tiles, threads);
                        }
                        (Variant::Avx512 | Variant::Avx512Bf16 | Variant::Amx, _, Some(isa)) => {
                            return boxed(isa, problem, tiles, threads);
                        }
                        _ => {}
                    }
                }
                match variant {
                    Variant::Tiled => boxed(Portable, problem, tiles, threads),
                    variant => Err(BackendError::Library {
                        library: "attn-flash",
                        message: format!("{} cannot run here", variant.id()),
                    }),
                }
            }
        }
    };
}

all_simd!(f32, Avx512Bf16, Amx);
all_simd!(f64);

fn boxed<S: Storage<Compute: Num>, I: Products<S::Compute>>(
    isa: I,
    problem: &Problem,
    tiles: Option<Tiles>,
    threads: usize,
) -> Result<Box<dyn Engine<S>>, BackendError> {
    let packed = Blocked::<S::Compute, I::Packed, I>::new::<S>(isa, problem, tiles, threads)?;
    Ok(Box::new(packed))
}

/// A computation on slices that the caller owns: without the copy of [`Plan::load`].
pub struct Prepared<S: Storage>(Box<dyn Engine<S>>);

impl<S: Stored> Prepared<S> {
    /// Prepares a variant above the first for a problem whose storage type is `S`; without `tiles` they are
    /// chosen for this machine ([`Tiles::choose`]).
    pub fn new(
        variant: Variant,
        problem: &Problem,
        exec: &Exec,
        tiles: Option<Tiles>,
    ) -> Result<Self, BackendError> {
        let threads = exec.threads.get();
        Ok(Prepared(<S::Compute as AllSimd>::blocked(variant, problem, tiles, threads)?))
    }

    /// Computes.
    pub fn run(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>) {
        self.0.run(operands, results);
    }

    /// Computes, and says where the time went.
    pub fn run_timed(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>) -> Phases {
        self.0.run_timed(operands, results)
    }
}
