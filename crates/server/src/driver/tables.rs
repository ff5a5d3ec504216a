//! The calls to DynamoDB that precondition checks need.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::Select;

/// The largest number of empty pages that one check reads. A scan may return empty pages before the page with the first
/// item. After this many empty pages, the check answers that the table holds no item.
const MOST_EMPTY_PAGES: usize = 10;

/// Answers whether tables exist and hold items. A table that does not exist is an answer and not an error, because the
/// table may be created later.
pub(crate) trait Tables: Clone + Send + Sync + 'static {
    /// Returns whether the table exists, or a sentence that says why that is unknown.
    fn table_exists(&self, table: &str) -> impl Future<Output = Result<bool, String>> + Send;

    /// Returns whether the table holds an item, or a sentence that says why that is unknown.
    fn holds_any_item(&self, table: &str) -> impl Future<Output = Result<bool, String>> + Send;
}

impl Tables for aws_sdk_dynamodb::Client {
    async fn table_exists(&self, table: &str) -> Result<bool, String> {
        match self.describe_table().table_name(table).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(format!("DescribeTable {table}: {}", DisplayErrorContext(&error))),
        }
    }

    async fn holds_any_item(&self, table: &str) -> Result<bool, String> {
        let mut from = None;
        for _ in 0..MOST_EMPTY_PAGES {
            let scan = self.scan().table_name(table).select(Select::Count).limit(1);
            let page = match scan.set_exclusive_start_key(from).send().await {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(false),
                Err(error) => return Err(format!("Scan {table}: {}", DisplayErrorContext(&error))),
            };
            if page.count() > 0 {
                return Ok(true);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }
}

fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.code() == Some("ResourceNotFoundException")
}
