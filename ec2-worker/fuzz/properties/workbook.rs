//! The reader of workbooks: no file makes it panic, and its rows are not more than those of a sheet.

use std::io::{Cursor, Write as _};

use ec2_worker::etl::dialect::{Dialect, Form};
use zip::write::SimpleFileOptions;

use super::{open, rows};

const TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;
const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const SHEETS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
const BOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const STRINGS: &str = r#"<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="2" uniqueCount="2"><si><t>id</t></si><si><t>note, "x"</t></si></sst>"#;
const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="1"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/></numFmts><cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="164"/><xf numFmtId="46"/></cellXfs></styleSheet>"#;

/// Checks the bytes as a workbook; or, after a first byte that is even, as the XML of its parts with ASCII 30 between
/// them.
pub(crate) fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let file = if first % 2 == 1 { rest.to_vec() } else { packed(rest) };
    let dialect = Dialect { form: Form::Workbook, header: true, ..Dialect::default() };
    let (read, _) = rows(open(&file, 4096, false, &dialect));
    assert!(read.len() <= 1_048_576, "more rows than a sheet has");
    assert!(read.iter().all(|row| row.fields.len() <= 16_384), "more columns than a sheet has");
}

fn packed(parts: &[u8]) -> Vec<u8> {
    let mut parts = parts.split(|byte| *byte == 30);
    let mut next =
        |default: &'static str| parts.next().filter(|part| !part.is_empty()).unwrap_or(default.as_bytes());
    let files = [
        ("xl/worksheets/sheet1.xml", next("<worksheet/>")),
        ("xl/sharedStrings.xml", next(STRINGS)),
        ("xl/styles.xml", next(STYLES)),
        ("xl/workbook.xml", next(BOOK)),
        ("xl/_rels/workbook.xml.rels", next(SHEETS)),
        ("_rels/.rels", RELATIONS.as_bytes()),
        ("[Content_Types].xml", TYPES.as_bytes()),
    ];
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in files {
        archive.start_file(name, stored).expect("in memory");
        archive.write_all(content).expect("in memory");
    }
    archive.finish().expect("in memory").into_inner()
}
