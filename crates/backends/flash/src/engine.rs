//! One prepared computation: who does which job, in which memory.

#![expect(unsafe_code, reason = "threads write disjoint parts of the results")]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use attn_core::{BackendError, Element as _, Mask, Problem};
use attn_host::Storage;

use crate::buffer::{Buffer, Parts};
use crate::grid::{Grid, Job};
use crate::kernel::rows::MOST_ROWS;
use crate::kernel::widen::widen;
use crate::num::Num;
use crate::operands::{Admission, MaskRow, Operands, Results};
use crate::phases::{Clock, NoClock, Phase, Phases, Stopwatch};
use crate::simd::{Isa, Simd};
use crate::stream::{PASS, Stream};
use crate::team::Team;
use crate::tile::{Block, Keys, Partial, Row, Tile, hull};
use crate::tiles::Tiles;

/// A computation that slices can be handed to.
pub(crate) trait Engine<S: Storage>: Send {
    /// Computes.
    fn run(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>);
    /// Computes, and says where the time went.
    fn run_timed(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>) -> Phases;
    /// Bytes of scratch.
    fn bytes(&self) -> usize;
}

/// Blocked kernels of one instruction set.
pub(crate) struct Blocked<T, I> {
    isa: I,
    problem: Problem,
    admission: Admission,
    grid: Grid,
    /// Keys of a block.
    block: usize,
    team: Team,
    workers: Vec<Mutex<Worker<T>>>,
    /// Where the keys of a row are split: what is known of each row after each part.
    partials: Partials<T>,
}

/// The memory of a thread.
struct Worker<T> {
    rows: Rows<T>,
    /// A block of k and of v in the type that is computed in, for tiles, where that is not how they are stored.
    wide: [Buffer<T>; 2],
    phases: Phases,
}

/// The rows of a job, by how many there are.
enum Rows<T> {
    /// Queries in lanes, limited by arithmetic: prefill.
    Tiles(Vec<Tile<T>>, Block<T>),
    /// A few that share a stream of keys, limited by memory: decoding.
    Stream(Stream<T>),
}

/// Unfinished rows: `[splits, rows, Dv]`, and `[splits, rows]` each of m and l.
struct Partials<T> {
    o: Buffer<T>,
    m: Buffer<T>,
    l: Buffer<T>,
}

impl<T: Num, I: Simd<T>> Blocked<T, I> {
    pub(crate) fn new<S: Storage<Compute = T>>(
        isa: I,
        problem: &Problem,
        tiles: Option<Tiles>,
        threads: usize,
    ) -> Result<Self, BackendError> {
        let shape = problem.shape();
        let admission = Admission::new(problem);
        let width = I::LANES * I::VECTORS;
        let tiles = tiles.unwrap_or_else(|| Tiles::choose(shape, size_of::<T>(), width));
        let grid = |tiles| Grid::new(shape, width * tiles, admission.is_uniform(), threads);
        // Sharing keys must not leave a thread without work.
        let shared = Some(grid(tiles.tiles_per_job)).filter(|grid| grid.jobs() >= 4 * threads);
        let grid = shared.unwrap_or_else(|| grid(1));
        let team = Team::new(threads.min(grid.jobs())).map_err(|error| BackendError::Library {
            library: "std::thread",
            message: error.to_string(),
        })?;
        let dims = [shape.dim, shape.dim_v];
        let count = grid.tile.min(grid.unit_rows).div_ceil(width);
        let converts = S::as_compute(&[]).is_none();
        let streams = grid.unit_rows <= MOST_ROWS;
        // What is converted is to stay in the cache until it is used; in a stream that is in registers.
        let block = if streams { PASS.min(shape.len_k) } else { tiles.keys };
        let wide = |columns| Buffer::zeros(if converts && !streams { block * columns } else { 0 });
        let rows = || {
            if streams {
                return Rows::Stream(Stream::new(grid.unit_rows, dims, block, I::LANES));
            }
            let block = Block::new(block, width, problem.spec().mask.is_some());
            Rows::Tiles((0..count).map(|_| Tile::new(width, dims)).collect(), block)
        };
        let worker = || Worker { rows: rows(), wide: dims.map(wide), phases: Phases::default() };
        let kept = if grid.splits > 1 { shape.batch * shape.heads_q * shape.len_q } else { 0 };
        let lanes = || Buffer::zeros(grid.splits * kept);
        Ok(Blocked {
            isa,
            problem: problem.clone(),
            admission,
            grid,
            block,
            workers: (0..team.threads()).map(|_| Mutex::new(worker())).collect(),
            team,
            partials: Partials {
                o: Buffer::zeros(grid.splits * kept * shape.dim_v),
                m: lanes(),
                l: lanes(),
            },
        })
    }

    fn call<S: Storage<Compute = T>, C: Clock>(
        &mut self,
        operands: &Operands<'_, S>,
        results: Results<'_, S>,
        clock: impl Fn() -> C + Sync,
        stop: impl Fn(&C) -> Phases + Sync,
    ) {
        let Blocked { isa, problem, admission, grid, block, team, workers, partials } = self;
        check(problem, operands, &results);
        let shape = problem.shape();
        let rows = shape.batch * shape.heads_q * shape.len_q;
        let context = Context { isa: *isa, problem, admission, grid, block: *block, operands };
        let next = AtomicUsize::new(0);
        let Results { o, lse } = results;
        let places = Places {
            o: Parts::new(o),
            lse: Parts::new(lse),
            partials: [&mut partials.o, &mut partials.m, &mut partials.l].map(|x| Parts::new(x)),
        };
        let workers = &*workers;
        team.run(&|number| {
            // A worker that panicked left nothing that the next call would read before writing it.
            let mut worker = workers[number].lock().unwrap_or_else(PoisonError::into_inner);
            let mut clock = clock();
            loop {
                let job = next.fetch_add(1, Relaxed);
                if job >= grid.jobs() {
                    break;
                }
                let job = grid.job(job);
                context.attend(&job, &mut worker, &mut clock);
                // SAFETY: every row and split belongs to one job, and every job is taken by one thread.
                unsafe { context.finish(&job, &mut worker, &places) };
                clock.lap(Phase::Finish);
            }
            worker.phases = stop(&clock);
        });
        if grid.splits > 1 {
            let mut clock = clock();
            // SAFETY: all threads have finished.
            unsafe {
                let o = places.o.part(0..rows * shape.dim_v);
                let lse = if problem.spec().lse { places.lse.part(0..rows) } else { &mut [] };
                partials.merge(grid.splits, shape.dim_v, o, lse);
            }
            clock.lap(Phase::Finish);
            let mut worker = workers[0].lock().unwrap_or_else(PoisonError::into_inner);
            worker.phases.add(&stop(&clock));
        }
    }
}

impl<S: Storage<Compute = T>, T: Num, I: Simd<T>> Engine<S> for Blocked<T, I> {
    fn run(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>) {
        self.call(operands, results, || NoClock, |_| Phases::default());
    }

    fn run_timed(&mut self, operands: &Operands<'_, S>, results: Results<'_, S>) -> Phases {
        self.call(operands, results, Stopwatch::start, Stopwatch::phases);
        let mut sum = Phases::default();
        for worker in &mut self.workers {
            sum.add(&worker.get_mut().unwrap_or_else(PoisonError::into_inner).phases);
        }
        sum
    }

    fn bytes(&self) -> usize {
        let workers = self.workers.iter().map(|worker| {
            let worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            let rows = match &worker.rows {
                Rows::Tiles(tiles, block) => {
                    tiles.iter().map(Tile::bytes).sum::<usize>() + block.bytes()
                }
                Rows::Stream(stream) => stream.bytes(),
            };
            rows + worker.wide.iter().map(Buffer::bytes).sum::<usize>()
        });
        let Partials { o, m, l } = &self.partials;
        workers.sum::<usize>() + o.bytes() + m.bytes() + l.bytes()
    }
}

/// Where results go.
struct Places<'r, 'p, S: Storage> {
    /// `[rows, Dv]`,
    o: Parts<'r, S>,
    /// and `[rows]`, or nothing.
    lse: Parts<'r, S::Compute>,
    /// o, m and l of each split.
    partials: [Parts<'p, S::Compute>; 3],
}

/// What all jobs of a call share.
struct Context<'a, S: Storage, I> {
    isa: I,
    problem: &'a Problem,
    admission: &'a Admission,
    grid: &'a Grid,
    block: usize,
    operands: &'a Operands<'a, S>,
}

impl<S: Storage<Compute: Num>, I: Simd<S::Compute>> Context<'_, S, I> {
    /// Leaves the rows of `job` in the worker's memory, unfinished.
    fn attend<C: Clock>(&self, job: &Job, worker: &mut Worker<S::Compute>, clock: &mut C) {
        match &mut worker.rows {
            Rows::Tiles(tiles, block) => self.tiles(job, tiles, block, &mut worker.wide, clock),
            Rows::Stream(stream) => self.stream(job, stream, clock),
        }
    }

    /// Writes the rows of `job` that the worker has, or keeps them until the other splits are there.
    ///
    /// # Safety
    /// No other thread has a job of the same rows and split.
    unsafe fn finish(
        &self,
        job: &Job,
        worker: &mut Worker<S::Compute>,
        places: &Places<'_, '_, S>,
    ) {
        let shape = self.problem.shape();
        let (dim_v, grid) = (shape.dim_v, self.grid);
        let first = job.unit * grid.unit_rows + job.rows.start;
        let span = first..first + job.rows.len();
        if grid.splits == 1 {
            // SAFETY: these rows belong to this job, which the caller vouches that nobody else has.
            let (o, lse) = unsafe {
                let lse =
                    if self.problem.spec().lse { places.lse.part(span.clone()) } else { &mut [] };
                (places.o.part(span.start * dim_v..span.end * dim_v), lse)
            };
            return worker.finish(self.isa, dim_v, o, lse);
        }
        let rows = shape.batch * shape.heads_q * shape.len_q;
        let span = job.split * rows + span.start..job.split * rows + span.end;
        let [o, m, l] = &places.partials;
        // SAFETY: the same, of this split.
        let (o, m, l) = unsafe {
            (o.part(span.start * dim_v..span.end * dim_v), m.part(span.clone()), l.part(span))
        };
        worker.keep(self.isa, dim_v, o, m, l);
    }

    fn tiles<C: Clock>(
        &self,
        job: &Job,
        tiles: &mut [Tile<S::Compute>],
        block: &mut Block<S::Compute>,
        wide: &mut [Buffer<S::Compute>; 2],
        clock: &mut C,
    ) {
        let width = I::LANES * I::VECTORS;
        let tiles = &mut tiles[..job.rows.len().div_ceil(width)];
        let factor = S::Compute::from_f64(self.problem.scale());
        for (at, tile) in tiles.iter_mut().enumerate() {
            let first = job.rows.start + at * width;
            let rows = first..job.rows.end.min(first + width);
            tile.begin(self.isa, self.q(job, &rows), factor, |lane| self.row(job, first + lane));
        }
        clock.lap(Phase::Pack);
        let used = tiles.iter().fold(0..0, |used, tile| hull(&[used, tile.used()]));
        for first in self.grid.part(&used, job.split).step_by(self.block) {
            let keys = self.keys(job, first, &used, wide, clock);
            for (at, tile) in tiles.iter_mut().enumerate() {
                let mask = self.operands.mask.map(|mask| {
                    move |lane| self.mask_row(mask, job, job.rows.start + at * width + lane)
                });
                tile.add(self.isa, block, keys, mask.as_ref(), clock);
            }
        }
    }

    fn stream<C: Clock>(&self, job: &Job, stream: &mut Stream<S::Compute>, clock: &mut C) {
        let factor = S::Compute::from_f64(self.problem.scale());
        stream.begin(self.q(job, &job.rows), factor, |r| self.row(job, job.rows.start + r));
        clock.lap(Phase::Pack);
        let used = stream.used();
        for first in self.grid.part(&used, job.split).step_by(self.block) {
            // Widened in registers: what is read once is not written before it is used.
            let (k, v) = self.stored(job, first, &used);
            let keys = self.block_of(first, k, v);
            let mask = self
                .operands
                .mask
                .map(|mask| move |r| self.mask_row(mask, job, job.rows.start + r));
            stream.add(self.isa, keys, mask.as_ref(), clock);
        }
    }

    /// `[rows, D]`.
    fn q(&self, job: &Job, rows: &Range<usize>) -> &[S] {
        let (first, dim) = (job.unit * self.grid.unit_rows, self.problem.shape().dim);
        &self.operands.q[(first + rows.start) * dim..(first + rows.end) * dim]
    }

    /// The block of keys from `first` on, of the part of `used` that is the job's.
    fn keys<'w, C: Clock>(
        &'w self,
        job: &Job,
        first: usize,
        used: &Range<usize>,
        wide: &'w mut [Buffer<S::Compute>; 2],
        clock: &mut C,
    ) -> Keys<'w, S::Compute> {
        let (k, v) = self.stored(job, first, used);
        let [wide_k, wide_v] = wide;
        let [k, v] = [in_compute(self.isa, k, wide_k), in_compute(self.isa, v, wide_v)];
        clock.lap(Phase::Pack);
        self.block_of(first, k, v)
    }

    /// The same keys and values as they are stored.
    fn stored(&self, job: &Job, first: usize, used: &Range<usize>) -> (&[S], &[S]) {
        let shape = self.problem.shape();
        let end = self.grid.part(used, job.split).end.min(first + self.block);
        let [first, end] = [first, end].map(|key| job.unit * shape.len_k + key);
        let Operands { k, v, .. } = self.operands;
        (&k[first * shape.dim..end * shape.dim], &v[first * shape.dim_v..end * shape.dim_v])
    }

    fn block_of<'k, E>(&self, first: usize, k: &'k [E], v: &'k [E]) -> Keys<'k, S::Compute, E> {
        let shape = self.problem.shape();
        let softcap = self.problem.softcap().map(S::Compute::from_f64);
        Keys { first, k, v, dims: [shape.dim, shape.dim_v], softcap }
    }

    /// The query head and the row in it of row `row` of a unit.
    const fn head_and_row(&self, job: &Job, row: usize) -> (usize, usize) {
        let shape = self.problem.shape();
        let kv = job.unit - job.b * shape.heads_kv;
        (kv * shape.group() + row / shape.len_q, row % shape.len_q)
    }

    fn mask_row<'m>(&self, mask: &'m Mask, job: &Job, row: usize) -> MaskRow<'m> {
        let (h, i) = self.head_and_row(job, row);
        MaskRow::new(mask, [job.b, h, i])
    }

    fn row(&self, job: &Job, row: usize) -> Row<S::Compute> {
        let (h, i) = self.head_and_row(job, row);
        let of_head = |x: Option<&[f32]>| x.map(|x| S::Compute::from_f32(x[h]));
        Row {
            keys: self.admission.keys(job.b, i),
            diagonal: self.admission.diagonal(job.b, i),
            slope: of_head(self.operands.slopes),
            // It takes part once.
            sink: of_head(self.operands.sinks).filter(|_| job.split == 0),
        }
    }
}

/// What is stored in the type that is computed in: itself, or `wide`.
fn in_compute<'a, S: Storage<Compute: Num>, I: Isa>(
    isa: I,
    stored: &'a [S],
    wide: &'a mut [S::Compute],
) -> &'a [S::Compute] {
    S::as_compute(stored).unwrap_or_else(|| {
        let wide = &mut wide[..stored.len()];
        widen(isa, stored, wide);
        wide
    })
}

impl<T: Num> Worker<T> {
    /// Divides by l and rounds.
    fn finish<S: Storage<Compute = T>, I: Simd<T>>(
        &mut self,
        isa: I,
        columns: usize,
        o: &mut [S],
        lse: &mut [T],
    ) {
        let mut finish = |o: &mut [S], at: usize, done: Partial<'_, T>| {
            o.iter_mut().zip(done.o).for_each(|(o, &x)| *o = S::narrow(x));
            let sums = done.m.iter().zip(done.l);
            lse.iter_mut().skip(at).zip(sums).for_each(|(lse, (&m, &l))| *lse = log_sum_exp(m, l));
        };
        match &mut self.rows {
            Rows::Stream(stream) => finish(o, 0, stream.finished()),
            Rows::Tiles(tiles, _) => {
                let width = I::LANES * I::VECTORS;
                for (at, (tile, o)) in
                    tiles.iter_mut().zip(o.chunks_mut(width * columns)).enumerate()
                {
                    finish(o, at * width, tile.finished(isa, columns));
                }
            }
        }
    }

    /// Keeps what is known so far.
    fn keep<I: Simd<T>>(&mut self, isa: I, columns: usize, o: &mut [T], m: &mut [T], l: &mut [T]) {
        let mut keep = |o: &mut [T], at: usize, part: Partial<'_, T>| {
            o.copy_from_slice(part.o);
            m[at..at + part.m.len()].copy_from_slice(part.m);
            l[at..at + part.l.len()].copy_from_slice(part.l);
        };
        match &mut self.rows {
            Rows::Stream(stream) => keep(o, 0, stream.partial()),
            Rows::Tiles(tiles, _) => {
                let width = I::LANES * I::VECTORS;
                for (at, (tile, o)) in
                    tiles.iter_mut().zip(o.chunks_mut(width * columns)).enumerate()
                {
                    keep(o, at * width, tile.partial(isa, columns));
                }
            }
        }
    }
}

impl<T: Num> Partials<T> {
    /// Merges the parts of every row (Dao et al. 2023, flash-decoding; Rabe and Staats 2021, section 2):
    ///
    /// ```text
    /// m = max_s m_s,   w_s = exp(m_s - m),   o = sum_s w_s o_s / sum_s w_s l_s
    /// ```
    fn merge<S: Storage<Compute = T>>(
        &self,
        splits: usize,
        columns: usize,
        o: &mut [S],
        lse: &mut [T],
    ) {
        let rows = self.m.len() / splits;
        for (row, o) in o.chunks_exact_mut(columns).enumerate() {
            let places = (0..splits).map(|split| split * rows + row);
            let m = places.clone().fold(T::NEG_INFINITY, |m, at| self.m[at].larger(m));
            let weight = |at: usize| T::rescale(self.m[at], m);
            let l = places.clone().fold(T::ZERO, |l, at| l + weight(at) * self.l[at]);
            let factor = reciprocal(l);
            for (c, o) in o.iter_mut().enumerate() {
                let sum = places
                    .clone()
                    .fold(T::ZERO, |sum, at| sum + weight(at) * self.o[at * columns + c]);
                *o = S::narrow(sum * factor);
            }
            if let Some(lse) = lse.get_mut(row) {
                *lse = log_sum_exp(m, l);
            }
        }
    }
}

/// `1 / l`; 0 for a row without keys.
fn reciprocal<T: Num>(l: T) -> T {
    if l > T::ZERO { T::ONE / l } else { T::ZERO }
}

/// `m + ln l`; -inf for a row without keys.
fn log_sum_exp<T: Num>(m: T, l: T) -> T {
    if l > T::ZERO { m + l.ln() } else { T::NEG_INFINITY }
}

/// Slices of other lengths than the problem's would be a bug of the caller.
fn check<S: Storage>(problem: &Problem, operands: &Operands<'_, S>, results: &Results<'_, S>) {
    let (shape, spec) = (problem.shape(), problem.spec());
    let len = |dims: [usize; 4]| dims.iter().product::<usize>();
    let rows = len(shape.out()) / shape.dim_v;
    assert_eq!(operands.q.len(), len(shape.q()), "q");
    assert_eq!(operands.k.len(), len(shape.k()), "k");
    assert_eq!(operands.v.len(), len(shape.v()), "v");
    assert_eq!(results.o.len(), len(shape.out()), "o");
    assert_eq!(results.lse.len(), if spec.lse { rows } else { 0 }, "lse");
    assert_eq!(operands.mask.map(attn_core::Mask::spec), spec.mask, "mask");
    assert_eq!(operands.slopes.map(<[f32]>::len), spec.alibi.then_some(shape.heads_q), "slopes");
    assert_eq!(operands.sinks.map(<[f32]>::len), spec.sinks.then_some(shape.heads_q), "sinks");
}
