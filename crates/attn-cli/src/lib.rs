//! The attn command
