//! The tables in `docs/compatibility.md` are true: boto3 calls each operation, and those that are left out, and no others, are refused
//! as not implemented.

use e2e::{definitions::Definitions, program::Up};

use crate::PROGRAM;
use crate::clients::bash;

/// The sections with tables, and the name that boto3 gives to the service of each.
const SECTIONS: [(&str, &str); 4] =
    [("Data Pipeline", "datapipeline"), ("SNS", "sns"), ("Kinesis", "kinesis"), ("Firehose", "firehose")];

#[tokio::test(flavor = "multi_thread")]
async fn boto3_finds_done_what_the_tables_of_operations_say_is_done() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let tests = env!("CARGO_MANIFEST_DIR");
    for (section, service) in SECTIONS {
        let script = format!(
            "python '{tests}/e2e/compatibility.py' '{tests}/../docs/compatibility.md' '{section}' {service}"
        );
        let called: usize = bash(&up, &script).trim().parse().expect("the number of operations");
        assert!(called >= 12, "{section}: {called} operations");
    }
}
