//! The program `downspout`.

use std::process::ExitCode;

fn main() -> ExitCode {
    downspout::main()
}
