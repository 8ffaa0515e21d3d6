//! The architecture as a test: arrows between modules point down, no two public types of the tool share a name, the
//! toolkit and the apps stay out of the tool, and no manifest names a crate that its code does not use.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod circles;
mod modules;
mod names;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use modules::{Module, Modules};

/// The rooms of a crate and, for each, the rooms it may use. This is the architecture picture: a room
/// stands below every room that uses it, so a circle cannot be written down.
const LAYERS: &[(&str, &[Room])] = &[
    (
        "crates/fungible-cli/src",
        &[
            ("encoding", &[]),
            ("operation", &[]),
            ("exchange", &["encoding", "operation"]),
            ("balancer", &["exchange", "operation"]),
            ("fleet", &["balancer", "encoding"]),
            ("admin", &["fleet", "balancer", "encoding"]),
            ("prove", &["fleet", "balancer", "exchange", "encoding"]),
            ("report", &["prove", "exchange"]),
            ("cli", &["report", "prove", "admin", "fleet", "balancer", "exchange", "encoding"]),
            ("fuzz", &["prove", "admin", "fleet", "balancer"]),
        ],
    ),
    (
        "crates/fungible/src",
        &[
            ("setters", &[]),
            ("cache", &["setters"]),
            ("clock", &[]),
            ("secret", &[]),
            ("client", &[]),
            ("cookie", &[]),
            ("csrf", &[]),
            ("failpoint", &[]),
            ("serve", &["setters"]),
            ("store", &["clock", "failpoint", "setters"]),
            ("once", &["store", "clock", "setters"]),
            ("limits", &["store", "clock"]),
            ("jobs", &["store", "clock", "setters"]),
            ("users", &["client", "limits", "store", "clock", "setters"]),
            ("sessions", &["cookie", "users", "store", "secret", "clock", "setters"]),
            ("keys", &["store", "secret", "clock", "setters"]),
            ("sealed", &["clock", "keys", "store"]),
            ("tokens", &["clock", "users", "keys", "store", "secret", "setters"]),
            ("config", &["cache", "client", "cookie", "store", "secret", "setters"]),
            (
                "kit",
                &[
                    "client", "config", "cookie", "store", "once", "limits", "jobs", "users", "sessions", "keys",
                    "sealed", "tokens",
                ],
            ),
            ("fuzz", &["client", "cookie", "once", "sealed", "secret", "sessions", "tokens"]),
            (
                "stateless",
                &[
                    "cache", "client", "clock", "cookie", "kit", "secret", "store", "once", "limits", "jobs", "users",
                    "sessions", "keys", "sealed", "tokens",
                ],
            ),
        ],
    ),
    ("crates/fungible-macros/src", &[("allowed", &[]), ("derive", &["allowed"])]),
    (
        "apps/web/src",
        &[
            ("notice", &[]),
            ("problem", &[]),
            ("program", &[]),
            ("assets", &["problem"]),
            ("access", &["problem"]),
            ("address", &["problem"]),
            ("site", &["access", "assets", "notice"]),
            ("extract", &["notice", "problem", "site"]),
            ("answers", &["site"]),
            ("frame", &["assets", "notice", "site"]),
            ("account", &["access", "extract", "frame", "notice", "problem", "site"]),
            ("pages", &["account", "assets", "frame", "notice", "problem", "site"]),
            ("api", &["access", "extract", "problem", "site"]),
            ("openapi", &["site"]),
        ],
    ),
    ("apps/payments/src", &[("card", &[]), ("ledger", &["card"]), ("routes", &["card", "ledger"])]),
    (
        "apps/shop/src",
        &[
            ("assets", &[]),
            ("payments", &[]),
            ("catalogue", &[]),
            ("carts", &[]),
            ("orders", &["carts"]),
            ("app", &["carts", "catalogue", "orders", "payments"]),
            ("cart", &["app", "carts"]),
            ("checkout", &["app", "catalogue", "orders", "payments"]),
            ("api", &["app", "cart", "catalogue", "checkout", "orders"]),
            ("pages", &["api", "app", "assets", "cart", "carts", "catalogue", "checkout", "orders"]),
            ("routes", &["api", "app", "assets", "cart", "pages"]),
        ],
    ),
    (
        "apps/todo/src",
        &[
            ("tasks", &[]),
            ("links", &[]),
            ("assets", &[]),
            ("app", &["tasks", "links"]),
            ("pages", &["app", "assets", "links", "tasks"]),
            ("api", &["app", "links", "tasks"]),
            ("share", &["app", "tasks"]),
            ("routes", &["api", "app", "assets", "pages", "share"]),
        ],
    ),
    (
        "crates/test-basics/src",
        &[
            ("wait", &[]),
            ("port", &[]),
            ("random", &[]),
            ("property", &["random"]),
            ("fuzz", &["property"]),
            ("http", &[]),
            ("browser", &["http"]),
        ],
    ),
    ("crates/test-postgres/src", &[]),
    ("crates/test-cluster/src", &[("fleet", &[]), ("secrets", &["fleet"])]),
    (
        "crates/test-chromium/src",
        &[("driver", &[]), ("element", &["driver"]), ("browser", &["driver", "element"]), ("axe", &["browser"])],
    ),
];

/// A room's name, and the rooms that it may use.
type Room = (&'static str, &'static [&'static str]);

/// Crates that the tool may name in `cli/demo.rs` only.
const FOREIGN: &[&str] = &[
    "fungible",
    "fungible_macros",
    "fungible_web",
    "fungible_payments",
    "fungible_shop",
    "fungible_todo",
    "fungible_todo_broken",
];

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for (src, rooms) in LAYERS {
        let names: Vec<&str> = rooms.iter().map(|(name, _)| *name).collect();
        for (at, (room, uses)) in rooms.iter().enumerate() {
            for used in *uses {
                let below = names[..at].contains(used);
                assert!(below, "{src}: {room} uses {used}, which does not stand above it in the list");
            }
        }
        for file in rust_files(&root().join(src)) {
            let relative = file.strip_prefix(root().join(src)).unwrap();
            let Some(room) = room_of(relative) else { continue };
            let Some((_, uses)) = rooms.iter().find(|(name, _)| *name == room) else {
                wrong.push(format!("{src}: room {room} is missing in LAYERS"));
                continue;
            };
            for used in crate_paths(&code_of(&file)) {
                if used != room && names.contains(&used.as_str()) && !uses.contains(&used.as_str()) {
                    wrong.push(format!("{src}/{}: {room} may not use {used}", relative.display()));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The sources in which circles are looked for.
fn sources() -> Vec<PathBuf> {
    let all = LAYERS.iter().map(|(src, _)| *src).chain(["apps/todo-broken/src", "crates/fungible-macros/src"]);
    let unique: BTreeSet<PathBuf> = all.map(|src| root().join(src)).collect();
    unique.into_iter().collect()
}

fn shown(modules: &Modules, circle: &circles::Circle) -> String {
    let file = |module: &Module| modules.path(module).strip_prefix(root()).unwrap().display().to_string();
    let all = modules.all().filter(|module| circle.contains(*module));
    let files: Vec<String> = all.map(file).collect();
    if files.is_empty() {
        let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
        return names.join(" <-> ");
    }
    files.join(" <-> ")
}

/// No file, folder or room is in a circle, and no type has methods in several files: one of them could do anything through
/// another.
#[test]
fn there_are_no_circles() {
    let mut wrong = Vec::new();
    for src in sources() {
        let modules = Modules::read(&src);
        for circle in circles::among_files(&modules) {
            wrong.push(format!("files: {}", shown(&modules, &circle)));
        }
        for circle in circles::among_folders(&modules) {
            wrong.push(format!("folders: {}", shown(&modules, &circle)));
        }
        for ((home, name), files) in modules.spread() {
            let all = shown(&modules, &files);
            wrong.push(format!("methods of {}::{name} in several files: {all}", home.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn toolkit_and_apps_stay_out_of_the_tool() {
    let src = root().join("crates/fungible-cli/src");
    let mut wrong = Vec::new();
    for file in rust_files(&src) {
        if file == src.join("cli/demo.rs") {
            continue;
        }
        for word in words(&code_of(&file)) {
            // A crate is named at the head of a path: `fungible::..` or `use fungible..`.
            if let Some(name) = FOREIGN.iter().find(|name| **name == word) {
                wrong.push(format!("{} names the crate {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let mut wrong = Vec::new();
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = members(&workspace);
    assert!(members.len() > 5, "{members:?}");
    for member in &members {
        let member = root().join(member);
        let code: String = rust_files(&member).iter().map(|file| code_of(file)).collect();
        let used = words(&code);
        for dependency in dependencies(&fs::read_to_string(member.join("Cargo.toml")).unwrap()) {
            if !used.contains(&dependency.replace('-', "_")) {
                wrong.push(format!("{}: {dependency} is not used", member.display()));
            }
        }
    }
    let members: String =
        members.iter().map(|member| fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap()).collect();
    for dependency in section(&workspace, "workspace.dependencies") {
        if !members.contains(&format!("\n{dependency}.workspace"))
            && !members.contains(&format!("\n{dependency} = {{ workspace"))
        {
            wrong.push(format!("workspace: {dependency} is named by no member"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The folders of the workspace's crates.
fn members(workspace: &str) -> Vec<String> {
    let list = workspace.split_once("\nmembers = [").unwrap().1.split_once(']').unwrap().0;
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_path_buf()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The room that a file stands in: the first folder, or the file's own name; `lib.rs`, `main.rs` and `bin` are the map.
fn room_of(relative: &Path) -> Option<String> {
    let first = relative.iter().next()?.to_str()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (!["lib", "main", "bin"].contains(&room)).then(|| room.to_owned())
}

/// A file without its comment lines.
fn code_of(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<&str>>().join("\n")
}

/// The first segments of all paths that begin with `crate::`, also in `use crate::{a, b}`.
fn crate_paths(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => found.extend(words(&std::mem::take(&mut name)).into_iter().next()),
                    _ if depth == 0 => name.push(letter),
                    _ => {}
                }
            }
            found.extend(name.split("::").next().map(|first| first.trim().to_owned()));
        } else {
            found.extend(
                rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().map(str::to_owned),
            );
        }
    }
    found
}

/// Heads of paths and `use` items: identifiers before `::` that do not follow one, and those after `use`.
fn words(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let bytes = code.as_bytes();
    let mut start = None;
    for at in 0..=bytes.len() {
        let inside = bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                start = None;
                let heads_a_path = code[at..].starts_with("::") && !code[..from].ends_with("::");
                let is_used = code[..from].ends_with("use ");
                if heads_a_path || is_used {
                    found.insert(code[from..at].to_owned());
                }
            }
            _ => {}
        }
    }
    found
}

fn dependencies(manifest: &str) -> Vec<String> {
    let mut all = section(manifest, "dependencies");
    all.extend(section(manifest, "dev-dependencies"));
    for line in manifest.lines().filter(|line| line.starts_with("[target.")) {
        all.extend(section(manifest, line.trim_matches(['[', ']'])));
    }
    all
}

fn section(manifest: &str, name: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| *line != format!("[{name}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['=', '.']).next())
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty() && !key.starts_with('#'))
        .collect()
}
