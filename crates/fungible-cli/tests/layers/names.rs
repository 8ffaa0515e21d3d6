//! One name, one meaning: no two public types of the tool share a name. Read from the source by `syn`; tests are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};

#[test]
fn no_two_public_types_share_a_name() {
    let src = super::root().join("crates/fungible-cli/src");
    let mut homes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in super::rust_files(&src) {
        let relative = file.strip_prefix(&src).unwrap();
        if relative.iter().any(|part| Path::new(part).file_stem().is_some_and(|stem| stem == "tests")) {
            continue;
        }
        let mut types = PublicTypes::default();
        types.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
        for (place, name) in types.found {
            homes.entry(name).or_default().insert(format!("{}{place}", relative.display()));
        }
    }
    assert!(homes.len() > 100, "these are not all: {homes:?}");
    homes.retain(|_, places| places.len() > 1);
    let print = |(name, places): (String, BTreeSet<String>)| {
        format!("{name}: {}", places.into_iter().collect::<Vec<_>>().join(", "))
    };
    let wrong: Vec<String> = homes.into_iter().map(print).collect();
    assert!(wrong.is_empty(), "public types with one name:\n{}", wrong.join("\n"));
}

/// The types of one file that other modules may see, each with the inline modules that it is in.
#[derive(Default)]
struct PublicTypes {
    inside: Vec<String>,
    found: Vec<(String, String)>,
}

impl PublicTypes {
    fn add(&mut self, visibility: &syn::Visibility, name: &syn::Ident, attributes: &[syn::Attribute]) {
        if !matches!(visibility, syn::Visibility::Inherited) && !is_left_out(attributes) {
            let place = self.inside.iter().flat_map(|module| ["::", module]).collect();
            self.found.push((place, name.to_string()));
        }
    }
}

impl<'ast> Visit<'ast> for PublicTypes {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_left_out(&item.attrs) {
            self.inside.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.inside.pop();
        }
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.vis, &item.ident, &item.attrs);
    }
}

/// Whether an item is of tests, or stands in for one of another system: `cfg(test)` and `cfg(not(..))`.
fn is_left_out(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.parse_args::<syn::Meta>();
        condition.is_ok_and(|condition| ["test", "not"].iter().any(|word| condition.path().is_ident(word)))
    })
}
