use super::report::Report;
use super::verdict::SqlType;
use super::*;

async fn inspected(name: &str, bytes: &[u8]) -> Result<Inspection, Failure> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("the folder is writable");
    inspect(&path, name, None, Arc::new(|_, _| {})).await
}

async fn report(bytes: &[u8]) -> Report {
    Report::of(&inspected("file.csv", bytes).await.expect("a file with rows"))
}

/// Returns the safe types of the columns of a file with these lines.
async fn types(text: &str) -> Vec<SqlType> {
    report(text.as_bytes()).await.columns.iter().map(|column| column.safe_type).collect()
}

/// Returns the type of a column `c` with these values. A second column makes the separator known.
async fn type_of(values: &[&str]) -> SqlType {
    let lines: String = values.iter().map(|value| format!("{value}\tx\n")).collect();
    types(&format!("c\tother\n{lines}")).await[0]
}

#[tokio::test]
async fn each_type_is_recognised() {
    use SqlType::{
        Bigint, Boolean, Date, Double, Integer, Jsonb, Numeric, Text, Time, Timestamp, Timestamptz, Uuid,
    };
    let cases: [(&[&str], SqlType); 27] = [
        (&["1", "-2", "300"], Integer),
        (&["0", "1", "1"], Integer),
        (&["1", "5000000000"], Bigint),
        (&["12345678901234567890123"], Numeric),
        (&["1.5", "2", "-0.25"], Numeric),
        (&["1.5e-3", "2.25"], Double),
        (&["1.234567890123456789e3", "2.5"], Numeric),
        (&["1e-05", "2.5"], Double),
        (&["NaN", "2"], Numeric),
        (&["nan", "nan"], Text),
        (&["true", "False", "TRUE"], Boolean),
        (&["y", "n"], Boolean),
        (&["NO", "NO"], Text),
        (&["2025-01-31", "2024-02-29"], Date),
        (&["2025-01-31 10:00", "2024-02-29"], Timestamp),
        (&["2025-01-31T10:00:00Z", "2025-01-31T10:00:00+01:00"], Timestamptz),
        (&["2025-01-31T10:00:00Z", "2025-01-31T10:00:00"], Text),
        (&["10:30", "23:59:59.5"], Time),
        (&["f81d4fae-7dec-11d0-a765-00a0c91e6bf6"], Uuid),
        (&["f81d4fae7dec11d0a76500a0c91e6bf6"], Text),
        (&["{}", "[1]"], Jsonb),
        (&["", ""], Text),
        (&["007", "12"], Text),
        (&["01067", "99999"], Text),
        (&["+49301234567", "+49301234568"], Text),
        (&["12E4", "12E5"], Text),
        (&["20250131", "20250201"], Integer),
    ];
    for (values, of) in cases {
        assert_eq!(type_of(values).await, of, "{values:?}");
    }
    assert_eq!(types("birthday,x\n20250131,1\n20240229,2\n").await[0], Date);
}

#[tokio::test]
async fn dates_have_a_type_only_if_they_have_one_meaning() {
    assert_eq!(type_of(&["05/06/2025", "13/06/2025"]).await, SqlType::Date);
    assert_eq!(type_of(&["05/06/2025", "06/13/2025"]).await, SqlType::Date);
    assert_eq!(type_of(&["05.06.2025", "06.07.2025"]).await, SqlType::Date, "nobody writes MM.dd.yyyy");
    assert_eq!(type_of(&["05/06/2025", "06/07/2025"]).await, SqlType::Text, "no value says which");
    assert_eq!(type_of(&["13/06/2025", "06/13/2025"]).await, SqlType::Text, "two orders in one column");
    assert_eq!(type_of(&["05-Jun-2025", "2025-06-06"]).await, SqlType::Date, "ISO is always read, too");
    // Another column of the file says which.
    let report = report(b"a,b\n05/06/2025,13/06/2025\n06/07/2025,14/06/2025\n").await;
    let [a, b] = &report.columns[..] else { panic!("two columns") };
    assert_eq!(
        (a.safe_type, &a.patterns, &b.patterns),
        (SqlType::Date, &vec!["dd/MM/yyyy".to_owned()], &vec!["dd/MM/yyyy".to_owned()])
    );
}

#[tokio::test]
async fn numbers_have_a_type_only_if_they_have_one_meaning() {
    assert_eq!(type_of(&["1,5", "2,25"]).await, SqlType::Numeric);
    assert_eq!(type_of(&["1.234,50", "12"]).await, SqlType::Numeric);
    assert_eq!(type_of(&["1,234", "5,678"]).await, SqlType::Text, "a decimal comma, or a group of three");
    assert_eq!(
        type_of(&["1.234", "5.678"]).await,
        SqlType::Text,
        "a German group of three, or a decimal point"
    );
    assert_eq!(type_of(&["1.234", "950", "12.345"]).await, SqlType::Text);
    assert_eq!(type_of(&["1,234", "950", "12,345"]).await, SqlType::Text);
    assert_eq!(type_of(&["-1.234", "5.678 €"]).await, SqlType::Text);
    assert_eq!(type_of(&["1.234", "0.750"]).await, SqlType::Numeric, "nobody groups 0.750");
    assert_eq!(type_of(&["1.234", "1234.567"]).await, SqlType::Numeric, "four digits are not a group");
    assert_eq!(
        types("a;b\n1.234;2.5\n2.345;3.25\n").await,
        [SqlType::Numeric; 2],
        "another column proves the point"
    );
    let german = types("a;b\n1.234;2,5\n12.345;3,25\n").await;
    assert_eq!(german, [SqlType::Integer, SqlType::Numeric], "another column proves the comma");
    assert_eq!(type_of(&["1,234", "950", "1,234,567"]).await, SqlType::Integer);
    assert_eq!(type_of(&["555 123 456", "555 123 457"]).await, SqlType::Text, "telephone numbers");
    assert_eq!(type_of(&["12 €", "13,50 €"]).await, SqlType::Numeric);
    assert_eq!(type_of(&["12 €", "13 $"]).await, SqlType::Text, "two currencies");
    assert_eq!(type_of(&["12%", "13.5%"]).await, SqlType::Numeric);
    assert_eq!(type_of(&["12%", "13"]).await, SqlType::Text, "a share, and a number");
    assert_eq!(type_of(&["12-", "13"]).await, SqlType::Integer);
    // One file has one decimal character; the column with the other one stays text.
    let mixed = types("a;b;c\n1,5;2,5;1.5\n2,5;3,5;2.5\n").await;
    assert_eq!(mixed, [SqlType::Numeric, SqlType::Numeric, SqlType::Text]);
}

#[tokio::test]
async fn a_text_for_a_missing_value_is_null_only_where_no_text_is_lost() {
    assert_eq!(type_of(&["1", "N/A", "3"]).await, SqlType::Integer);
    let clash = report(b"n,country\n1,NA\nNA,DE\n3,FR\n").await;
    assert_eq!(clash.columns[0].safe_type, SqlType::Text, "NA is Namibia");
    assert!(clash.columns[0].obstacle.as_ref().is_some_and(|why| why.contains("\"NA\"")), "{clash:#?}");
}

#[tokio::test]
async fn a_backslash_and_n_are_a_text_among_texts_and_null_among_numbers() {
    let texts = inspected("file.csv", b"name,sep\na,\\n\nb,;\nc,\\t\n").await.expect("a file with rows");
    assert!(texts.rules.nulls.is_empty(), "{:?}", texts.rules.nulls);
    let numbers = inspected("file.csv", b"name,n\na,\\n\nb,2\nc,3\n").await.expect("a file with rows");
    assert_eq!(numbers.rules.nulls.iter().copied().collect::<Vec<_>>(), ["\\n"]);
    // One list of texts that mean NULL counts for the whole file.
    let both = report(b"n,sep\n\\n,\\n\n2,;\n3,\\t\n").await;
    assert_eq!(both.columns[0].safe_type, SqlType::Text);
    let capital = inspected("file.csv", b"name,sep\na,\\N\nb,;\n").await.expect("a file with rows");
    assert_eq!(capital.rules.nulls.iter().copied().collect::<Vec<_>>(), ["\\N"]);
}

#[tokio::test]
async fn suspicious_rows_are_shown_with_line_and_column() {
    let mut text = "id,amount,when,who\n".to_owned();
    for row in 1..=40 {
        text.push_str(&format!("{row},{row}.5,2025-01-{:02},\"ann\"\n", row % 28 + 1));
    }
    text.push_str("7, abc,2025-02-30,\"ann \"\n8,1\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"50,1.5,2025-01-01,\"a\"b\n51,1.5,2025-01-01,a\0b\n52,1.5,2025-01-01,a\rb\n");
    let report = report(&bytes).await;
    let shown: Vec<String> = report
        .suspicious
        .iter()
        .map(|found| {
            let column = found.column.as_deref().unwrap_or("-");
            let places: Vec<String> =
                found.places.iter().map(|place| format!("{}: {}", place.line, place.text)).collect();
            format!("{} {column} {} [{}]", found.kind, found.count, places.join("; "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "width - 1 [43: 2 fields]",
            "text - 3 [44: field 4: text follows the closing quote; 45: field 4: a NUL byte, which PostgreSQL cannot store; 46: field 4: a carriage return (CR) without a line feed, outside quotes]",
            "duplicate id 1 [42: 7, as in line 8]",
            "type amount 1 [42: abc]",
            "blanks amount 1 [42:  abc]",
            "type when 1 [42: 2025-02-30]",
            "blanks who 1 [42: ann ]",
        ]
    );
    let types: Vec<_> = report.columns.iter().map(|column| (column.likely, column.safe_type)).collect();
    assert_eq!(types[1..3], [(SqlType::Numeric, SqlType::Text), (SqlType::Date, SqlType::Text)]);
}

#[tokio::test]
async fn exponents_and_short_years_are_shown_with_their_own_lines() {
    let report =
        report(b"n,d\n1,01/02/2025\n2,03/04/2025\n3.5E+3,13/02/2025\n4,14/02/25\n1.0E+5,15/02/25\n").await;
    let lines = |kind: &str| -> Vec<u64> {
        let found = report.suspicious.iter().find(|found| found.kind == kind);
        found.map(|found| found.places.iter().map(|place| place.line).collect()).unwrap_or_default()
    };
    assert_eq!(lines("exponent"), [4, 6]);
    assert_eq!(lines("two-digit-year"), [5, 6]);
}

#[tokio::test]
async fn backslashes_before_letters_are_suspicious_unless_they_are_paths() {
    let report = report(b"id\tnote\tpath\n1\tline\\nbreak\tC:\\temp\n2\ta\\tb\tC:\\new\n3\tx\ty\n").await;
    let found = |kind: &str| report.suspicious.iter().find(|found| found.kind == kind);
    let escape = found("escape").expect("an escape");
    assert_eq!((escape.column.as_deref(), escape.count), (Some("note"), 2), "{report:#?}");
}

#[tokio::test]
async fn a_header_is_distinguished_from_a_first_row() {
    let header = async |text: &str| report(text.as_bytes()).await.header;
    assert!(header("id,name\n1,a\n2,b\n").await);
    assert!(!header("1,a\n2,b\n").await);
    assert!(header("name,city\nann,Rome\nbob,Oslo\n").await);
    assert!(!header("ann,Rome\nbob,Oslo\nann,Paris\n").await, "a name comes again below");
    assert!(!header("2025-01-01,a\n2025-01-02,b\n").await);
    assert!(header("id,name\n").await);
    assert!(header("nan,infinity\n1,2\n3,4\n").await, "words for numbers may be names");
    assert!(header("id,NaN,-Inf\n1,2,3\n3,4,5\n").await);
    assert!(!header("nan,1\n2,3\nnan,4\n").await, "a word that comes again below");
    assert!(!header("nan,nan\n1,2\n3,4\n").await, "names are different");
    assert!(!header("NaN\n1\n2\n").await, "a first value that is missing");
    assert!(!header("NaN,1\n2,3\n4,4\n").await, "1 is no name");
    assert!(header("country,2024,2025\nde,1,2\nfr,3,4\n").await, "years are names");
    assert!(!header("x,2024\ny,2025\n").await);
    // R writes an empty name above its column of row names.
    assert!(header("\"\",\"x\",\"y\"\n\"1\",\"a\",\"b\"\n\"2\",\"c\",\"d\"\n").await);
    assert!(header("\"\",\"x\"\n\"r1\",\"a\"\n\"r2\",\"c\"\n").await);
    assert!(header(",a,b\nx,one,uno\ny,two,due\n").await, "pandas");
    assert!(header("a,a\nx,y\nz,w\n").await);
    assert!(header("code,name\nA12,x\nB13,y\n").await);
    assert!(header("id,y\n1,Y\n2,N\n").await, "a word for true may be a name");
    assert!(!header("x,yes\ny,no\nz,yes\n").await);
    assert!(!header("A11,z\nA12,x\nB13,y\n").await, "a code like the codes below");
    assert!(!header("ann@x.org,z\nbob@x.org,x\n").await);
    assert!(header("name,city\n\"ann\",\"Rome\"\n\"bob\",\"Oslo\"\n").await);
}

#[tokio::test]
async fn encodings_packings_and_forms_are_seen() {
    let latin = report(b"id;stadt\r\n1;K\xf6ln\r\n2;M\xfcnchen\r\n3;Gr\xf6\xdfe\r\n").await;
    assert_eq!(latin.declare_encoding.as_deref(), Some("windows-1252"));
    assert_eq!(latin.columns[1].examples[0], "Köln");
    assert_eq!((latin.line_ends.crlf, latin.separator.as_deref()), (4, Some("`;`")));
    let json = report(b"[{\"a\": 1, \"b\": {\"c\": 2}}, {\"a\": 2, \"b\": null}]").await;
    assert_eq!((json.form, json.rows, json.columns[1].safe_type), ("json", 2, SqlType::Jsonb));
    let preamble = report(b"Report of Monday\n\nid,name,qty\n1,a,2\n2,b,3\n").await;
    assert_eq!((preamble.skip_lines, preamble.rows, preamble.columns[2].name.as_str()), (2, 2, "qty"));
    let account = report(
        b"Konto;DE00\nStand;x\n\nDatum;Betrag;Zweck\n31.12.2025;1,5;a\n02.01.2026;2,5;b\n03.01.2026;2,5;b\n",
    )
    .await;
    assert_eq!((account.skip_lines, account.header), (3, true));
    let padded = report(b"Report of Monday;;\nFirm: X;;\nid;name;qty\n1;a;2\n2;b;3\n").await;
    assert_eq!((padded.skip_lines, padded.rows, padded.columns[1].name.as_str()), (2, 2, "name"));
    let bank = report(b"Report;;\n\nid;name;qty\n1;a;2\n2;b;3\n;Sum;5\nMade on Monday;;\n").await;
    assert_eq!((bank.skip_lines, bank.columns[1].name.as_str()), (2, "name"));
    let sparse = report(b"ann;;\nbob;;\ncleo;x;y\ndan;;\neve;z;z\n").await;
    assert_eq!(sparse.skip_lines, 0, "rows may be almost empty");
    let double = report(b"id||name\n1||Ann|A\n2||Bob\n").await;
    assert_eq!((double.separator.as_deref(), double.columns.len()), (Some("`||`"), 2));
    let single = report(b"name\nAnn\n\nBob\n").await;
    assert_eq!((single.rows, single.separator, single.columns[0].null_share > 0.0), (3, None, true));
    let headless = report(b"1|a|\n2|b|\n").await;
    assert_eq!((headless.columns.len(), headless.header), (3, false), "only a header says what to leave out");
    let nulls = report(b"1,a\n2,\\N\n\\N,b\n").await;
    assert_eq!(nulls.columns[0].safe_type, SqlType::Integer, "nobody means the text \\N");
    let trailing = report(b"id,name,\n1,a,\n2,b,\n").await;
    assert_eq!((trailing.columns.len(), trailing.rows), (2, 2));
}

#[tokio::test]
async fn a_guessed_encoding_is_suspicious_and_shows_its_words() {
    let found = async |bytes: &[u8]| {
        let report = report(bytes).await;
        let of_encoding = report.suspicious.iter().filter(|found| found.kind.contains("encoding"));
        let shown: Vec<String> = of_encoding
            .map(|found| {
                let places: Vec<String> =
                    found.places.iter().map(|place| format!("{}: {}", place.line, place.text)).collect();
                format!("{} {} [{}]", found.kind, found.count, places.join(", "))
            })
            .collect();
        (report.declare_encoding.unwrap_or_default(), shown.join("; "))
    };
    let (encoding, shown) = found(b"id;stadt\n1;K\xf6ln\n2;Ulm\n3;Gr\xf6\xdfe\n4;K\xf6ln\n").await;
    assert_eq!(
        (encoding.as_str(), shown.as_str()),
        ("windows-1252", "guessed-encoding 3 [2: K\u{f6}ln, 4: Gr\u{f6}\u{df}e]")
    );
    let (encoding, shown) = found(b"id,name\n1,caf\x8e\n").await;
    assert_eq!(
        (encoding.as_str(), shown.as_str()),
        ("macintosh", "guessed-encoding 1 [2: caf\u{e9}]"),
        "no capital letter of Windows follows a small one"
    );
    // As many rows in UTF-8 as in another encoding: those of the other are refused, and nothing is guessed.
    let mixed = report(b"id,name\n1,caf\xc3\xa9\n2,caf\xe9\n").await;
    assert_eq!(mixed.declare_encoding, None);
    assert!(mixed.suspicious.iter().any(|found| found.kind == "text" && found.places[0].line == 3));
    // One row in UTF-8 among others.
    let mut few = "id,name\n1,M\u{fc}nster\n".as_bytes().to_vec();
    few.extend_from_slice(b"2,K\xf6ln\n3,M\xfcnchen\n4,Gr\xf6\xdfe\n");
    let (encoding, shown) = found(&few).await;
    assert_eq!(encoding, "windows-1252");
    assert_eq!(
        shown,
        "guessed-encoding 3 [3: K\u{f6}ln, 4: M\u{fc}nchen, 5: Gr\u{f6}\u{df}e]; mixed-encoding 1 [2: M\u{fc}nster]"
    );
    // Capitals and quotation marks of windows-1251 look like UTF-8, but other letters beside them do not.
    let (_, shown) = found(b"id;firma\n1;\xab\xce\xcf\xc5\xd0\xc0\xd6\xc8\xdf\xbb\n2;\xab\xd1\xc5\xd2\xdc\xbb \xf1\xe5\xe2\xe5\xf0\n").await;
    assert!(shown.starts_with("guessed-encoding 2") && !shown.contains("mixed"), "{shown}");
    assert_eq!(found("id,name\n1,caf\u{e9}\n".as_bytes()).await, (String::new(), String::new()));
    assert_eq!(found(b"id,name\n1,cafe\n").await, (String::new(), String::new()));
}

#[tokio::test]
async fn a_frame_of_r_without_a_name_above_the_names_of_rows_is_read_as_such() {
    for text in [
        "\"x\" \"y\"\n\"1\" \"a b\" 3\n\"2\" \"c\" 4\n\"3\" \"d\" 5\n",
        "\"x\"\t\"y\"\n\"r one\"\t\"a b\"\t3\n\"r two\"\t\"c\"\t4\n",
        "x,y\n1,a b,3\n2,c,4\n3,d,5\n",
    ] {
        let report = report(text.as_bytes()).await;
        let names: Vec<&str> = report.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((names, report.header), (vec!["row_names", "x", "y"], true), "{text}");
        assert_eq!(report.columns[1].examples[0], "a b");
        assert!(report.header_reason.contains("R (`write.table`)"), "{}", report.header_reason);
        assert!(report.suspicious.is_empty(), "{:?}", report.suspicious);
    }
    // The names of other programs may lack any of their columns.
    let other = report(b"x,y\n7,a,3\n9,c,4\n7,d,5\n").await;
    assert!(
        !other.header && other.notes.iter().any(|note| note.contains("has 2 names for 3 fields")),
        "{other:#?}"
    );
    let split = report(b"id,price\n1,1.234,56\n2,2.345,05\n3,1.111,00\n").await;
    assert!(
        !split.header
            && split
                .notes
                .iter()
                .any(|note| note.contains("2 names for 3 fields; values with the separator")),
        "{split:#?}"
    );
    let prose = report(b"two words\nand more\n").await;
    assert_eq!(prose.columns.len(), 1);
}

#[tokio::test]
async fn a_list_of_sap_is_recognised_and_read() {
    let text = "Stock overview\n\n------------------\n|Material|  Qty  |\n------------------\n|A-100   |  1,5  |\n\
                |B-200   |  2,25 |\n------------------\n";
    let report = report(text.as_bytes()).await;
    assert_eq!((report.rows, report.columns.len(), report.comment.as_deref()), (2, 3, Some("`-`")));
    assert_eq!(
        (report.columns[1].name.as_str(), report.columns[2].safe_type),
        ("Material", SqlType::Numeric)
    );
    assert!(report.notes.iter().any(|note| note.contains("a list of SAP (ALV)")), "{:?}", report.notes);
}

#[tokio::test]
async fn the_share_of_nulls_is_that_of_the_load() {
    let share = async |text: &str| report(text.as_bytes()).await.columns[0].null_share;
    assert!((share("a\tb\n\\N\tx\n2\ty\n").await - 0.5).abs() < 1e-9, "\\N in a file with tabs");
    assert!((share("a;b\nNA;x\n2;y\n").await - 0.5).abs() < 1e-9, "NA among numbers");
    assert!(share("a;b\nNA;x\nDE;y\n").await < 1e-9, "NA among texts");
    assert!(share("a;b\n\"\";x\n\"t\";y\n").await < 1e-9, "the empty text is a text");
    assert!((share("a;b\n\"\";x\n\"2\";y\n").await - 0.5).abs() < 1e-9, "and no number");
}

#[tokio::test]
async fn a_file_without_a_table_is_an_error_that_says_why() {
    for (bytes, says) in [
        (&b""[..], "file.csv: the file is empty"),
        (b"\n\n", "file.csv: the file has no rows"),
        (b"PAR1\x15....", "file.csv: this is Parquet; write it as CSV or JSON lines"),
        (
            b"\xd0\xcf\x11\xe0....",
            "file.csv: this is an old Excel workbook (.xls), or one with a password; save it as .xlsx without a password, or as CSV",
        ),
        (b"<html><table>", "file.csv: this is HTML, whatever its name says; save it as CSV or .xlsx"),
    ] {
        let failure = inspected("file.csv", bytes).await.err().expect("no table");
        assert_eq!(failure.message, says);
    }
    let gone = inspect(Path::new("/nowhere/x.csv"), "x.csv", None, Arc::new(|_, _| {})).await;
    assert!(gone.err().expect("no file").message.starts_with("x.csv: "));
}

#[tokio::test]
async fn every_file_of_the_corpus_is_inspected_or_refused_with_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if name.ends_with(".case.json") {
            continue;
        }
        match inspect(&path, &name, None, Arc::new(|_, _| {})).await {
            Ok(inspection) => {
                let report = Report::of(&inspection);
                assert!(!report.columns.is_empty(), "{name}");
            }
            Err(failure) => assert!(failure.message.starts_with(&format!("{name}: ")), "{name}: {failure}"),
        }
        count += 1;
    }
    assert!(count > 100, "{count} files");
}
