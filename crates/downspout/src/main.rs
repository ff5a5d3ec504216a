//! The program `downspout`.

use std::process::ExitCode;

/// Each call allocates and frees thousands of small pieces of memory; mimalloc does so faster than the default
/// allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    downspout::main()
}
