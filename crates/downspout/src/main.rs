//! The program `downspout`.

fn main() {}
