//! Recognises files of other formats, which the worker does not read, and says what a user can do with them.

/// The first bytes of files of one kind, and what to do with such a file.
struct Signature {
    start: &'static [u8],
    what: &'static str,
}

const fn signature(start: &'static [u8], what: &'static str) -> Signature {
    Signature { start, what }
}

/// Signatures that no text begins with.
const SIGNATURES: [Signature; 27] = [
    signature(
        b"\xd0\xcf\x11\xe0",
        "this is an old Excel workbook (.xls), or one with a password; save it as .xlsx without a password, or as CSV",
    ),
    signature(b"Obj\x01", "this is Avro; write it as CSV or JSON lines"),
    signature(b"SQLite format 3\0", "this is a SQLite database; export its table as CSV"),
    signature(b"%PDF-", "this is a PDF document, not a table; ask for the data as CSV or .xlsx"),
    signature(b"\x89PNG", "this is a picture (PNG), not a table; ask for the data as CSV or .xlsx"),
    signature(b"\xff\xd8\xff", "this is a picture (JPEG), not a table; ask for the data as CSV or .xlsx"),
    signature(b"GIF87a", "this is a picture (GIF), not a table; ask for the data as CSV or .xlsx"),
    signature(b"GIF89a", "this is a picture (GIF), not a table; ask for the data as CSV or .xlsx"),
    signature(b"{\\rtf", "this is a text document (RTF), not a table; save the table as CSV or .xlsx"),
    signature(
        b"7z\xbc\xaf\x27\x1c",
        "this is a 7-Zip archive; pack the file by gzip, Zstandard, bzip2, xz or zip",
    ),
    signature(b"Rar!\x1a\x07", "this is a RAR archive; pack the file by gzip, Zstandard, bzip2, xz or zip"),
    signature(
        b"\x04\x22\x4d\x18",
        "this is packed by LZ4; pack the file by gzip, Zstandard, bzip2, xz or zip",
    ),
    signature(
        b"\xff\x06\0\0sNaPpY",
        "this is packed by Snappy; pack the file by gzip, Zstandard, bzip2, xz or zip",
    ),
    signature(
        b"\x5d\0\0",
        "this is packed by LZMA (.lzma); pack the file by gzip, Zstandard, bzip2, xz or zip",
    ),
    signature(
        b"\x1f\x9d",
        "this is packed by compress (.Z); pack the file by gzip, Zstandard, bzip2, xz or zip",
    ),
    signature(b"ARROW1\0\0", "this is Arrow or Feather; write it as CSV or JSON lines"),
    signature(b"\x89HDF\r\n", "this is HDF5; write its table as CSV or JSON lines"),
    signature(b"\x93NUMPY", "this is an array of NumPy; write it as CSV"),
    signature(b"<stata_dta>", "this is a file of Stata; export it as CSV"),
    signature(b"$FL2@(#)", "this is a file of SPSS; export it as CSV"),
    signature(b"\0\x01\0\0Standard Jet DB", "this is an Access database; export its table as CSV"),
    signature(b"\0\x01\0\0Standard ACE DB", "this is an Access database; export its table as CSV"),
    signature(b"RDX2\n", "this is a file of R; write it by write.csv"),
    signature(b"RDX3\n", "this is a file of R; write it by write.csv"),
    signature(
        b"PGDMP",
        "this is a dump of pg_dump, not a table; restore it by pg_restore, or export the table as CSV",
    ),
    signature(b"\x7fELF", "this is a program, not a table"),
    signature(b"SEQ\x06", "this is a sequence file of Hadoop; write it as CSV or JSON lines"),
];

/// The offset of `ustar` in a tar archive.
const TAR: usize = 257;

/// Returns what a file that begins with `head` is, and what to do with it, if the worker does not read it.
#[must_use]
pub fn of_head(head: &[u8]) -> Option<&'static str> {
    if let Some(signature) = SIGNATURES.iter().find(|signature| head.starts_with(signature.start)) {
        return Some(signature.what);
    }
    // A header may begin with these letters.
    let follows = |start: &[u8]| head.strip_prefix(start).and_then(|rest| rest.first()).copied();
    if follows(b"PAR1").is_some_and(is_binary) {
        return Some("this is Parquet; write it as CSV or JSON lines");
    }
    if follows(b"ORC").is_some_and(is_binary) {
        return Some("this is ORC; write it as CSV or JSON lines");
    }
    if head.get(TAR..).is_some_and(|rest| rest.starts_with(b"ustar")) {
        return Some("this is a tar archive; drop its files one by one");
    }
    if is_ebcdic(head) {
        return Some(
            "this is text in EBCDIC, as mainframes write it; convert it to UTF-8, for example by `iconv -f IBM037 -t UTF-8`",
        );
    }
    of_markup(head)
}

/// Returns whether a byte is neither an ASCII character of texts nor a tab or line end.
fn is_binary(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte >= 0x80
}

/// Returns whether bytes are the letters, digits and signs of EBCDIC, contain no blank, comma or line feed of ASCII, and are not UTF-8.
fn is_ebcdic(head: &[u8]) -> bool {
    let is_letter = |byte: u8| {
        let (high, low) = (byte >> 4, byte & 15);
        match high {
            0x8 | 0x9 | 0xc | 0xd => (1..=9).contains(&low),
            0xa | 0xe => (2..=9).contains(&low),
            0xf => low <= 9,
            _ => false,
        }
    };
    let is_sign = |byte: u8| b"\x15\x25\x0d\x40\x4b\x4d\x5d\x5e\x60\x61\x6b\x6d\x7a\x7d\x7f".contains(&byte);
    let letters = head.iter().filter(|byte| is_letter(**byte)).count();
    let known = head.iter().filter(|byte| is_letter(**byte) || is_sign(**byte)).count();
    let is_ascii = head.iter().any(|byte| matches!(byte, b' ' | b'\n' | b','));
    // An error without a length is a letter that the end of the head cuts.
    let is_utf8 = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    head.len() >= 16
        && !is_utf8
        && !is_ascii
        && known * 20 >= head.len() * 19
        && letters * 2 > head.len()
        && known > letters
}

fn of_markup(head: &[u8]) -> Option<&'static str> {
    let text: String = String::from_utf8_lossy(head).chars().filter(|letter| *letter != '\0').collect();
    let text = text.trim_start_matches(['\u{feff}', '\u{fffd}']).trim_start().to_lowercase();
    // Older Excel writes XML, too, and names it .xls.
    if text.starts_with("<?xml") {
        return Some(
            "this is XML, whatever its name says; save it as CSV or .xlsx, or convert it to JSON lines",
        );
    }
    let starts = ["<html", "<!doctype html", "<table", "<meta", "<head", "<body", "<!--", "<div", "<style"];
    let is_html = starts.iter().any(|start| text.starts_with(start));
    is_html.then_some("this is HTML, whatever its name says; save it as CSV or .xlsx")
}

/// Returns what a zip archive with files of these names is, if it is a document that the worker does not read.
#[must_use]
pub fn of_archive(has: impl Fn(&str) -> bool) -> Option<&'static str> {
    [
        ("xl/workbook.bin", "this is a binary Excel workbook (.xlsb); save it as .xlsx or CSV"),
        ("word/document.xml", "this is a Word document, not a table; save its table as CSV or .xlsx"),
        (
            "ppt/presentation.xml",
            "this is a PowerPoint document, not a table; save its table as CSV or .xlsx",
        ),
        ("content.xml", "this is an OpenDocument file (.ods); save it as .xlsx or CSV"),
        ("Index/Document.iwa", "this is a document of Apple (Numbers); export it as .xlsx or CSV"),
        ("META-INF/MANIFEST.MF", "this is a Java archive, not a table"),
    ]
    .into_iter()
    .find_map(|(name, what)| has(name).then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_recognised_and_texts_are_not() {
        let tar = [&[b'a'; 257][..], b"ustar\0"].concat();
        let utf16: Vec<u8> = "\u{feff}<html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, says) in [
            (&b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..], ".xls"),
            (b"PAR1\x15\x04", "Parquet"),
            (b"ORC\x1d", "ORC"),
            (b"Obj\x01\x04", "Avro"),
            (b"SQLite format 3\0", "SQLite"),
            (b"%PDF-1.7", "PDF"),
            (b"\x89PNG\r\n", "PNG"),
            (b"\xff\xd8\xff\xe0", "JPEG"),
            (b"\xef\xbb\xbf\r\n <TABLE border=1>", "HTML"),
            (b"<?xml version=\"1.0\"?>", "XML"),
            (&tar, "tar"),
            (&utf16, "HTML"),
        ] {
            assert!(of_head(head).is_some_and(|what| what.contains(says)), "{says}: {:?}", of_head(head));
        }
        for text in [
            "PAR1,PAR2\n1,2\n",
            "ORC,ELF\n",
            "ORC\tELF\n",
            "id,<html>\n",
            "{\"a\": 1}",
            "%,b\n",
            "GIF,b\n",
            "é¦¦\ré¦¦\ré¦¦\r",
            "",
        ] {
            assert_eq!(of_head(text.as_bytes()), None, "{text}");
        }
    }
}
