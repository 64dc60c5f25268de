//! Attention over tiles of keys with an online softmax, step by step as [`Steps`] say.
//!
//! Arithmetic is in the storage type, f32 for the half types; the sums of one tile are joined to
//! those of the tiles before. Half types are widened exactly and the result is rounded once. A plain
//! kernel for reading and for breaking, not for speed.

use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::Range;

use attn_core::{
    Arithmetic, Backend, BackendError, BackendId, BackendInfo, Element, Exec, Feature, Fenced,
    Inputs, Mask, Output, Plan, Problem, ScoreWeights, Shape, SumOrder, Unavailable, Unsupported,
    with_type,
};
use attn_host::Storage;

use crate::compared::{Compared, Number};
use crate::foreign::{Keys, Style};
use crate::parts::{Parts, Stored};
use crate::steps::{Row, Steps, Sums, TILE_K};

/// The kernel with the given steps as a backend. Supports every problem.
pub(crate) struct Tiled {
    pub(crate) id: &'static str,
    pub(crate) steps: Steps,
    /// What follows the scores, if it is not an online softmax over tiles.
    pub(crate) style: Option<Style>,
}

impl Backend for Tiled {
    fn id(&self) -> BackendId {
        BackendId::new(self.id)
    }

    /// What the honest kernel says of itself: no mutant admits to computing less precisely.
    fn probe(&self) -> Result<BackendInfo, Unavailable> {
        Ok(BackendInfo {
            arithmetic: Arithmetic {
                order: SumOrder::Blocked(TILE_K as u32),
                online: true,
                ..Arithmetic::PLAIN
            },
            ..BackendInfo::on_cpu(concat!("attn-mutants ", env!("CARGO_PKG_VERSION")))
        })
    }

    fn supports(&self, problem: &Problem) -> Result<(), Unsupported> {
        problem.needs_only(Feature::is_basic)
    }

    fn prepare<'b>(
        &'b self,
        problem: &Problem,
        _: &Exec,
    ) -> Result<Box<dyn Plan + 'b>, BackendError> {
        Ok(with_type!(problem.dtype(), T => plan::<T>(problem, self)))
    }
}

fn plan<S: Storage<Compute: Number>>(
    problem: &Problem,
    &Tiled { ref steps, style, .. }: &Tiled,
) -> Box<dyn Plan> {
    let mut spec = problem.spec().clone();
    (steps.asked)(&mut spec);
    let asked = Problem::new(spec).expect("a mutant misreads a problem as another valid one");
    let [batch, heads, len, width] = problem.shape().out();
    Box::new(TiledPlan::<S> {
        steps: *steps,
        style,
        asked,
        loads: 0,
        calls: 0,
        operands: None,
        o: vec![S::Compute::ZERO; batch * heads * len * width],
        lse: vec![0.0; batch * heads * len],
        storage: PhantomData,
    })
}

struct TiledPlan<S: Storage> {
    steps: Steps,
    style: Option<Style>,
    /// The problem as it is understood.
    asked: Problem,
    loads: u64,
    calls: u64,
    operands: Option<Operands<S::Compute>>,
    o: Vec<S::Compute>,
    lse: Vec<f64>,
    storage: PhantomData<S>,
}

impl<S: Storage<Compute: Number>> Plan for TiledPlan<S> {
    fn load(&mut self, inputs: &Inputs) -> Result<(), BackendError> {
        if (self.steps.loads)(self.loads) {
            let mut parts = Parts::new(inputs);
            (self.steps.parts)(&self.asked, &mut parts);
            self.operands = Some(Operands::new(self.asked.shape(), &parts));
        }
        self.loads += 1;
        Ok(())
    }

    fn run(&mut self, reps: NonZeroU32) -> Result<(), BackendError> {
        let operands = self.operands.as_ref().ok_or(BackendError::NotLoaded)?;
        for _ in 0..reps.get() {
            if (self.steps.computes)(self.calls) {
                let mut kernel = Kernel::new(&self.steps, &self.asked, operands);
                kernel.style = self.style;
                kernel.run();
                for (o, new) in self.o.iter_mut().zip(kernel.o) {
                    *o = S::Compute::of((self.steps.merge)(o.wide(), new.wide()));
                }
                self.lse = kernel.lse;
            }
            self.calls += 1;
        }
        Ok(())
    }

    fn store(&mut self, out: &mut Output) -> Result<(), BackendError> {
        self.operands.as_ref().ok_or(BackendError::NotLoaded)?;
        let round = |o: &S::Compute| Some((self.steps.round)(S::DTYPE, o.wide()));
        let mut stored = Stored {
            o: self.o.iter().map(round).collect(),
            lse: self.lse.iter().map(|&lse| Some(lse)).collect(),
            past_the_end: None,
        };
        (self.steps.stored)(self.asked.shape(), &mut stored);
        write::<S>(out.o_mut(), &stored.o)?;
        if let Some(lse) = out.lse_mut() {
            write::<S::Compute>(lse, &stored.lse)?;
        }
        if let Some(x) = stored.past_the_end {
            let storage = out.o_mut().storage_mut();
            // The payload lies between two fences of the same length.
            let end = storage.len().midpoint(stored.o.len());
            S::slice_mut(storage).ok_or(BackendError::NotLoaded)?[end] = S::from_f64(x);
        }
        Ok(())
    }
}

fn write<T: Element>(out: &mut Fenced, values: &[Option<f64>]) -> Result<(), BackendError> {
    let found = out.dtype();
    let wrong = BackendError::DType { expected: T::DTYPE, found };
    for (slot, value) in out.slice_mut::<T>().ok_or(wrong)?.iter_mut().zip(values) {
        if let Some(value) = value {
            *slot = T::from_f64(*value);
        }
    }
    Ok(())
}

/// The operands in the type that is computed in; every head of k and v ends with rows of zeros up to
/// a whole tile.
struct Operands<C> {
    q: Vec<C>,
    k: Vec<C>,
    v: Vec<C>,
    weights: ScoreWeights<([usize; 4], Vec<C>)>,
    mask: Option<Mask>,
    slopes: Option<Vec<f64>>,
    sinks: Option<Vec<f64>>,
}

/// Rows of k and v in memory.
const fn padded(len_k: usize) -> usize {
    len_k.next_multiple_of(TILE_K)
}

impl<C: Number> Operands<C> {
    fn new(shape: &Shape, parts: &Parts) -> Self {
        let narrow = |x: &[f64]| x.iter().map(|&x| C::of(x)).collect::<Vec<_>>();
        let pad = |x: &[f64], width: usize| {
            let size = shape.len_k * width;
            let mut heads = vec![C::ZERO; x.len() / size * padded(shape.len_k) * width];
            let slots = heads.chunks_exact_mut(padded(shape.len_k) * width);
            for (slot, head) in slots.zip(x.chunks_exact(size)) {
                slot.iter_mut().zip(head).for_each(|(slot, &x)| *slot = C::of(x));
            }
            heads
        };
        Operands {
            q: narrow(&parts.q),
            k: pad(&parts.k, shape.dim_k()),
            v: pad(&parts.v, shape.dim_v),
            weights: parts.weights.as_ref().map(|_, (dims, w)| (*dims, narrow(w))),
            mask: parts.mask.clone(),
            slopes: parts.slopes.clone(),
            sinks: parts.sinks.clone(),
        }
    }
}

/// One call.
struct Kernel<'a, C> {
    steps: &'a Steps,
    style: Option<Style>,
    problem: &'a Problem,
    operands: &'a Operands<C>,
    o: Vec<C>,
    lse: Vec<f64>,
    /// Queries and keys of one head as its score compares them.
    compared: Compared<C>,
    tile: Tile<C>,
}

/// Working memory of one tile of keys.
struct Tile<C> {
    /// Final scores.
    s: Vec<f64>,
    /// Whether position and mask admit the key.
    admitted: Vec<bool>,
    /// The tile's share of o.
    o: Vec<C>,
}

/// The matrices of one query head.
#[derive(Clone, Copy)]
struct Head<'a, C> {
    b: usize,
    h: usize,
    q: &'a [C],
    k: &'a [C],
    v: &'a [C],
}

/// `x` rounded to the type that is computed in.
#[inline]
fn round<C: Number>(x: f64) -> f64 {
    C::of(x).wide()
}

impl<'a, C: Number> Kernel<'a, C> {
    fn new(steps: &'a Steps, problem: &'a Problem, operands: &'a Operands<C>) -> Self {
        let shape = problem.shape();
        let rows = shape.batch * shape.heads_q * shape.len_q;
        Kernel {
            steps,
            style: None,
            problem,
            operands,
            o: vec![C::ZERO; rows * shape.dim_v],
            lse: vec![0.0; rows],
            compared: Compared::NOTHING,
            tile: Tile { s: Vec::new(), admitted: Vec::new(), o: vec![C::ZERO; shape.dim_v] },
        }
    }

    fn run(&mut self) {
        let shape = *self.problem.shape();
        for b in 0..shape.batch {
            for h in 0..shape.heads_q {
                let [q, k, v] = (self.steps.place)(&shape, b, h);
                let size = padded(shape.len_k);
                let head = Head {
                    b,
                    h,
                    q: matrix(&self.operands.q, q, shape.len_q * shape.dim),
                    k: matrix(&self.operands.k, k, size * shape.dim_k()),
                    v: matrix(&self.operands.v, v, size * shape.dim_v),
                };
                self.head(head);
            }
        }
    }

    fn head(&mut self, head: Head<'_, C>) {
        let shape = *self.problem.shape();
        let weight_head = (self.steps.weight_head)(&shape, head.h);
        let weights = self.operands.weights.as_ref().map(|_, (dims, w)| {
            let [_, heads, rows, columns] = *dims;
            matrix(w, weight_head % heads, rows * columns)
        });
        self.compared = Compared::new(self.steps, self.problem, [head.q, head.k], weights);
        let columns = self.steps.columns.map(|columns| {
            let scores: Vec<f64> =
                (0..shape.len_q).flat_map(|i| self.row_scores(head, i)).collect();
            columns(&scores, shape.len_k)
        });
        let first = (head.b * shape.heads_q + head.h) * shape.len_q;
        for i in 0..(self.steps.rows)(shape.len_q) {
            match self.style {
                None => self.row(head, i, first + i, columns.as_deref()),
                Some(style) => self.foreign_row(head, i, first + i, style),
            }
        }
    }

    /// Row `i` of one head in another arithmetic.
    fn foreign_row(&mut self, head: Head<'_, C>, i: usize, at: usize, style: Style) {
        let width = self.problem.shape().dim_v;
        let scores = self.row_scores(head, i);
        let admitted = scores.into_iter().enumerate().filter(|(j, _)| self.tile.admitted[*j]);
        let keys = Keys {
            scores: &admitted.map(|(j, s)| (s, j)).collect::<Vec<_>>(),
            v: head.v,
            width,
            sink: self.describe(head, i).sink,
            storage: self.problem.dtype(),
        };
        let (o, lse) = keys.attend(style);
        self.o[at * width..][..width].copy_from_slice(&o);
        self.lse[at] = lse;
    }

    /// All scores of one row.
    fn row_scores(&mut self, head: Head<'_, C>, i: usize) -> Vec<f64> {
        let len_k = self.problem.shape().len_k;
        let row = self.describe(head, i);
        let keys = (self.steps.keys)(self.problem, head.b, i);
        self.scores(head, &row, &keys, 0..len_k);
        self.tile.s.clone()
    }

    fn describe(&self, head: Head<'_, C>, i: usize) -> Row<'a> {
        let of_head = |x: &Option<Vec<f64>>| x.as_ref().map(|x| x[head.h]);
        Row {
            problem: self.problem,
            b: head.b,
            i,
            scale: self.problem.scale(),
            softcap: self.problem.softcap(),
            slope: of_head(&self.operands.slopes),
            sink: of_head(&self.operands.sinks),
            diagonal: self.problem.diagonal(head.b, i),
        }
    }

    /// Row `i` of one head, which is row `at` of the output.
    fn row(&mut self, head: Head<'_, C>, i: usize, at: usize, columns: Option<&[f64]>) {
        let (steps, shape) = (self.steps, *self.problem.shape());
        let row = self.describe(head, i);
        let keys = (steps.keys)(self.problem, head.b, i);
        let end = shape.len_k.max(keys.end);
        let mut sums = (steps.start)(row.sink);
        let mut o = vec![C::ZERO; (steps.width)(shape.dim_v)];
        for tile in (0..end.div_ceil(TILE_K)).filter(|&tile| (steps.visits)(&keys, tile)) {
            let span = tile * TILE_K..end.min((tile + 1) * TILE_K);
            self.scores(head, &row, &keys, span.clone());
            if let Some(columns) = columns {
                self.tile.s.iter_mut().zip(&columns[span.clone()]).for_each(|(s, c)| *s -= c);
            }
            let next = (steps.next_max)(sums.m, (steps.peak)(self.problem, &self.tile.s));
            // A tile without a key changes nothing; one with NaN does.
            if next == f64::NEG_INFINITY && !self.tile.s.iter().any(|s| s.is_nan()) {
                continue;
            }
            let [on_l, on_o] = (steps.rescale)(steps.exp, sums.m, next).map(round::<C>);
            let l = self.weigh(head, &row, span, (steps.shift)(sums.m, next));
            sums = Sums { m: next, l: round::<C>(round::<C>(on_l * sums.l) + l) };
            let on_o = C::of(on_o);
            for (o, &tile) in o.iter_mut().zip(&self.tile.o) {
                *o = *o * on_o + tile;
            }
            if let Some(carry) = steps.carry {
                for o in &mut o {
                    *o = C::of(carry(self.problem.dtype(), o.wide()));
                }
            }
        }
        sums.l = round::<C>((steps.total)(sums, row.sink));
        for (out, o) in self.o[at * shape.dim_v..].iter_mut().zip(o) {
            *out = C::of((steps.divide)(&row, o.wide(), sums));
        }
        self.lse[at] = (steps.lse)(sums, row.sink);
    }

    /// The final scores of the keys in `span`, of which the row admits `keys` by position.
    fn scores(
        &mut self,
        head: Head<'_, C>,
        row: &Row<'_>,
        keys: &Range<usize>,
        span: Range<usize>,
    ) {
        let steps = self.steps;
        self.tile.s.clear();
        self.tile.admitted.clear();
        for j in span {
            let raw = round::<C>(self.compared.score(steps, row.i, j).wide());
            let bias = keys.contains(&j).then(|| self.bias([head.b, head.h, row.i, j])).flatten();
            let s = match bias {
                Some(bias) => (steps.score)(row, j, bias, raw),
                None => (steps.excluded)(row, j, raw),
            };
            self.tile.s.push(round::<C>(s));
            self.tile.admitted.push(bias.is_some());
        }
    }

    /// What the mask adds; `None` if it does not admit the key.
    fn bias(&self, at: [usize; 4]) -> Option<f64> {
        match &self.operands.mask {
            Some(mask) if at[3] < self.problem.shape().len_k => {
                mask.bias((self.steps.mask_at)(mask.spec().dims, at))
            }
            _ => Some(0.0),
        }
    }

    /// Weights of the keys in `span`: their share of o, and their sum.
    fn weigh(&mut self, head: Head<'_, C>, row: &Row<'_>, span: Range<usize>, shift: f64) -> f64 {
        let (steps, width) = (self.steps, self.problem.shape().dim_v);
        let mut l = round::<C>((steps.tile_start)(row.sink, shift));
        self.tile.o.fill(C::ZERO);
        for (at, j) in span.enumerate() {
            let p = round::<C>((steps.exp)(self.tile.s[at] - shift));
            l = round::<C>((steps.add)(l, p));
            let weight = C::of((steps.weight)(p, self.tile.admitted[at]));
            if (steps.reads)(weight.wide()) {
                for (o, &v) in self.tile.o.iter_mut().zip(&head.v[j * width..][..width]) {
                    *o += weight * v;
                }
            }
        }
        l
    }
}

fn matrix<C>(tensor: &[C], head: usize, size: usize) -> &[C] {
    &tensor[head * size..][..size]
}
