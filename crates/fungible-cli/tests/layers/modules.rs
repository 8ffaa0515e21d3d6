//! The modules of a crate, which of them use which, and which types have methods in several files. Read from the source
//! by `syn`; tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module, by the names that lead to it from the root of its crate.
pub(crate) type Module = Vec<String>;

/// The modules of one crate.
pub(crate) struct Modules {
    files: BTreeMap<Module, Source>,
}

/// One file.
struct Source {
    path: PathBuf,
    /// Each `use`: the name that it brings, and the path that it stands for.
    uses: Vec<(String, Vec<String>)>,
    /// All other paths of two words and more.
    paths: BTreeSet<Vec<String>>,
    /// Types that are defined here.
    types: BTreeSet<String>,
    /// Types that have methods of their own here.
    methods: BTreeSet<String>,
}

impl Modules {
    /// Reads all files below `src` but tests.
    pub(crate) fn read(src: &Path) -> Modules {
        let mut files = BTreeMap::new();
        read_folder(src, &Module::new(), &mut files);
        Modules { files }
    }

    pub(crate) fn path(&self, module: &Module) -> &Path {
        &self.files[module].path
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Module> {
        self.files.keys()
    }

    /// For each file those that it uses.
    pub(crate) fn arrows(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
        for (module, source) in &self.files {
            let used = arrows.entry(module.clone()).or_default();
            let paths = source.uses.iter().map(|(_, path)| path).chain(&source.paths);
            used.extend(paths.filter_map(|path| self.target(module, path)).filter(|target| target != module));
        }
        for others in self.spread().values() {
            for (one, other) in others.iter().flat_map(|one| others.iter().map(move |other| (one, other))) {
                if one != other {
                    arrows.entry(one.clone()).or_default().insert(other.clone());
                }
            }
        }
        arrows
    }

    /// Types whose methods stand in more than one file: whatever one of these does, it may do through another.
    pub(crate) fn spread(&self) -> BTreeMap<(Module, String), BTreeSet<Module>> {
        let mut homes: BTreeMap<(Module, String), BTreeSet<Module>> = BTreeMap::new();
        for (module, source) in &self.files {
            for name in &source.methods {
                if let Some(home) = self.home(module, name) {
                    homes.entry((home, name.clone())).or_default().insert(module.clone());
                }
            }
        }
        homes.retain(|_, files| files.len() > 1);
        homes
    }

    /// Where the type that is called so in `module` is defined.
    fn home(&self, module: &Module, name: &str) -> Option<Module> {
        if self.files[module].types.contains(name) {
            return Some(module.clone());
        }
        let (_, path) = self.files[module].uses.iter().find(|(brought, _)| brought == name)?;
        self.target(module, path)
    }

    /// The file that a path means, as it is written in `from`.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let absolute = self.absolute(from, path)?;
        self.follow(&absolute, 0)
    }

    /// The path from the root of the crate; `None`: it leads out of it.
    fn absolute(&self, from: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut rest = path;
        let mut base = from.clone();
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop()?;
                    rest = &rest[1..];
                }
            }
            first => {
                let child: Module = base.iter().cloned().chain([first.to_owned()]).collect();
                if !self.files.contains_key(&child) {
                    // A module that was brought by a `use`; else another crate.
                    let (_, brought) = self.files[from].uses.iter().find(|(name, _)| name == first)?;
                    if brought.first().is_some_and(|word| word == first) {
                        return None;
                    }
                    let mut whole = brought.clone();
                    whole.extend(rest[1..].iter().cloned());
                    return self.absolute(from, &whole);
                }
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// Goes as deep as there are modules, and through re-exports.
    fn follow(&self, absolute: &[String], depth: usize) -> Option<Module> {
        let deepest = (0..=absolute.len()).rev().find(|length| self.files.contains_key(&absolute[..*length]))?;
        let module: Module = absolute[..deepest].to_vec();
        let Some(item) = absolute.get(deepest) else { return Some(module) };
        let source = &self.files[&module];
        if depth < 8
            && !source.types.contains(item)
            && let Some((_, path)) = source.uses.iter().find(|(name, _)| name == item)
            && let Some(absolute) = self.absolute(&module, path)
        {
            return self.follow(&absolute, depth + 1);
        }
        // At the root of a crate there are only its modules and what they export, macros among that.
        (!module.is_empty() || source.types.contains(item)).then_some(module)
    }
}

fn read_folder(folder: &Path, module: &Module, files: &mut BTreeMap<Module, Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if stem == "tests" || stem == "bin" {
            continue;
        }
        let face = ["mod", "lib", "main"].contains(&stem.as_str());
        let inner: Module = if face { module.clone() } else { module.iter().cloned().chain([stem]).collect() };
        if path.is_dir() {
            read_folder(&path, &inner, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.insert(inner, Source::read(&path));
        }
    }
}

impl Source {
    fn read(path: &Path) -> Source {
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        let mut source = Source {
            path: path.to_owned(),
            uses: Vec::new(),
            paths: BTreeSet::new(),
            types: BTreeSet::new(),
            methods: BTreeSet::new(),
        };
        source.visit_file(&file);
        source
    }
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_of_tests(&item.attrs) {
            leaves(&item.tree, &mut Vec::new(), &mut self.uses);
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.insert(item.ident.to_string());
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.insert(item.ident.to_string());
        visit::visit_item_enum(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.types.insert(item.ident.to_string());
        visit::visit_item_type(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.insert(item.ident.to_string());
        visit::visit_item_trait(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_of_tests(&item.attrs) {
            return;
        }
        if let (None, syn::Type::Path(of)) = (&item.trait_, &*item.self_ty) {
            let is_method = |one: &syn::ImplItem| matches!(one, syn::ImplItem::Fn(_));
            if let Some(last) = of.path.segments.last().filter(|_| item.items.iter().any(is_method)) {
                self.methods.insert(last.ident.to_string());
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {
        // Who may see it is no use of it.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }
}

/// Each name that a `use` brings, with its path.
fn leaves(tree: &syn::UseTree, before: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let with = |name: &str, before: &[String]| -> Vec<String> {
        before.iter().cloned().chain((name != "self").then(|| name.to_owned())).collect()
    };
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            leaves(&path.tree, before, found);
            before.pop();
        }
        syn::UseTree::Name(name) => {
            let path = with(&name.ident.to_string(), before);
            found.push((path.last().cloned().unwrap_or_default(), path));
        }
        syn::UseTree::Rename(rename) => {
            found.push((rename.rename.to_string(), with(&rename.ident.to_string(), before)));
        }
        syn::UseTree::Glob(_) => found.push(("*".to_owned(), before.clone())),
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                leaves(tree, before, found);
            }
        }
    }
}
