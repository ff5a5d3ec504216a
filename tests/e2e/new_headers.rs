//! `downspout new` for files whose header is hard to see, or lacks names: later files load by their names, or are refused.

use std::path::Path;
use std::process::{Command, Output};

use e2e::{postgres::NativePostgres, program::Up};
use tempfile::TempDir;

use crate::PROGRAM;

fn downspout(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).current_dir(folder).args(arguments).output().expect("starting downspout")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("a written file")
}

/// The files of the first day, as R (`write.csv`) and pandas write them, and one with a name that stands twice.
const FIRST: [(&str, &str); 4] = [
    ("r.csv", "\"\",\"x\",\"y\"\n\"1\",\"red\",\"round\"\n\"2\",\"blue\",\"square\"\n"),
    ("pandas.csv", ",a,b\n0,one,uno\n1,two,due\n"),
    ("twice.csv", "id,note,note\n1,p,q\n2,r,s\n"),
    ("system.csv", "ctid,xmin,plain\n7,8,x\n"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_lacks_names_is_matched_by_names_and_places_or_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, text) in FIRST {
        std::fs::write(folder.path().join(name), text).expect("the folder is writable");
    }
    let mut arguments = vec!["new", "heads", "--daily", "--into", "pipes"];
    arguments.extend(FIRST.map(|(name, _)| name));
    let made = downspout(folder.path(), &arguments);
    assert!(made.status.success(), "{}", said(&made));
    let valid = downspout(folder.path(), &["validate", "pipes/heads.json"]);
    assert_eq!(said(&valid), "pipes/heads.json: fit to run\n");
    let sql = read(folder.path(), "pipes/heads/tables.sql").replace("\n-- ", " ");
    assert!(sql.contains("Does r.csv have a header? Yes, because"), "{sql}");
    assert!(!read(folder.path(), "pipes/heads.json").contains("mySkipLines"));

    let postgres = NativePostgres::shared();
    let definitions = folder.path().join("pipes");
    let definitions = definitions.to_str().expect("a UTF-8 folder");
    let up = Up::start(PROGRAM, &["--definitions", definitions, "--database-url", &postgres.url()]).await;
    let drop = async |day: &str, files: [(&str, &str); 4]| {
        for (name, text) in files {
            up.put(&format!("incoming/{day}/{name}"), text.as_bytes().to_vec()).await;
        }
        up.mail_of(day).await
    };
    let mail = drop("2026-03-01", FIRST).await;
    assert_eq!(mail.subject, "heads 2026-03-01: 7 rows loaded, 0 refused", "{}", mail.body);
    // The same columns in another order.
    let other = [
        ("r.csv", "\"\",\"y\",\"x\"\n\"3\",\"oval\",\"green\"\n"),
        ("pandas.csv", ",b,a\n2,tre,three\n"),
        ("twice.csv", "id,note,note\n3,t,u\n"),
        ("system.csv", "plain,xmin,ctid\ny,9,10\n"),
    ];
    let mail = drop("2026-03-02", other).await;
    assert_eq!(mail.subject, "heads 2026-03-02: 4 rows loaded, 0 refused", "{}", mail.body);
    // The column without a name is at another place, so its meaning is unknown.
    let moved = [
        ("r.csv", "\"y\",\"\",\"x\"\n\"oval\",\"4\",\"green\"\n"),
        ("pandas.csv", "a,b,\nthree,tre,3\n"),
        ("twice.csv", "note,id,note\nt,4,u\n"),
        other[3],
    ];
    let mail = drop("2026-03-03", moved).await;
    assert_eq!(mail.subject, "heads 2026-03-03: FAILED", "{}", mail.body);
    let database = up.database().await;
    let row = database
        .query_one(
            "SELECT (SELECT string_agg(concat_ws('|', column_1, x, y), ',' ORDER BY column_1) FROM heads.r), \
             (SELECT string_agg(concat_ws('|', column_1, a, b), ',' ORDER BY column_1) FROM heads.pandas), \
             (SELECT string_agg(concat_ws('|', id, note, note_2), ',' ORDER BY id) FROM heads.twice), \
             (SELECT string_agg(concat_ws('|', ctid_, xmin_, plain), ',' ORDER BY ctid_) FROM heads.system WHERE ctid_ < 11)",
            &[],
        )
        .await
        .expect("the tables that `new` declared");
    assert_eq!(row.get::<_, &str>(0), "1|red|round,2|blue|square,3|green|oval");
    assert_eq!(row.get::<_, &str>(1), "0|one|uno,1|two|due,2|three|tre");
    assert_eq!(
        row.get::<_, &str>(2),
        "1|p|q,2|r|s,3|t|u,4|t|u",
        "the last two stand in the order of the file"
    );
    assert!(row.get::<_, &str>(3).starts_with("7|8|x,10|9|y"), "{}", row.get::<_, &str>(3));
}

#[test]
fn new_and_inspect_say_how_sure_they_are_of_a_header() {
    let folder = TempDir::new().expect("a temporary folder");
    let shown = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("the folder is writable");
        said(&downspout(folder.path(), &["inspect", name]))
    };
    let numbers = shown("numbers.csv", "id,name\n1,a\n2,b\n");
    assert!(numbers.contains("yes, because the values below `id` are numbers, and `id` is not"), "{numbers}");
    let texts = shown("texts.csv", "name,city\nann,Rome\nbob,Oslo\n");
    assert!(texts.contains("yes, but that is a guess, because most files have a header"), "{texts}");
    let none = shown("none.csv", "1,a\n2,b\n");
    assert!(none.contains("no, because `1` is like the values below it, which are numbers"), "{none}");
    let only = shown("only.csv", "id,name\n");
    assert!(only.contains("yes, but that is a guess"), "{only}");
    let made = downspout(folder.path(), &["new", "p", "texts.csv", "only.csv"]);
    assert!(made.status.success(), "{}", said(&made));
    assert!(said(&made).contains("texts.csv: the header is a guess"), "{}", said(&made));
    assert!(said(&made).contains("only.csv: no rows, so every column is text"), "{}", said(&made));
    let sql = read(folder.path(), "p/tables.sql").replace("\n-- ", " ");
    assert!(sql.contains("If the first record is a row, remove `myHeader`"), "{sql}");
    assert!(sql.contains("The file has no rows, so every column is text"), "{sql}");
}
