//! The program `downspout`.

use std::process::ExitCode;

/// Small pieces of memory come and go by the thousand with each call.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    downspout::main()
}
