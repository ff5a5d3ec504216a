//! The canonical forms of a path of S3.

use percent_encoding::{AsciiSet, percent_decode_str, percent_encode};

use crate::canonical::{PATH, VALUE};

/// Returns the forms of a path that a client may have signed.
///
/// The first form is that of AWS: each byte is encoded once, and `%2F` stays apart from the slash. Some clients sign the path
/// as they send it, with characters such as `:` or `+` as they are. Others sign `%2F` as a slash; both paths name the same key.
/// The key of the object is the same in all forms, so that none of them opens another object.
pub(super) fn canonical_forms(path: &str) -> Vec<String> {
    let path = if path.is_empty() { "/" } else { path };
    let encode = |text: &str, set: &'static AsciiSet| {
        percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), set).to_string()
    };
    let segments: Vec<String> = path.split('/').map(|segment| encode(segment, VALUE)).collect();
    let mut forms = vec![segments.join("/")];
    for other in [path.to_owned(), encode(path, PATH)] {
        if !forms.contains(&other) {
            forms.push(other);
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_path_has_one_form() {
        assert_eq!(canonical_forms("/drop/a%20b"), ["/drop/a%20b"]);
        assert_eq!(canonical_forms(""), ["/"]);
    }

    #[test]
    fn an_encoded_slash_may_be_signed_as_it_is_or_as_a_slash() {
        assert_eq!(canonical_forms("/drop/a%2Fb"), ["/drop/a%2Fb", "/drop/a/b"]);
        assert_eq!(canonical_forms("/drop/a%2fb"), ["/drop/a%2Fb", "/drop/a%2fb", "/drop/a/b"]);
    }

    #[test]
    fn a_path_may_be_signed_as_it_was_sent() {
        assert_eq!(canonical_forms("/drop/a:b+c"), ["/drop/a%3Ab%2Bc", "/drop/a:b+c"]);
    }
}
