//! Loads CSV from S3 into tables, and writes the results of queries to S3 as CSV.
//!
//! In a load, [`source`] reads the bytes, [`input`] makes text of them, [`records`] cuts it into records, [`transform`]
//! checks and encodes the records on a thread of its own, and [`load`] sends them to the database in one transaction. On
//! the way out, [`unload`] takes the rows of the database. [`rewrite`] writes records in another dialect, by way of
//! [`record_writer`].

pub mod cell;
pub mod column;
pub mod date;
pub mod detect;
pub mod dialect;
pub mod directory;
pub mod encode;
pub mod file_bytes;
pub mod header;
pub mod input;
pub mod inspect;
pub mod load;
pub mod loaded_files;
pub mod look;
pub mod next_tables;
pub mod number_form;
pub mod position;
pub mod record_writer;
pub mod records;
pub mod rejected;
pub mod rejects;
mod rejects_table;
pub mod result_preview;
pub mod rewrite;
pub mod rounded;
pub mod source;
pub mod splitter;
pub mod statement;
pub mod table;
pub mod transform;
pub mod unload;
pub mod value_rules;
