//! `myPublish` `together` in a whole stack, with its own database: one field makes the shipped pipeline all or nothing.

use e2e::{definitions::Definitions, program::Up, samples::Samples};
use serde_json::json;

use crate::PROGRAM;

/// Returns the numbers of orders, reviews and shipments, and the days of the results.
async fn tables(up: &Up) -> ([i64; 3], String) {
    let days = "SELECT coalesce(string_agg(ingestion_date::text, ' ' ORDER BY ingestion_date), '') FROM analytics.agg_shipments";
    let row = up.database().await.query_one(days, &[]).await.expect("the table of the pipeline");
    (up.staging_rows().await, row.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_changes_all_tables_or_none() {
    let definitions = Definitions::uncapped();
    definitions.edit(|_, default| {
        default.insert("myPublish".to_owned(), json!("together"));
    });
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let first = Samples::small(61, 300);
    up.drop_set("2026-05-01", &first).await;
    let mail = up.mail_of("2026-05-01").await;
    assert!(mail.subject.contains("rows loaded, 0 refused"), "{}\n{}", mail.subject, mail.body);
    assert_eq!(tables(&up).await, (first.rows(), "2026-05-01".to_owned()));

    // Orders and reviews are good, and the third file is not.
    for (name, bytes) in Samples::small(62, 400).files() {
        let bytes = if name == "shipments.csv" { b"other,columns\n1,2\n".to_vec() } else { bytes };
        up.put(&format!("incoming/2026-05-02/{name}"), bytes).await;
    }
    let mail = up.mail_of("2026-05-02").await;
    assert_eq!(mail.subject, "orders 2026-05-02: FAILED", "{}", mail.body);
    assert!(
        mail.body.contains("staging.orders: not changed by this run; its load had read 400 rows"),
        "{}",
        mail.body
    );
    assert_eq!(tables(&up).await, (first.rows(), "2026-05-01".to_owned()), "no table mixes two days");

    let third = Samples::small(63, 500);
    up.drop_set("2026-05-03", &third).await;
    let mail = up.mail_of("2026-05-03").await;
    assert!(mail.subject.contains("rows loaded, 0 refused"), "{}\n{}", mail.subject, mail.body);
    assert_eq!(tables(&up).await, (third.rows(), "2026-05-01 2026-05-03".to_owned()));
    let left = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%\\_\\_df-%'";
    let left = up.database().await.query_one(left, &[]).await.expect("the schemas");
    assert_eq!(left.get::<_, i64>(0), 0, "the tables of the failed run are gone");
}
