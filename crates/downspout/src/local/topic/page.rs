//! The pages of lists.

use super::query::Call;
use super::response::{SnsError, text};

/// The number of items per page, as in SNS.
const PAGE: usize = 100;

/// Returns the page of `items` that the call asks for, and the element `NextToken` if more items follow.
pub(super) fn page<T>(items: Vec<T>, call: &Call) -> Result<(Vec<T>, String), SnsError> {
    let begin = match call.get("NextToken").filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| SnsError::parameter("NextToken"))?,
    };
    let total = items.len();
    let page = items.into_iter().skip(begin).take(PAGE).collect();
    let end = begin.saturating_add(PAGE);
    Ok((page, if end < total { text("NextToken", &end.to_string()) } else { String::new() }))
}
