//! Help about object types as plain text for a terminal, made from the tables.

use std::fmt::Write;

use super::{DEFAULT_OBJECT, FieldChoice, FieldSpec, Group, Kind, SharedFields, ValueShape};
use crate::object::DEFAULT_ID;

/// The width of a page in characters. Such a page fits beside an editor, and has room for a sentence beside a
/// long field name.
const WIDTH: usize = 100;

/// Returns the help page of a type: its purpose, and its fields in sections.
#[must_use]
pub fn help(kind: Kind) -> String {
    let spec = kind.spec();
    let shared = spec.includes.iter().flat_map(|included| included.fields);
    let mut page = Page::new(spec.fields.iter().chain(shared).chain(spec.my_fields));
    page.head(spec.name, spec.doc);
    let own: Vec<&FieldSpec> = spec.fields.iter().filter(|field| !field.is_runtime).collect();
    page.section("Required", own.iter().filter(|field| field.is_required).copied());
    for choice in spec.one_of {
        let fields = choice.keys.iter().filter_map(|key| kind.field(key));
        page.section(choice_title(choice), fields);
    }
    let is_of_a_choice =
        |field: &FieldSpec| spec.one_of.iter().any(|choice| choice.keys.contains(&field.key));
    page.section(
        "Optional",
        own.iter().filter(|field| !field.is_required && !is_of_a_choice(field)).copied(),
    );
    for included in spec.includes {
        let fields = included.fields.iter().filter(|field| !field.is_runtime && !is_of_a_choice(field));
        page.section(included.title, fields);
    }
    page.section("Read by Downspout; AWS accepts them without effect", spec.my_fields.iter());
    page.runtime(kind.runtime_fields());
    page.text
}

/// Returns the help page of the Default object: its usual fields, and the own fields that say which drops start
/// runs.
#[must_use]
pub fn help_default() -> String {
    let spec = DEFAULT_OBJECT;
    let shared = spec.includes.iter().flat_map(|included: &SharedFields| included.fields);
    let mut page = Page::new(spec.fields.iter().chain(shared).chain(spec.my_fields));
    page.head(DEFAULT_ID, spec.doc);
    page.section("Read by Downspout; AWS accepts them without effect", spec.my_fields.iter());
    page.section("Usual here", spec.fields.iter());
    for included in spec.includes {
        page.section(included.title, included.fields.iter());
    }
    page.text
}

/// Returns one line for each type, by group, and one for the Default object.
#[must_use]
pub fn overview() -> String {
    let name_width = Kind::ALL.iter().map(|kind| kind.name().len()).max().unwrap_or_default();
    let mut text = String::new();
    row(&mut text, name_width, DEFAULT_ID, DEFAULT_OBJECT.doc);
    for group in Group::ALL {
        line(&mut text, &format!("\n{}", group.title()));
        for kind in Kind::ALL.iter().filter(|kind| kind.group() == *group) {
            row(&mut text, name_width, kind.name(), kind.spec().doc);
        }
    }
    text
}

fn choice_title(choice: &FieldChoice) -> &'static str {
    if choice.is_exclusive { "Exactly one of" } else { "At least one of" }
}

/// A page under construction.
struct Page {
    text: String,
    /// The width of the column with the names of the fields.
    name_width: usize,
}

impl Page {
    /// Returns an empty page whose first column has room for the names of `fields`.
    fn new(fields: impl Iterator<Item = &'static FieldSpec>) -> Self {
        Self {
            text: String::new(),
            name_width: fields.map(|field| field.key.len()).max().unwrap_or_default(),
        }
    }

    fn head(&mut self, title: &str, doc: &str) {
        line(&mut self.text, title);
        self.text.push('\n');
        for part in wrapped(doc, WIDTH) {
            line(&mut self.text, &part);
        }
    }

    /// Adds a section. A section without fields is left out.
    fn section(&mut self, title: &str, fields: impl Iterator<Item = &'static FieldSpec>) {
        let mut fields = fields.peekable();
        if fields.peek().is_none() {
            return;
        }
        line(&mut self.text, &format!("\n{title}"));
        for field in fields {
            row(&mut self.text, self.name_width, field.key, &holds(field));
            row(&mut self.text, self.name_width, "", field.doc);
        }
    }

    /// Adds the fields that the service sets, each with its purpose only: a definition cannot set them, so their
    /// values are left out.
    fn runtime(&mut self, fields: impl Iterator<Item = &'static FieldSpec>) {
        line(&mut self.text, "\nSet by the service; expressions can use them, a definition cannot set them");
        for field in fields {
            row(&mut self.text, self.name_width, field.key, field.doc);
        }
    }
}

/// Returns a phrase about a field: the kind of its values, whether the field can repeat, and its default.
fn holds(field: &FieldSpec) -> String {
    let mut text = field.shape.describe();
    if matches!(field.shape, ValueShape::Word(_)) {
        text.push_str(", case-insensitive");
    }
    if field.is_multi {
        text.push_str("; may repeat");
    }
    if let Some(default) = field.default {
        // Writing to a string cannot fail.
        let _ = write!(text, "; default {default}");
    }
    text
}

/// Adds a name and, beside it, its description.
fn row(text: &mut String, name_width: usize, name: &str, description: &str) {
    let mut name = name;
    for part in wrapped(description, WIDTH - name_width - 4) {
        line(text, format!("  {name:<name_width$}  {part}").trim_end());
        name = "";
    }
}

fn line(text: &mut String, part: &str) {
    text.push_str(part);
    text.push('\n');
}

/// Breaks `text` between words into lines of at most `width` characters. A longer word gets a line of its
/// own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let current = &mut lines[last];
        if !current.is_empty() && current.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_an_activity() {
        insta::assert_snapshot!(help(Kind::CopyActivity));
    }

    #[test]
    fn help_of_a_schedule() {
        insta::assert_snapshot!(help(Kind::Schedule));
    }

    #[test]
    fn help_of_the_default_object() {
        insta::assert_snapshot!(help_default());
    }

    #[test]
    fn all_types_at_a_glance() {
        insta::assert_snapshot!(overview());
    }

    #[test]
    fn every_page_fits_its_width_and_describes_every_field_once() {
        for kind in Kind::ALL {
            let page = help(*kind);
            assert!(page.lines().all(|line| line.chars().count() <= WIDTH && !line.ends_with(' ')), "{page}");
            for spec in kind.fields().chain(kind.runtime_fields()).chain(kind.my_fields()) {
                let begin = format!("  {} ", spec.key);
                assert_eq!(
                    page.lines().filter(|line| line.starts_with(&begin)).count(),
                    1,
                    "{kind:?} {begin}"
                );
            }
        }
    }
}
