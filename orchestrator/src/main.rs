//! The Lambda function: the binary `bootstrap` of the `provided` runtimes.

fn main() -> std::process::ExitCode {
    orchestrator::lambda::main()
}
