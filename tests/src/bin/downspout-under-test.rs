//! The program as a test sees it: cargo builds a package's own programs before its tests.

fn main() -> std::process::ExitCode {
    downspout::main()
}
