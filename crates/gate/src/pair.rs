//! One replicate: two workers take turns, in blocks of four short slots.
//!
//! ```text
//! block = A B B A  or  B A A B, by the toss of a coin        A: base, B: HEAD
//! d = (ln b1 + ln b2) / 2 - (ln a1 + ln a2) / 2              a drift that is linear in time cancels
//! D = Hodges and Lehmann's location of all d
//! ```
//!
//! Noise on shared machines is fast: neighbouring blocks differ by 7 to 10 percent. So slots are as short as
//! the clock and the caches allow, and many. A block in which a process had to wait for a processor is left
//! out, unless that is true of more than half of all blocks; and blocks are added, up to a limit, while
//! the spread says that `D` is not sharp yet. Neither rule looks at which side is slower, so that neither
//! can favour one.

use std::num::NonZeroU32;

use attn_bench::worker::Slot;
use attn_record::stats::{hodges_lehmann, quantile};
use rand_core::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// Something that can be timed.
pub trait Arm {
    /// Why it could not.
    type Error;

    /// Times `calls` calls, after `warm` that are not timed.
    fn slot(&mut self, calls: NonZeroU32, warm: u32) -> Result<Slot, Self::Error>;

    /// Computes once on other inputs, then goes back to those that are timed.
    fn fresh(&mut self) -> Result<(), Self::Error>;
}

/// How a replicate is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The slots of base and of HEAD.
    pub slots: [Slots; 2],
    /// The fewest and the most blocks.
    pub blocks: [usize; 2],
    /// What a block is expected to take, nanoseconds.
    pub block_ns: f64,
    /// Calls that HEAD makes in each slot beyond those that are counted: a slowdown of exactly
    /// `planted / calls`.
    pub planted: u32,
}

/// The slots of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Calls of a slot.
    pub calls: u32,
    /// Calls before each slot that are not timed.
    pub warm: u32,
}

/// Nanoseconds that a slot should last.
const SLOT_NS: f64 = 1.2e6;

/// Nanoseconds that a slot costs beyond its calls: the pipes, and reading how long the process waited.
const SLOT_COST_NS: f64 = 1.2e5;

/// How often each side is given other inputs in a replicate, at moments that nobody knows beforehand.
const FRESH: usize = 3;

/// So many times the planned time ends a replicate: its calls are not what they were when it was planned.
const LATE: f64 = 4.0;

/// Fewer calls than this in a slot go without one that only warms the caches.
const WARM_FROM: u32 = 4;

/// The standard error of `D` from which on no more blocks are added.
const SHARP: f64 = 0.005;

/// Standard deviations between the first and the last tenth of normal values.
const TENTHS: f64 = 2.5631;

impl Slots {
    /// Of calls that take `call_ns` nanoseconds; the number of calls is a multiple of `multiple`.
    fn choose(call_ns: f64, multiple: u32) -> Self {
        let wanted = (SLOT_NS / call_ns.max(1.0)).ceil().clamp(1.0, 1e6) as u32;
        let calls = wanted.next_multiple_of(multiple.max(1));
        Slots { calls, warm: u32::from(calls >= WARM_FROM) }
    }

    /// What one is expected to take, nanoseconds.
    fn ns(self, call_ns: f64) -> f64 {
        // After those that are timed come two alone where one is before them.
        f64::from(self.calls + 3 * self.warm) * call_ns + SLOT_COST_NS
    }
}

impl Shape {
    /// For calls of base and of HEAD that take `call_ns` nanoseconds, when a replicate may last `replicate_ns`. The numbers of
    /// calls are multiples of `multiple`.
    pub fn choose(call_ns: [f64; 2], replicate_ns: f64, multiple: u32) -> Self {
        let slots = call_ns.map(|ns| Slots::choose(ns, multiple));
        let block_ns = 2.0 * (slots[0].ns(call_ns[0]) + slots[1].ns(call_ns[1]));
        let most = ((replicate_ns / block_ns) as usize).clamp(8, 256);
        Shape { slots, blocks: [(most / 3).max(8), most], block_ns, planted: 0 }
    }

    /// With a slowdown of HEAD by `share`, as near as whole calls come to it.
    #[must_use]
    pub fn plant(self, share: f64) -> Self {
        Shape { planted: (f64::from(self.slots[1].calls) * share).round() as u32, ..self }
    }
}

/// The number of calls of which the share `share` is a whole number, or nearly: 34 for 3 %.
pub fn multiple_for(share: f64) -> u32 {
    if share > 0.0 { (1.0 / share).round().clamp(1.0, 1000.0) as u32 } else { 1 }
}

/// Nanoseconds per call in the four slots of a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Base, in order.
    pub base: [f64; 2],
    /// HEAD, in order.
    pub head: [f64; 2],
    /// Whether HEAD came first.
    pub head_first: bool,
    /// Whether a process had to wait for a processor.
    pub disturbed: bool,
}

impl Block {
    /// Nanoseconds of its slots.
    fn ns(&self, slots: [Slots; 2]) -> f64 {
        let of =
            |calls_ns: [f64; 2], slots: Slots| (calls_ns[0] + calls_ns[1]) * f64::from(slots.calls);
        of(self.base, slots[0]) + of(self.head, slots[1])
    }

    /// The logarithm of the ratio.
    pub fn ln_ratio(&self) -> f64 {
        let ln = |[x, y]: [f64; 2]| f64::midpoint(x.ln(), y.ln());
        ln(self.head) - ln(self.base)
    }
}

/// One replicate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replicate {
    /// Calls of a slot of base, and calls of HEAD beyond those that are counted.
    pub calls: [u32; 2],
    /// Its `D`.
    pub ln_ratio: f64,
    /// Standard error of `D` as far as its own blocks tell; another process differs by more.
    pub error: f64,
    /// Blocks that were left out.
    pub left_out: usize,
    /// All blocks.
    pub blocks: Vec<Block>,
}

/// Measures one replicate of `base` and `head`.
pub fn replicate<A: Arm>(
    base: &mut A,
    head: &mut A,
    shape: Shape,
    coin: &mut Xoshiro256PlusPlus,
) -> Result<Replicate, A::Error> {
    let [fewest, most] = shape.blocks;
    let mut blocks = Vec::with_capacity(most);
    // Of the longest replicate: those that a shorter one does not reach come at its end.
    let moments = [0; FRESH].map(|_| coin.next_u64() as usize % most.max(1));
    let (mut spent_ns, planned_ns) = (0.0, most as f64 * shape.block_ns);
    loop {
        fresh(base, head, &moments, |moment| moment == blocks.len())?;
        let block = block(base, head, shape, coin.next_u64() & 1 == 1)?;
        spent_ns += block.ns(shape.slots);
        blocks.push(block);
        let sharp = blocks.len() >= fewest && condense(&blocks).1 <= SHARP;
        if blocks.len() >= most || sharp || spent_ns > LATE * planned_ns {
            fresh(base, head, &moments, |moment| moment >= blocks.len())?;
            let (ln_ratio, error, left_out) = condense(&blocks);
            let calls = [shape.slots[0].calls, shape.planted];
            return Ok(Replicate { calls, ln_ratio, error, left_out, blocks });
        }
    }
}

/// Both compute on other inputs at those of the `moments` that are `due`.
fn fresh<A: Arm>(
    base: &mut A,
    head: &mut A,
    moments: &[usize],
    due: impl Fn(usize) -> bool,
) -> Result<(), A::Error> {
    for _ in moments.iter().filter(|&&moment| due(moment)) {
        base.fresh()?;
        head.fresh()?;
    }
    Ok(())
}

fn block<A: Arm>(
    base: &mut A,
    head: &mut A,
    shape: Shape,
    head_first: bool,
) -> Result<Block, A::Error> {
    let mut disturbed = false;
    let mut take = |arm: &mut A, slots: Slots, planted| {
        let calls = NonZeroU32::new(slots.calls + planted).unwrap_or(NonZeroU32::MIN);
        let slot = arm.slot(calls, slots.warm)?;
        disturbed |= slot.disturbed == Some(true);
        Ok(slot.ns.max(1) as f64 / f64::from(slots.calls))
    };
    let [of_base, of_head] = shape.slots;
    let (outer, inner) = if head_first {
        let first = take(head, of_head, shape.planted)?;
        let inner = [take(base, of_base, 0)?, take(base, of_base, 0)?];
        ([first, take(head, of_head, shape.planted)?], inner)
    } else {
        let first = take(base, of_base, 0)?;
        let inner = [take(head, of_head, shape.planted)?, take(head, of_head, shape.planted)?];
        ([first, take(base, of_base, 0)?], inner)
    };
    let (base, head) = if head_first { (inner, outer) } else { (outer, inner) };
    Ok(Block { base, head, head_first, disturbed })
}

/// `D`, its standard error, and the number of blocks that were left out.
fn condense(blocks: &[Block]) -> (f64, f64, usize) {
    let calm = blocks.iter().filter(|block| !block.disturbed).count();
    let all = calm * 2 < blocks.len();
    let used = blocks.iter().filter(|block| all || !block.disturbed);
    let used: Vec<f64> = used.map(Block::ln_ratio).collect();
    let location = hodges_lehmann(&used).expect("at least one block is used");
    let spread =
        quantile(&used, 0.9).zip(quantile(&used, 0.1)).map_or(0.0, |(high, low)| high - low);
    let error = spread / TENTHS / (used.len() as f64).sqrt();
    (location, error, blocks.len() - used.len())
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng as _;

    use super::*;

    /// Takes a fixed time per call, and more at some of its slots.
    struct Clockwork {
        call_ns: u64,
        slots: usize,
        fresh: usize,
        /// Every so many slots it waits this long.
        wait: Option<(usize, u64)>,
        tells: bool,
    }

    impl Arm for Clockwork {
        type Error = std::convert::Infallible;

        fn slot(&mut self, calls: NonZeroU32, _warm: u32) -> Result<Slot, Self::Error> {
            self.slots += 1;
            let due = |(every, _): &(usize, u64)| self.slots.is_multiple_of(*every);
            let waited = self.wait.filter(due).map_or(0, |(_, ns)| ns);
            let ns = self.call_ns * u64::from(calls.get()) + waited;
            Ok(Slot { ns, disturbed: self.tells.then_some(waited > 0) })
        }

        fn fresh(&mut self) -> Result<(), Self::Error> {
            self.fresh += 1;
            Ok(())
        }
    }

    fn clockwork(call_ns: u64) -> Clockwork {
        Clockwork { call_ns, slots: 0, fresh: 0, wait: None, tells: true }
    }

    fn measure(base: &mut Clockwork, head: &mut Clockwork, shape: Shape) -> Replicate {
        let Ok(replicate) = replicate(base, head, shape, &mut Xoshiro256PlusPlus::seed_from_u64(1));
        replicate
    }

    const SLOTS: Slots = Slots { calls: 100, warm: 1 };
    const SHAPE: Shape =
        Shape { slots: [SLOTS; 2], blocks: [8, 40], block_ns: 4.0 * 1.2e6, planted: 0 };

    #[test]
    fn the_ratio_of_two_clockworks() {
        let (mut base, mut head) = (clockwork(1000), clockwork(1030));
        let found = measure(&mut base, &mut head, SHAPE);
        assert_eq!((base.fresh, head.fresh), (FRESH, FRESH));
        assert!((found.ln_ratio - 1.03_f64.ln()).abs() < 1e-12);
        assert_eq!((found.blocks.len(), found.left_out, found.error), (8, 0, 0.0));
        let orders: Vec<bool> = found.blocks.iter().map(|block| block.head_first).collect();
        assert!(orders.contains(&true) && orders.contains(&false));
    }

    #[test]
    fn each_side_makes_calls_of_its_own_number() {
        let shape = Shape::choose([1000.0, 50_000.0], 1e8, 1);
        assert_eq!(shape.slots.map(|slots| slots.calls), [1200, 24]);
        let found = measure(&mut clockwork(1000), &mut clockwork(50_000), shape);
        assert!((found.ln_ratio - 50_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn calls_that_outlast_a_slot_end_no_replicate_early() {
        let shape = Shape::choose([1e8; 2], 0.6e9, 1);
        let found = measure(&mut clockwork(100_000_000), &mut clockwork(100_000_000), shape);
        assert_eq!(found.blocks.len(), 8);
        let found = measure(&mut clockwork(100_000_000), &mut clockwork(1_000_000_000), shape);
        assert!(found.blocks.len() < 8, "calls are ten times what was planned");
    }

    #[test]
    fn a_planted_slowdown_is_exact() {
        let found = measure(&mut clockwork(1000), &mut clockwork(1000), SHAPE.plant(0.03));
        assert!((found.ln_ratio - 1.03_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn blocks_that_waited_are_left_out() {
        let mut head = Clockwork { wait: Some((7, 50_000)), ..clockwork(1000) };
        let found = measure(&mut clockwork(1000), &mut head, SHAPE);
        assert!(found.left_out > 0);
        assert_eq!(found.ln_ratio, 0.0);
    }

    #[test]
    fn where_most_blocks_waited_all_count() {
        let mut head = Clockwork { wait: Some((1, 3000)), ..clockwork(1000) };
        let found = measure(&mut clockwork(1000), &mut head, SHAPE);
        assert_eq!(found.left_out, 0);
        assert!((found.ln_ratio - 1.03_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn noise_is_answered_with_more_blocks() {
        let mut head = Clockwork { wait: Some((3, 30_000)), tells: false, ..clockwork(1000) };
        assert_eq!(measure(&mut clockwork(1000), &mut head, SHAPE).blocks.len(), 40);
    }

    #[test]
    fn shapes_follow_the_time_of_a_call() {
        let short = Shape::choose([3000.0; 2], 0.6e9, 1);
        assert_eq!(short.slots, [Slots { calls: 400, warm: 1 }; 2]);
        assert!(short.blocks[1] > 80, "{short:?}");
        let long = Shape::choose([4.3e6; 2], 0.6e9, 1);
        assert_eq!((long.slots, long.blocks[1]), ([Slots { calls: 1, warm: 0 }; 2], 33));
        assert_eq!(Shape::choose([1e9; 2], 0.6e9, 1).blocks, [8, 8]);
        assert!(
            Shape::choose([3000.0; 2], 0.6e9, 34).slots.iter().all(|slots| slots.calls % 34 == 0)
        );
        assert_eq!([0.0, 0.005, 0.03, 0.05].map(multiple_for), [1, 200, 33, 20]);
    }
}
