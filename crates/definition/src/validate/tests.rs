//! The rules of validation, one at a time.
