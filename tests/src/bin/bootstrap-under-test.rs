//! The Lambda function for the tests of this package: cargo builds the programs of a package before its tests.

fn main() -> std::process::ExitCode {
    orchestrator::lambda::main()
}
