//! The regression gate: does this commit make anything slower or wrong, and how sure is the answer?
//!
//! The unit of inference is a **replicate**: two fresh processes, one of each revision, measured in turns.
//! The samples inside a process say nothing of the next process, so that they are condensed to one number
//! each, the logarithm of the ratio of the times, and everything is decided on these numbers.
//!
//! | module | room for |
//! |---|---|
//! | [`rule`] | the decision on the replicates of one case: screen, confirm, close |
//! | [`judge`] | the procedure over a whole suite, which takes replicates as it needs them |

pub mod judge;
pub mod rule;
