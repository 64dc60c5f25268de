//! Tables, charts and pages, made from records alone
