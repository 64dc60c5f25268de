//! One prepared computation: who does which job, in which memory.

#![expect(unsafe_code, reason = "threads write disjoint parts of the results")]

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use attn_core::{BackendError, Element as _, Mask, Problem};
use attn_host::Storage;

use crate::buffer::{Parts, Plain};
use crate::grid::{Grid, Job};
use crate::kernel::convert::narrow;
use crate::kernel::rows::MOST_ROWS;
use crate::num::Num;
use crate::operands::{Admission, MaskRow, Operands, Results};
use crate::partials::{Partials, log_sum_exp};
use crate::phases::{Clock, NoClock, Phase, Phases, Stopwatch};
use crate::positions::{Row, hull};
use crate::products::Products;
use crate::stream::{PASS, Stream};
use crate::team::Team;
use crate::tile::{Block, Keys, Partial, Scaling, Tile};
use crate::tiles::Tiles;
use crate::wide::Wide;

/// Whether so few queries share their keys that these are read as a stream.
pub(crate) const fn is_stream(problem: &Problem) -> bool {
    problem.shape().group() * problem.shape().len_q <= MOST_ROWS
}

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
pub(crate) struct Blocked<T, P, I> {
    isa: I,
    problem: Problem,
    admission: Admission,
    grid: Grid,
    /// Keys of a block.
    block: usize,
    team: Team,
    workers: Vec<Mutex<Worker<T, P>>>,
    /// Where the keys of a row are split: what is known of each row after each part.
    partials: Partials<T>,
}

/// The memory of a thread.
struct Worker<T, P> {
    rows: Rows<T, P>,
    /// K and V as products take them, for tiles, where that is not how they are stored.
    wide: Wide<P>,
    phases: Phases,
}

/// The rows of a job, by how many there are.
enum Rows<T, P> {
    /// Queries in lanes, limited by arithmetic: prefill.
    Tiles(Vec<Tile<T, P>>, Block<T>),
    /// A few that share a stream of keys, limited by memory: decoding.
    Stream(Stream<T, P>),
}

impl<T: Num, I: Products<T>> Blocked<T, I::Packed, I> {
    pub(crate) fn new<S: Storage<Compute = T>>(
        isa: I,
        problem: &Problem,
        tiles: Option<Tiles>,
        threads: usize,
    ) -> Result<Self, BackendError> {
        let shape = problem.shape();
        let admission = Admission::new(problem);
        let width = I::LANES * I::VECTORS;
        let size = size_of::<I::Packed>() / I::PACK;
        let mut tiles = tiles.unwrap_or_else(|| Tiles::choose(shape, size, width));
        tiles.keys = tiles.keys.next_multiple_of(I::CHUNK);
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
        let streams = is_stream(problem);
        // In a stream keys are converted in registers.
        let block = if streams { PASS.min(shape.len_k) } else { tiles.keys };
        // Of a head that stays in the cache, keys are converted once for all tiles.
        let whole = Tiles::head_fits(shape, size);
        let kept = (if whole { shape.len_k } else { block.min(shape.len_k) }, shape.len_k, whole);
        let wide = || if streams { Wide::nothing() } else { Wide::new::<T, S, I>(kept, dims) };
        let (scaling, lse) = (Scaling::new::<I>(problem), problem.spec().lse);
        let rows = || {
            if streams {
                return Rows::Stream(Stream::new::<I>(grid.unit_rows, dims, block));
            }
            let block = Block::new(block, width, problem.spec().mask.is_some());
            let tiles = (0..count).map(|_| Tile::new::<I>(width, dims, (scaling, lse)));
            Rows::Tiles(tiles.collect(), block)
        };
        let worker = || Worker { rows: rows(), wide: wide(), phases: Phases::default() };
        let kept = if grid.splits > 1 { shape.batch * shape.heads_q * shape.len_q } else { 0 };
        Ok(Blocked {
            isa,
            problem: problem.clone(),
            admission,
            grid,
            block,
            workers: (0..team.threads()).map(|_| Mutex::new(worker())).collect(),
            team,
            partials: Partials::new(grid.splits, kept, shape.dim_v),
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
            worker.wide.forget();
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

impl<S: Storage<Compute = T>, T: Num, I: Products<T>> Engine<S> for Blocked<T, I::Packed, I> {
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
            rows + worker.wide.bytes()
        });
        workers.sum::<usize>() + self.partials.bytes()
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

impl<S: Storage<Compute: Num>, I: Products<S::Compute>> Context<'_, S, I> {
    /// Leaves the rows of `job` in the worker's memory, unfinished.
    fn attend<C: Clock>(
        &self,
        job: &Job,
        worker: &mut Worker<S::Compute, I::Packed>,
        clock: &mut C,
    ) {
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
        worker: &mut Worker<S::Compute, I::Packed>,
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
        tiles: &mut [Tile<S::Compute, I::Packed>],
        block: &mut Block<S::Compute>,
        wide: &mut Wide<I::Packed>,
        clock: &mut C,
    ) {
        let width = I::LANES * I::VECTORS;
        let tiles = &mut tiles[..job.rows.len().div_ceil(width)];
        for (at, tile) in tiles.iter_mut().enumerate() {
            let first = job.rows.start + at * width;
            let rows = first..job.rows.end.min(first + width);
            let q = (self.q(job, &rows), self.problem.shape().dim);
            tile.begin(self.isa, q, self.rows(job, first));
        }
        clock.lap(Phase::Pack);
        let used = tiles.iter().fold(0..0, |used, tile| hull(&[used, tile.used()]));
        let part =
            self.grid.part(&(used.start / I::CHUNK * I::CHUNK..used.end), job.split, I::CHUNK);
        for first in part.clone().step_by(self.block) {
            let keys = self.packed(job, first..part.end.min(first + self.block), wide);
            clock.lap(Phase::Pack);
            for (at, tile) in tiles.iter_mut().enumerate() {
                let mask = self.operands.mask.map(|mask| {
                    move |lane| self.mask_row(mask, job, job.rows.start + at * width + lane)
                });
                tile.add(self.isa, block, keys, mask.as_ref(), clock);
            }
        }
    }

    fn stream<C: Clock>(
        &self,
        job: &Job,
        stream: &mut Stream<S::Compute, I::Packed>,
        clock: &mut C,
    ) {
        let factor = S::Compute::from_f64(self.problem.scale());
        let q = (self.q(job, &job.rows), factor);
        stream.begin::<S, I>(q, self.rows(job, job.rows.start));
        clock.lap(Phase::Pack);
        let used = stream.used();
        let part = self.grid.part(&used, job.split, 1);
        for first in part.clone().step_by(self.block) {
            // Widened in registers: what is read once is not written before it is used.
            let range = first..part.end.min(first + self.block);
            let (k, v) = self.stored(job, &range);
            let keys = self.block_of(&range, k, v);
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

    /// Some keys, from the first of a pack on, as products take them.
    fn packed<'w>(
        &'w self,
        job: &Job,
        keys: Range<usize>,
        wide: &'w mut Wide<I::Packed>,
    ) -> Keys<'w, S::Compute, I::Packed> {
        let shape = self.problem.shape();
        // What is taken together is converted whole.
        let whole = keys.start..keys.end.next_multiple_of(I::CHUNK).min(shape.len_k);
        let stored = self.stored(job, &whole);
        let (k, v) = wide.packed(self.isa, job.unit, &whole, stored);
        self.block_of(&keys, k, v)
    }

    /// Some keys and values as they are stored.
    fn stored(&self, job: &Job, keys: &Range<usize>) -> (&[S], &[S]) {
        let shape = self.problem.shape();
        let [first, end] = [keys.start, keys.end].map(|key| job.unit * shape.len_k + key);
        let Operands { k, v, .. } = self.operands;
        (&k[first * shape.dim..end * shape.dim], &v[first * shape.dim_v..end * shape.dim_v])
    }

    fn block_of<'k, E>(
        &self,
        keys: &Range<usize>,
        k: &'k [E],
        v: &'k [E],
    ) -> Keys<'k, S::Compute, E> {
        let shape = self.problem.shape();
        let softcap = self.problem.softcap().map(S::Compute::from_f64);
        let dims = [shape.dim, shape.dim_v];
        Keys { first: keys.start, count: keys.len(), k, v, dims, softcap }
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

    /// The rows of the job's unit from `first` on, without end.
    fn rows(&self, job: &Job, first: usize) -> impl Iterator<Item = Row<S::Compute>> {
        let (b, first_split) = (job.b, job.split == 0);
        let (mut h, mut i) = self.head_and_row(job, first);
        std::iter::from_fn(move || {
            if i == self.problem.shape().len_q {
                (h, i) = (h + 1, 0);
            }
            let of_head = |x: Option<&[f32]>| x.map(|x| S::Compute::from_f32(x[h]));
            let row = Row {
                keys: self.admission.keys(b, i),
                diagonal: self.admission.diagonal(b, i),
                slope: of_head(self.operands.slopes),
                // It takes part once.
                sink: of_head(self.operands.sinks).filter(|_| first_split),
            };
            i += 1;
            Some(row)
        })
    }
}

impl<T: Num, P: Plain> Worker<T, P> {
    /// Divides by l and rounds.
    fn finish<S: Storage<Compute = T>, I: Products<T, Packed = P>>(
        &mut self,
        isa: I,
        columns: usize,
        o: &mut [S],
        lse: &mut [T],
    ) {
        let mut finish = |o: &mut [S], at: usize, done: Partial<'_, T>| {
            narrow(isa, done.o, o);
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
    fn keep<I: Products<T, Packed = P>>(
        &mut self,
        isa: I,
        columns: usize,
        o: &mut [T],
        m: &mut [T],
        l: &mut [T],
    ) {
        let mut keep = |o: &mut [T], at: usize, part: Partial<'_, T>| {
            o.copy_from_slice(part.o);
            m[at..at + part.m.len()].copy_from_slice(part.m);
            l[at..at + part.l.len()].copy_from_slice(part.l);
        };
        match &mut self.rows {
            Rows::Stream(stream) => keep(o, 0, stream.finished()),
            Rows::Tiles(tiles, _) => {
                let width = I::LANES * I::VECTORS;
                for (at, (tile, o)) in
                    tiles.iter_mut().zip(o.chunks_mut(width * columns)).enumerate()
                {
                    keep(o, at * width, tile.finished(isa, columns));
                }
            }
        }
    }
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
