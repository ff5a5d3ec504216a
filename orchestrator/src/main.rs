//! The Lambda function: binary `bootstrap` of the `provided` runtimes.

fn main() {
    tracing_subscriber::fmt().json().init();
    tracing::error!("the orchestrator is still being built");
}
