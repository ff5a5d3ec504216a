//! The program `downspout` for the tests of this package: cargo builds the programs of a package before its tests.

/// The same allocator as in `downspout`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    downspout::main()
}
