//! The program as a test sees it: cargo builds a package's own programs before its tests.

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    downspout::main()
}
