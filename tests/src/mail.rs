//! The mails in the outbox of a stack.

use std::{fs, path::Path};

/// A mail of the outbox.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The name of the `.eml` file.
    pub file: String,
    /// The subject, on one line.
    pub subject: String,
    /// The decoded text.
    pub body: String,
}

/// Returns every mail in the folder `outbox`, oldest first; none if there is no folder yet.
///
/// # Panics
/// If a mail cannot be read.
#[must_use]
pub fn outbox(outbox: &Path) -> Vec<Mail> {
    let Ok(entries) = fs::read_dir(outbox) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    files.sort();
    files.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Mail {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    let body = match header("Content-Transfer-Encoding").as_str() {
        "quoted-printable" => quoted_printable(body),
        _ => body.to_owned(),
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Mail { file, subject: header("Subject"), body }
}

fn quoted_printable(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let text = text.replace("=\n", "");
    let mut rest = text.as_str();
    while let Some(at) = rest.find('=') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(b'='));
        rest = &rest[at + if code.is_some() { 3 } else { 1 }..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
