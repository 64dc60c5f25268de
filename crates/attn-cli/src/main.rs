//! The `attn` command.

fn main() -> std::process::ExitCode {
    attn_cli::main()
}
