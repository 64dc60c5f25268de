//! The `attn` command.

/// Counts what a computation allocates, when asked.
#[global_allocator]
static ALLOCATOR: attn_sys::alloc::Counting = attn_sys::alloc::Counting;

fn main() -> std::process::ExitCode {
    attn_cli::main()
}
