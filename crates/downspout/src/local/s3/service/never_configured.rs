//! The sub-resources that a bucket has several of, each with an id: analytics, inventories, metrics and tiers. A bucket here never
//! has any, so lists are empty, and none can be read or deleted.

use s3s::dto::*;
use s3s::{S3Request, S3Result};

use super::Service;
use super::headers::not_found;

/// Answers each operation for a bucket without such configurations: a list with an empty one, any other with "not found".
macro_rules! never_configured {
    (lists { $($list:ident: $list_input:ident -> $list_output:ident;)* }
     others { $($other:ident: $input:ident -> $output:ident;)* }) => {
        impl Service {
            $(
                pub(super) async fn $list(&self, request: S3Request<$list_input>) -> S3Result<$list_output> {
                    self.expect_bucket(&request.input.bucket).await?;
                    Ok($list_output { is_truncated: Some(false), ..Default::default() })
                }
            )*

            $(
                pub(super) async fn $other(&self, request: S3Request<$input>) -> S3Result<$output> {
                    self.expect_bucket(&request.input.bucket).await?;
                    Err(not_found("NoSuchConfiguration", "The specified configuration does not exist."))
                }
            )*
        }
    };
}

never_configured! {
    lists {
        list_bucket_analytics_configurations:
            ListBucketAnalyticsConfigurationsInput -> ListBucketAnalyticsConfigurationsOutput;
        list_bucket_inventory_configurations:
            ListBucketInventoryConfigurationsInput -> ListBucketInventoryConfigurationsOutput;
        list_bucket_metrics_configurations:
            ListBucketMetricsConfigurationsInput -> ListBucketMetricsConfigurationsOutput;
        list_bucket_intelligent_tiering_configurations:
            ListBucketIntelligentTieringConfigurationsInput -> ListBucketIntelligentTieringConfigurationsOutput;
    }
    others {
        get_bucket_analytics_configuration:
            GetBucketAnalyticsConfigurationInput -> GetBucketAnalyticsConfigurationOutput;
        delete_bucket_analytics_configuration:
            DeleteBucketAnalyticsConfigurationInput -> DeleteBucketAnalyticsConfigurationOutput;
        get_bucket_inventory_configuration:
            GetBucketInventoryConfigurationInput -> GetBucketInventoryConfigurationOutput;
        delete_bucket_inventory_configuration:
            DeleteBucketInventoryConfigurationInput -> DeleteBucketInventoryConfigurationOutput;
        get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput -> GetBucketMetricsConfigurationOutput;
        delete_bucket_metrics_configuration:
            DeleteBucketMetricsConfigurationInput -> DeleteBucketMetricsConfigurationOutput;
        get_bucket_intelligent_tiering_configuration:
            GetBucketIntelligentTieringConfigurationInput -> GetBucketIntelligentTieringConfigurationOutput;
        delete_bucket_intelligent_tiering_configuration:
            DeleteBucketIntelligentTieringConfigurationInput -> DeleteBucketIntelligentTieringConfigurationOutput;
    }
}
