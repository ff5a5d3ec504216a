//! Says why the database refused a row, and what the user can change.

use super::super::next_tables::PARTITION_CHECK;
use super::batch::DOING;
use crate::failure::Failure;

/// Returns why the database refused a row: its own sentence, without the work at which it happened, `more`, and a remedy.
/// `is_of_statement` says that the row went through an `insertQuery`.
pub(super) fn reason(failure: &Failure, more: &str, is_of_statement: bool) -> String {
    let said = failure.message.strip_prefix(DOING).and_then(|rest| rest.strip_prefix(": "));
    let said = said.unwrap_or(&failure.message);
    let code = failure.id.rsplit(':').next().unwrap_or_default();
    let is_json_array = code == "22P02" && said.contains("malformed array literal: \"[");
    let remedy = if is_json_array {
        "an array is written in braces; write {1,2} (in JSON the string \"{1,2}\"), or give the column the type jsonb"
    } else if code == "23514" && (said.contains(PARTITION_CHECK) || said.contains("no partition of relation"))
    {
        "correct the value, or add a partition for it"
    } else if code == "23514" && said.contains("violates partition constraint") {
        "correct the value, or load the table of which this one is a partition"
    } else if code == "23505" && is_of_statement {
        "leave out the row or correct the value, or let `insertQuery` say ON CONFLICT"
    } else {
        remedy(code)
    };
    format!("{said}{more}; {remedy}")
}

/// Returns what to do about an error with this SQLSTATE (PostgreSQL manual, appendix A).
fn remedy(code: &str) -> &'static str {
    match code {
        "23505" => {
            "leave out the row or correct the value; `myLoadMode` upsert replaces a row with the same primary key, and no other"
        }
        "23503" => "load the row that it refers to first, or correct the value",
        "23514" => "correct the value, or change the check of the table",
        "23502" => "fill the value, or allow NULL in the table",
        "23P01" => "correct the value, or change the constraint of the table",
        "42501" | "44000" => "correct the value, or load with a user who may write such rows",
        "54000" | "54001" => "shorten the value",
        "22003" | "22008" => "correct the value, or give the column a wider type",
        _ if code.starts_with("22") => {
            "write the value as PostgreSQL reads its type, or give the column the type text"
        }
        // Types of extensions raise this code, too.
        "XX000" => "write the value as PostgreSQL reads its type, or correct the row",
        _ if code.starts_with("23") => "correct the row, or change the constraint of the table",
        _ if code.starts_with('0') || code.starts_with("42") || code.starts_with("54") => {
            "write the value as PostgreSQL reads its type"
        }
        _ => "correct the row, or change the trigger or the function of the database that refused it",
    }
}
