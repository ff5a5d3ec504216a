//! `docs/compatibility.md` says the truth about every operation of S3.

use super::{Endpoint, python, workspace};

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_operations_is_true() {
    let endpoint = Endpoint::start().await;
    let script = workspace().join("tests/e2e/s3/operations.py");
    let table = workspace().join("docs/compatibility.md");
    let arguments = [script, table].map(|path| path.to_str().expect("UTF-8").to_owned());
    let said = endpoint.run(python(), arguments.into()).await;
    assert!(said.trim().ends_with("operations as the table says"), "{said}");
    endpoint.stop().await;
}
