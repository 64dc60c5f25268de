//! What must hold across crates: conformance, golden files, architecture.
