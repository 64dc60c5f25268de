//! What is timed.
//!
//! | model | one call |
//! |---|---|
//! | [`Model::Kernel`] | `run`, operands in place |
//! | [`Model::KernelCold`] | `run` of the next of many plans, whose operands together outgrow the caches |
//! | [`Model::EndToEnd`] | `load`, `run`, `store` |
//! | [`Model::Prepare`] | `prepare`, and dropping the plan before |

use std::num::NonZeroU32;

use attn_core::{BackendError, Inputs, Output, Plan};
use attn_record::{Model, Process};

use super::Prepared;
use super::sampling::sample;
use crate::worker::Timed;

impl Prepared<'_> {
    /// Times calls on `inputs`; returns the samples and the result of the last timed call (of
    /// [`Model::Prepare`], the result of the last plan that was made).
    pub fn measure(
        &mut self,
        timed: &Timed,
        inputs: &Inputs,
    ) -> Result<(Process, Output), BackendError> {
        match timed.model {
            Model::Kernel => self.kernel(inputs, timed),
            Model::KernelCold => self.kernel_cold(inputs, timed),
            Model::EndToEnd => self.end_to_end(inputs, timed),
            Model::Prepare => self.prepare(inputs, timed),
        }
    }

    fn kernel(
        &mut self,
        inputs: &Inputs,
        timed: &Timed,
    ) -> Result<(Process, Output), BackendError> {
        self.load(inputs)?;
        let process = sample(&timed.timing, &timed.spread, |reps| self.run(reps))?;
        Ok((process, self.store()?))
    }

    fn kernel_cold(
        &mut self,
        inputs: &Inputs,
        timed: &Timed,
    ) -> Result<(Process, Output), BackendError> {
        let count = rotation(inputs.bytes(), timed.cold_bytes);
        let mut plans = Vec::with_capacity(count);
        for _ in 0..count {
            let mut plan = self.backend.prepare(&self.problem, &self.exec)?;
            plan.load(inputs)?;
            plans.push(plan);
        }
        let mut next = 0;
        let process = sample(&timed.timing, &timed.spread, |reps| {
            for _ in 0..reps.get() {
                plans[next].run(NonZeroU32::MIN)?;
                next = (next + 1) % count;
            }
            Ok(())
        })?;
        let last = plans.swap_remove((next + count - 1) % count);
        self.plan = last;
        Ok((process, self.store()?))
    }

    fn end_to_end(
        &mut self,
        inputs: &Inputs,
        timed: &Timed,
    ) -> Result<(Process, Output), BackendError> {
        let mut out = Output::poisoned(&self.problem);
        let process = sample(&timed.timing, &timed.spread, |reps| {
            for _ in 0..reps.get() {
                self.plan.load(inputs)?;
                self.plan.run(NonZeroU32::MIN)?;
                self.plan.store(&mut out)?;
            }
            Ok(())
        })?;
        Ok((process, out))
    }

    fn prepare(
        &mut self,
        inputs: &Inputs,
        timed: &Timed,
    ) -> Result<(Process, Output), BackendError> {
        let mut made: Option<Box<dyn Plan + '_>> = None;
        let process = sample(&timed.timing, &timed.spread, |reps| {
            for _ in 0..reps.get() {
                made = None;
                made = Some(self.backend.prepare(&self.problem, &self.exec)?);
            }
            Ok(())
        })?;
        if let Some(plan) = made {
            self.plan = plan;
        }
        self.load(inputs)?;
        self.run(NonZeroU32::MIN)?;
        Ok((process, self.store()?))
    }
}

/// Plans needed for operands of `operand_bytes` each to occupy `cold_bytes` together: at least two.
pub fn rotation(operand_bytes: u64, cold_bytes: u64) -> usize {
    usize::try_from(cold_bytes.div_ceil(operand_bytes.max(1))).unwrap_or(usize::MAX).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_plans_to_outgrow_the_caches() {
        assert_eq!(rotation(100, 1000), 10);
        assert_eq!(rotation(300, 1000), 4);
        assert_eq!(rotation(5000, 1000), 2);
        assert_eq!(rotation(0, 10), 10);
    }
}
