//! The tables at the top of the modules agree with the page.
//!
//! Such a table may leave out rows and columns of the page's table, but each of its cells must agree with the page.

use std::collections::HashMap;
use std::path::Path;

/// A module with a table, and the heading of the page's table.
const TABLES: [(&str, &str); 4] = [
    ("attempt.rs", "## An attempt"),
    ("instance.rs", "### An activity"),
    ("resource.rs", "### Its machine"),
    ("pipeline.rs", "## A pipeline"),
];

/// The cells of a Markdown table by row and column.
type Cells = HashMap<(String, String), String>;

/// Reads the first table in `lines`; returns its cells and its number of lines.
fn read<'a>(lines: impl Iterator<Item = &'a str>) -> (Cells, usize) {
    let split = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_start_matches('|').trim_end_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('*').to_owned()).collect()
    };
    let lines = lines.skip_while(|line| !line.trim_start().starts_with('|'));
    let table: Vec<_> = lines.take_while(|line| line.trim_start().starts_with('|')).map(split).collect();
    let mut cells = Cells::new();
    for row in table.iter().skip(2) {
        for (column, cell) in table[0].iter().zip(row).skip(1) {
            cells.insert((row[0].clone(), column.clone()), cell.clone());
        }
    }
    (cells, table.len())
}

#[test]
fn the_table_of_each_module_is_part_of_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = super::page();
    for (module, heading) in TABLES {
        let source = std::fs::read_to_string(root.join("src").join(module)).unwrap();
        let docs = source.lines().map_while(|line| line.strip_prefix("//!"));
        let (told, height) = read(docs);
        assert!((8..=15).contains(&height), "{module} has a table of {height} lines");
        let (played, _) = read(page.lines().skip_while(|line| *line != heading));
        for (cell, state) in &told {
            assert_eq!(played.get(cell), Some(state), "{module}: {cell:?}");
        }
    }
}
