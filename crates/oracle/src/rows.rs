//! Which query rows are checked.

use attn_core::Problem;
use rand_core::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::score::Pair;

/// Query rows, ascending and without repeats; the same in every batch and head.
///
/// Rows of attention are independent, so at long lengths a chosen set stands for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(Vec<usize>);

/// Kernels cut queries into tiles of multiples of this.
const TILE: usize = 64;

impl Rows {
    /// Every row of `problem`.
    pub fn all(problem: &Problem) -> Self {
        Rows((0..problem.shape().len_q).collect())
    }

    /// Every row if that costs at most `max_products` multiplications; otherwise the first and the
    /// last row, both sides of every tile edge and a sample seeded by the shape, thinned
    /// out evenly to about what `max_products` allows, but never below 64 rows.
    pub fn choose(problem: &Problem, max_products: u64) -> Self {
        let n = problem.shape().len_q;
        let affordable = (max_products / per_row(problem)).max(64) as usize;
        if n <= affordable {
            return Rows::all(problem);
        }
        let thinned = (n / TILE).div_ceil(affordable / 4);
        let edges = (TILE..n).step_by(TILE * thinned).flat_map(|edge| [edge - 1, edge]);
        // A multiplicative sequence visits residues in a fixed, scattered order.
        let scattered = (1..=n).map(|i| i.wrapping_mul(0x9E37_79B9) % n);
        let mut rows: Vec<usize> = [0, n - 1].into_iter().chain(edges).collect();
        rows.extend(scattered.take(affordable.saturating_sub(rows.len())));
        Rows::from_indices(rows)
    }

    /// As many rows as `max_products` multiplications allow, at least one, drawn by `seed`: whoever does not know the seed
    /// cannot compute these alone.
    pub fn draw(problem: &Problem, max_products: u64, seed: u64) -> Self {
        let n = problem.shape().len_q;
        let affordable = (max_products / per_row(problem)).max(1) as usize;
        if n <= affordable {
            return Rows::all(problem);
        }
        let mut bits = Xoshiro256PlusPlus::seed_from_u64(seed);
        Rows::from_indices((0..affordable).map(|_| (bits.next_u64() % n as u64) as usize).collect())
    }

    /// The given rows.
    pub fn from_indices(mut rows: Vec<usize>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Rows(rows)
    }

    /// The rows' indices.
    pub fn indices(&self) -> &[usize] {
        &self.0
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Multiplications of a row, in all batches and heads.
fn per_row(problem: &Problem) -> u64 {
    let shape = problem.shape();
    let heads = (shape.batch * shape.heads_q) as u64;
    (heads * (shape.len_k * (Pair::cost(problem) + shape.dim_v)) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use attn_core::{DType, ProblemSpec, Shape};

    use super::*;

    fn problem(n: usize) -> Problem {
        Problem::new(ProblemSpec::new(Shape::square(1, n, 64), DType::F32)).unwrap()
    }

    #[test]
    fn small_problems_are_checked_whole() {
        assert_eq!(Rows::choose(&problem(100), 1 << 28).len(), 100);
    }

    #[test]
    fn drawn_rows_differ_from_seed_to_seed() {
        let of = |seed| Rows::draw(&problem(4096), 1 << 22, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(of(1).len() >= 6 && of(1).len() <= 8, "{}", of(1).len());
        assert_eq!(Rows::draw(&problem(4096), 1, 3).len(), 1);
        assert_eq!(Rows::draw(&problem(100), 1 << 28, 3), Rows::all(&problem(100)));
    }

    #[test]
    fn long_problems_keep_the_ends_and_the_tile_edges() {
        let n = 4096;
        let rows = Rows::choose(&problem(n), 1 << 28);
        assert!(rows.len() > 200 && rows.len() <= 513, "{}", rows.len());
        for row in [0, 63, 64, 127, 128, 4031, 4032, n - 1] {
            assert!(rows.indices().contains(&row), "{row}");
        }
        assert!(rows.indices().is_sorted());
        assert!(rows.indices().iter().all(|&row| row < n));
    }
}
