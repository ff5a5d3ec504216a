//! Workbooks: dates that do not exist, durations, times just before midnight, and damaged or hidden sheets.

use std::io::{Cursor, Write as _};

use definition::kind::field::Limit;
use ec2_worker::etl::dialect::{Dialect, Form};

use super::World;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The number formats of the cells, by the number of their style.
const FORMATS: [&str; 6] = ["General", "yyyy-mm-dd", "hh:mm:ss", "[h]:mm:ss", "yyyy-mm-dd hh:mm", "0.00"];

/// A workbook with one sheet.
struct Book<'a> {
    rows: &'a str,
    from_1904: bool,
    state: &'a str,
    /// The element `mergeCells`, if there is one.
    merged: &'a str,
}

impl Book<'_> {
    fn bytes(&self) -> Vec<u8> {
        const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
        const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
        let formats: Vec<String> = FORMATS
            .iter()
            .enumerate()
            .map(|(index, code)| format!("<numFmt numFmtId=\"{}\" formatCode=\"{code}\"/>", 170 + index))
            .collect();
        let styles: Vec<String> = (0..FORMATS.len())
            .map(|index| format!("<xf numFmtId=\"{}\" applyNumberFormat=\"1\"/>", 170 + index))
            .collect();
        let parts = [
            (
                "[Content_Types].xml",
                "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>".to_owned(),
            ),
            (
                "_rels/.rels",
                format!("<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
                     <Relationship Id=\"r2\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><workbookPr date1904=\"{}\"/>\
                     <sheets><sheet name=\"Data\" sheetId=\"1\" {} r:id=\"r1\"/></sheets></workbook>",
                    u8::from(self.from_1904),
                    self.state
                ),
            ),
            (
                "xl/styles.xml",
                format!(
                    "<styleSheet xmlns=\"{MAIN}\"><numFmts>{}</numFmts><cellXfs>{}</cellXfs></styleSheet>",
                    formats.concat(),
                    styles.concat()
                ),
            ),
            (
                "xl/worksheets/sheet1.xml",
                format!(
                    "<worksheet xmlns=\"{MAIN}\"><sheetData>{}</sheetData>{}</worksheet>",
                    self.rows, self.merged
                ),
            ),
        ];
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            archive
                .start_file(
                    name,
                    SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored),
                )
                .expect("a part");
            archive.write_all(text.as_bytes()).expect("written");
        }
        archive.finish().expect("finished").into_inner()
    }
}

/// Returns the rows of a sheet with the header `v` and a cell with each number, in the number format of the style.
fn numbers(style: usize, values: &[&str]) -> String {
    let rows = values.iter().enumerate().map(|(index, value)| {
        let row = index + 2;
        format!("<row r=\"{row}\"><c r=\"A{row}\" s=\"{style}\"><v>{value}</v></c></row>")
    });
    format!("<row r=\"1\"><c r=\"A1\" t=\"str\"><v>v</v></c></row>{}", rows.collect::<String>())
}

/// Loads a workbook into a new table. Returns the rows, and what the load told or why it failed.
async fn loaded(world: &World, of: &str, book: &Book<'_>) -> (String, String) {
    world
        .client
        .batch_execute(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t ({of})"))
        .await
        .expect("a table");
    let mut load = world.load("t", &world.file(book.bytes()));
    load.dialect = Dialect { form: Form::Workbook, header: true, ..Dialect::default() };
    load.limit = Limit::Count(0);
    let told = world.run(&load).await.unwrap_or_else(|failure| failure.message);
    (world.rows("SELECT * FROM t").await, told)
}

#[tokio::test]
async fn dates_of_a_workbook_are_those_that_excel_shows_or_are_refused() {
    let world = World::new("SELECT 1").await;
    for (of, style, value, from_1904, wanted) in [
        ("v text", 1, "0", true, Ok("1904-01-01")),
        ("v text", 4, "0.5", true, Ok("1904-01-01T12:00:00")),
        ("v date", 1, "0", true, Ok("1904-01-01")),
        ("v time", 2, "0.5", true, Ok("12:00:00")),
        ("v date", 1, "45943", false, Ok("2025-10-13")),
        ("v date", 1, "59", false, Ok("1900-02-28")),
        ("v date", 1, "61", false, Ok("1900-03-01")),
        ("v time", 2, "0", false, Ok("00:00:00")),
        ("v time", 2, "0.999999995", false, Ok("23:59:59.999")),
        ("v timestamp", 4, "45942.999999999", false, Ok("2025-10-13 00:00:00")),
        ("v text", 1, "0", false, Err("cell A2 has the date 0 of days since 1900")),
        ("v text", 1, "60", false, Err("cell A2 has the date 1900-02-29")),
        ("v date", 1, "-3", false, Err("not a date that Excel can show")),
        ("v date", 1, "9000000", false, Err("not a date that Excel can show")),
    ] {
        let book = Book { rows: &numbers(style, &[value]), from_1904, state: "", merged: "" };
        let (rows, told) = loaded(&world, of, &book).await;
        match wanted {
            Ok(wanted) => assert_eq!(rows, wanted, "{of} {value}: {told}"),
            Err(says) => assert!(rows.is_empty() && told.contains(says), "{of} {value}: {rows} {told}"),
        }
    }
}

#[tokio::test]
async fn a_number_of_days_without_a_format_is_no_interval() {
    let world = World::new("SELECT 1").await;
    for style in [0, 5] {
        let (rows, told) = loaded(
            &world,
            "v interval",
            &Book { rows: &numbers(style, &["1.25"]), from_1904: false, state: "", merged: "" },
        )
        .await;
        let says =
            "is a number in a cell without the format of a duration; give its cells the format [h]:mm:ss";
        assert!(rows.is_empty() && told.contains(says), "{rows} {told}");
    }
    for (style, value, wanted) in [(3, "1.25", "30:00:00"), (2, "0.25", "06:00:00"), (3, "-0.5", "-12:00:00")]
    {
        let book = Book { rows: &numbers(style, &[value]), from_1904: false, state: "", merged: "" };
        let (rows, told) = loaded(&world, "v interval", &book).await;
        assert_eq!(rows, wanted, "{told}");
    }
    let text = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>v</v></c></row><row r=\"2\"><c r=\"A2\" t=\"str\"><v>2 hours</v></c></row>";
    let (rows, told) =
        loaded(&world, "v interval", &Book { rows: text, from_1904: false, state: "", merged: "" }).await;
    assert_eq!(rows, "02:00:00", "{told}");
}

#[tokio::test]
async fn a_sheet_with_cells_out_of_order_is_damaged() {
    let world = World::new("SELECT 1").await;
    let head = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c><c r=\"B1\" t=\"str\"><v>b</v></c></row>";
    for (rows, cell) in [
        ("<row r=\"5\"><c r=\"A5\"><v>3</v></c></row><row r=\"4\"><c r=\"A4\"><v>9</v></c></row>", "A4"),
        ("<row r=\"5\"><c r=\"B5\"><v>3</v></c><c r=\"A5\"><v>1</v></c></row>", "A5"),
        ("<row r=\"5\"><c r=\"B5\"><v>3</v></c><c r=\"B5\"><v>1</v></c></row>", "B5"),
        ("<row r=\"2\"><c r=\"A2\"><v>3</v></c></row><row r=\"2\"><c r=\"A2\"><v>9</v></c></row>", "A2"),
    ] {
        let rows = format!("{head}{rows}");
        let (stored, told) =
            loaded(&world, "a int, b int", &Book { rows: &rows, from_1904: false, state: "", merged: "" })
                .await;
        let says =
            format!("the workbook is damaged: the cell {cell} of the sheet `Data` stands after a later cell");
        assert!(stored.is_empty() && told.contains(&says), "{stored} {told}");
    }
}

#[tokio::test]
async fn messages_count_the_cells_of_a_long_row_and_a_hidden_sheet_is_noted() {
    let world = World::new("SELECT 1").await;
    let rows = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c><c r=\"C2\"><v>9</v></c></row>";
    let (_, told) = loaded(&world, "a int", &Book { rows, from_1904: false, state: "", merged: "" }).await;
    assert!(told.contains("3 cells instead of 1; clear the cells beyond the last column"), "{told}");
    let hidden = Book { rows: &numbers(0, &["1"]), from_1904: false, state: "state=\"hidden\"", merged: "" };
    let (rows, told) = loaded(&world, "v int", &hidden).await;
    assert!(rows == "1" && told.contains("the sheet `Data` is hidden in the workbook"), "{rows} {told}");
}

#[tokio::test]
async fn a_cell_with_an_error_is_noted_and_is_null_where_its_text_means_null() {
    let world = World::new("SELECT 1").await;
    let rows = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>v</v></c></row>\
                <row r=\"2\"><c r=\"A2\" t=\"e\"><v>#N/A</v></c></row><row r=\"3\"><c r=\"A3\" t=\"str\"><v>NA</v></c></row>";
    let book = Book { rows, from_1904: false, state: "", merged: "" };
    let (found, told) = loaded(&world, "v text", &book).await;
    assert!(
        found == "#N/A NA" && told.contains("1 cell has an error in place of a value, the first in A2: #N/A"),
        "{found} {told}"
    );
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut load = world.load("t", &world.file(book.bytes()));
    load.dialect = Dialect {
        form: Form::Workbook,
        header: true,
        nulls: vec![b"#N/A".to_vec(), b"NA".to_vec()],
        ..Dialect::default()
    };
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT count(*) - count(v) FROM t").await, "2");
}

#[tokio::test]
async fn a_number_that_is_too_large_for_a_cell_is_an_error() {
    let world = World::new("SELECT 1").await;
    let book = Book { rows: &numbers(0, &["1E+309"]), from_1904: false, state: "", merged: "" };
    for of in ["v numeric", "v double precision"] {
        let (found, told) = loaded(&world, of, &book).await;
        assert!(found.is_empty() && told.contains("#NUM!"), "{of}: {found} {told}");
    }
}

#[tokio::test]
async fn merged_cells_below_the_skipped_rows_are_noted() {
    let world = World::new("SELECT 1").await;
    let rows = "<row r=\"1\"><c r=\"A1\" t=\"str\"><v>Title</v></c></row>\
                <row r=\"2\"><c r=\"A2\" t=\"str\"><v>a</v></c><c r=\"B2\" t=\"str\"><v>b</v></c></row>\
                <row r=\"3\"><c r=\"A3\"><v>1</v></c><c r=\"B3\"><v>2</v></c></row><row r=\"4\"><c r=\"B4\"><v>3</v></c></row>";
    for (merged, says) in [
        ("<mergeCells><mergeCell ref=\"A1:B1\"/></mergeCells>", None),
        (
            "<mergeCells><mergeCell ref=\"A1:B1\"/><mergeCell ref=\"A3:A4\"/></mergeCells>",
            Some("the cells A3:A4 are merged; the first"),
        ),
        (
            "<mergeCells><mergeCell ref=\"A3:A4\"/><mergeCell ref=\"C3:C4\"/></mergeCells>",
            Some("the cells A3:A4 and those of 1 other range are merged"),
        ),
    ] {
        world
            .client
            .batch_execute("DROP TABLE IF EXISTS t; CREATE TABLE t (a int, b int)")
            .await
            .expect("a table");
        let mut load =
            world.load("t", &world.file(Book { rows, from_1904: false, state: "", merged }.bytes()));
        load.dialect = Dialect { form: Form::Workbook, header: true, skip_lines: 1, ..Dialect::default() };
        let told = world.run(&load).await.expect("loaded");
        assert_eq!(world.rows("SELECT * FROM t ORDER BY b").await, "1|2 NULL|3");
        match says {
            Some(says) => assert!(told.contains(says), "{told}"),
            None => assert!(!told.contains("merged"), "{told}"),
        }
    }
}

/// A workbook whose first sheet, a chart or a sheet without cells, comes before the sheets `Data` and `More`.
fn with_first_sheet(is_chart: bool) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let plain = Book { rows: &numbers(0, &["7"]), from_1904: false, state: "", merged: "" }.bytes();
    let mut old = zip::ZipArchive::new(Cursor::new(plain)).expect("a workbook");
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let kind = if is_chart { "chartsheet" } else { "worksheet" };
    for index in 0..old.len() {
        let mut part = old.by_index(index).expect("a part");
        let name = part.name().expect("a name").into_owned();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut part, &mut text).expect("text");
        let first = "<sheet name=\"First\" sheetId=\"8\" r:id=\"r8\"/>";
        let more = "<sheet name=\"More\" sheetId=\"9\" r:id=\"r1\"/></sheets>";
        text = text.replace("<sheets>", &format!("<sheets>{first}")).replace("</sheets>", more);
        let relation = format!(
            "<Relationship Id=\"r8\" Type=\"{OFFICE}/{kind}\" Target=\"{kind}s/first.xml\"/></Relationships>"
        );
        if name.ends_with("workbook.xml.rels") {
            text = text.replace("</Relationships>", &relation);
        }
        archive.start_file(name, SimpleFileOptions::default()).expect("a part");
        archive.write_all(text.as_bytes()).expect("written");
    }
    archive.start_file(format!("xl/{kind}s/first.xml"), SimpleFileOptions::default()).expect("a part");
    let sheet = match is_chart {
        true => format!("<chartsheet xmlns=\"{MAIN}\"/>"),
        false => format!("<worksheet xmlns=\"{MAIN}\"><sheetData/></worksheet>"),
    };
    archive.write_all(sheet.as_bytes()).expect("written");
    archive.finish().expect("finished").into_inner()
}

#[tokio::test]
async fn a_first_sheet_without_cells_is_told_with_the_names_of_the_others() {
    let world = World::new("CREATE TABLE t (v text)").await;
    for (is_chart, says) in [
        (
            true,
            "the sheet `First` is a chart and has no cells; name a sheet with cells by `mySheet`: Data, More",
        ),
        (
            false,
            "the sheet has no rows; read the sheet `First`, the first of 3; `mySheet` names another: Data, More",
        ),
    ] {
        let mut load = world.load("t", &world.file(with_first_sheet(is_chart)));
        load.dialect = Dialect { form: Form::Workbook, header: true, ..Dialect::default() };
        let message = world.run(&load).await.expect_err(says).message;
        assert!(message.contains(says), "{message}");
        load.dialect.sheet = Some("Data".to_owned());
        world.run(&load).await.expect("the second sheet has rows");
    }
}
