//! Reads the modules of a crate and finds siblings that import each other in a circle.
//!
//! A parent and its child may import each other. Between siblings, with all that lies below them, imports go one way.
//! Test modules are left out: a test may use anything.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::Path,
};

use syn::visit::{self, Visit};

/// The path of a module inside its crate, without `crate`.
type ModulePath = Vec<String>;

/// The modules of one crate.
#[derive(Default)]
pub(super) struct Modules {
    /// Each module, with the paths that its code names, absolute.
    named: BTreeMap<ModulePath, BTreeSet<Vec<String>>>,
    /// The names that `use` brings into a module, with their full paths.
    imported: HashMap<(ModulePath, String), Vec<String>>,
}

impl Modules {
    /// Reads the crate whose root file is `root`.
    pub(super) fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        let folder = root.parent().expect("a root file lies in a folder");
        modules.read_file(root, folder, Vec::new());
        modules
    }

    /// Returns one circle for each parent whose children import each other in one.
    pub(super) fn circles(&self) -> Vec<String> {
        let mut by_parent: BTreeMap<ModulePath, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, paths) in &self.named {
            for target in paths.iter().map(|path| self.module_of(path)) {
                let shared = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
                if shared < module.len() && shared < target.len() {
                    let siblings = by_parent.entry(module[..shared].to_vec()).or_default();
                    siblings.entry(module[shared].clone()).or_default().insert(target[shared].clone());
                }
            }
        }
        let circle_below = |(parent, imports): (&ModulePath, &BTreeMap<String, BTreeSet<String>>)| {
            let circle = circle(imports)?;
            Some(format!("in `{}`: {}", parent.join("::"), circle.join(" -> ")))
        };
        by_parent.iter().filter_map(circle_below).collect()
    }

    fn read_file(&mut self, file: &Path, folder: &Path, module: ModulePath) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_items(&parsed.items, folder, module);
    }

    fn read_items(&mut self, items: &[syn::Item], folder: &Path, module: ModulePath) {
        let mut reader = Reader { module: &module, named: BTreeSet::new(), imported: Vec::new() };
        for item in items.iter().filter(|item| !matches!(item, syn::Item::Mod(_))) {
            reader.visit_item(item);
        }
        let Reader { named, imported, .. } = reader;
        let bound = imported.into_iter().map(|(name, path)| ((module.clone(), name), path));
        self.imported.extend(bound);
        self.named.insert(module.clone(), named);
        for item in items {
            match item {
                syn::Item::Mod(child) if !is_for_tests(&child.attrs) => {
                    let name = child.ident.to_string();
                    match &child.content {
                        Some((_, items)) => {
                            let path = [module.clone(), vec![name.clone()]].concat();
                            self.read_items(items, &folder.join(&name), path);
                        }
                        None => self.read_child(folder, &module, &name),
                    }
                }
                syn::Item::Macro(table) => {
                    for name in files_named_in(table, folder) {
                        self.read_child(folder, &module, &name);
                    }
                }
                _ => {}
            }
        }
    }

    fn read_child(&mut self, folder: &Path, parent: &[String], name: &str) {
        let path = [parent, &[name.to_owned()]].concat();
        self.read_file(&folder.join(format!("{name}.rs")), &folder.join(name), path);
    }

    /// Returns the module in which the item that `path` names is defined, as far as imports tell.
    fn module_of(&self, path: &[String]) -> ModulePath {
        let mut path = path.to_vec();
        // Each turn follows one re-export; a chain of them is short.
        for _ in 0..8 {
            let known =
                (0..=path.len()).rev().find(|end| self.named.contains_key(&path[..*end])).unwrap_or(0);
            let next = path.get(known).map(|name| (path[..known].to_vec(), name.clone()));
            match next.and_then(|binding| self.imported.get(&binding)) {
                Some(target) => path = [target.clone(), path[known + 1..].to_vec()].concat(),
                None => return path[..known].to_vec(),
            }
        }
        Vec::new()
    }
}

/// Gathers the paths that one module names.
struct Reader<'a> {
    module: &'a [String],
    named: BTreeSet<Vec<String>>,
    imported: Vec<(String, Vec<String>)>,
}

impl Reader<'_> {
    /// Returns `path` from the root of the crate; none if it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        match path.first().map(String::as_str) {
            Some("crate") => Some(path[1..].to_vec()),
            Some("self") => Some([self.module, &path[1..]].concat()),
            Some("super") => {
                let above = self.module.len().checked_sub(supers)?;
                Some([&self.module[..above], &path[supers..]].concat())
            }
            _ => None,
        }
    }

    fn take_use(&mut self, tree: &syn::UseTree, before: &[String]) {
        match tree {
            syn::UseTree::Path(path) => {
                self.take_use(&path.tree, &[before, &[path.ident.to_string()]].concat());
            }
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_use(tree, before)),
            syn::UseTree::Name(name) => self.bind(before, &name.ident.to_string(), &name.ident.to_string()),
            syn::UseTree::Rename(rename) => {
                self.bind(before, &rename.ident.to_string(), &rename.rename.to_string());
            }
            syn::UseTree::Glob(_) => self.named.extend(self.absolute(before)),
        }
    }

    fn bind(&mut self, before: &[String], item: &str, name: &str) {
        // `use a::b::{self}` names `a::b`, by its last part.
        let (path, name) = match (item, before.last()) {
            ("self", Some(last)) if before.len() > 1 && name == "self" => (before.to_vec(), last.clone()),
            ("self", _) => (before.to_vec(), name.to_owned()),
            _ => ([before, &[item.to_owned()]].concat(), name.to_owned()),
        };
        // A child can be named without `self`.
        let absolute = self.absolute(&path).unwrap_or_else(|| [self.module, &path[..]].concat());
        self.named.insert(absolute.clone());
        if absolute != [self.module, std::slice::from_ref(&name)].concat() {
            self.imported.push((name, absolute));
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.take_use(&item.tree, &[]);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.named.extend(self.absolute(&parts));
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// Returns the child modules that a macro declares: the identifiers in its call that name a file of the folder.
fn files_named_in(table: &syn::ItemMacro, folder: &Path) -> BTreeSet<String> {
    let is_definition = table.ident.is_some();
    let text = if is_definition { String::new() } else { table.mac.tokens.to_string() };
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '_');
    let names = words.filter(|word| !word.is_empty() && folder.join(format!("{word}.rs")).is_file());
    names.map(str::to_owned).collect()
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    let is_cfg_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string().contains("test"),
        _ => false,
    };
    attributes.iter().any(is_cfg_test)
}

/// Returns a circle of imports, from a module back to itself, if there is one.
fn circle(imports: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    imports.keys().find_map(|start| walk(imports, start, &mut Vec::new(), &mut done))
}

fn walk<'a>(
    imports: &'a BTreeMap<String, BTreeSet<String>>,
    at: &'a str,
    trail: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(begin) = trail.iter().position(|seen| *seen == at) {
        let circle = trail[begin..].iter().chain([&at]);
        return Some(circle.map(ToString::to_string).collect());
    }
    if done.contains(at) {
        return None;
    }
    trail.push(at);
    let found = imports.get(at).into_iter().flatten().find_map(|next| walk(imports, next, trail, done));
    trail.pop();
    done.insert(at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder for the sources");
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("making a folder");
            fs::write(file, text).expect("writing a source file");
        }
        Modules::read(&folder.path().join("lib.rs")).circles()
    }

    #[test]
    fn siblings_that_import_each_other_are_a_circle() {
        let found = read(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "fn f() { super::c::g() } pub struct B;"),
            ("c.rs", "mod below; pub fn g() {}"),
            ("c/below.rs", "use crate::a::A;"),
        ]);
        assert_eq!(found, ["in ``: a -> b -> c -> a"]);
    }

    #[test]
    fn a_re_export_is_followed_to_its_module() {
        let found = read(&[
            ("lib.rs", "mod a; mod b; pub use b::B; pub use a::A;"),
            ("a.rs", "use crate::B; pub struct A;"),
            ("b.rs", "use crate::A; pub struct B;"),
        ]);
        assert_eq!(found, ["in ``: a -> b -> a"]);
    }

    #[test]
    fn a_macro_may_declare_modules() {
        let found = read(&[
            ("lib.rs", "table! { a::A, b::B }"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::a::A;"),
        ]);
        assert_eq!(found, ["in ``: a -> b -> a"]);
    }

    #[test]
    fn parent_and_child_may_import_each_other_and_tests_anything() {
        let found = read(&[
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod child; use child::Child; use crate::b::B; pub struct A;"),
            ("a/child.rs", "use super::A; pub struct Child;"),
            ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
