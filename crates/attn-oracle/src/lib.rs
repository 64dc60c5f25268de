//! f64 truth, error budgets and verdicts for attention
