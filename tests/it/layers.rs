//! Imports run in one direction: a module uses only modules before it, and no two files of a module
//! depend on each other.
//!
//! Reads tokens, not lines, so that every way of naming a module counts: `use crate::{a, b}`,
//! `super::super::a`, and a path within an expression or a macro.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// From the lowest layer to the highest. The program itself is not included: `main` and `cli` use the
/// library from outside.
const ROOMS: &[&str] = &[
    "error", "progress", "select", "pg", "codec", "index", "catalog", "order", "emit", "plan", "snapshot",
    "storage", "pipeline", "contents", "backups", "dump", "extract", "restore", "verify", "config", "ops",
    "schedule", "web", "fuzzing", "bench",
];

#[test]
fn modules_use_only_those_before_them() {
    let modules = Modules::read();
    let mut wrong = Vec::new();
    for (module, used) in modules.uses() {
        let place = |room: &str| ROOMS.iter().position(|known| *known == room);
        let (room, other) = (&module[0], &used[0]);
        if room != other && place(other).is_none_or(|other| Some(other) > place(room)) {
            wrong.push(format!("{} uses {}", module.join("::"), used.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let modules = Modules::read();
    let rooms: BTreeSet<&str> = modules.files.keys().map(|module| module[0].as_str()).collect();
    assert_eq!(rooms, ROOMS.iter().copied().collect());
}

#[test]
fn no_two_files_depend_on_each_other() {
    let modules = Modules::read();
    let mut uses: BTreeMap<&[String], BTreeSet<&[String]>> = BTreeMap::new();
    let edges = modules.uses();
    for (module, used) in &edges {
        // A module's `mod.rs` is its interface: it combines what the files offer, and declares what they
        // share.
        if !modules.is_door(module) && !modules.is_door(used) {
            uses.entry(module).or_default().insert(used);
        }
    }
    let circles: BTreeSet<Vec<String>> = uses
        .keys()
        .map(|module| {
            let together = |other: &&[String]| {
                reaches(&uses, module, other) && (reaches(&uses, other, module) || other == module)
            };
            uses.keys().copied().filter(together).map(|module| module.join("::")).collect::<Vec<_>>()
        })
        .filter(|circle| circle.len() > 1)
        .collect();
    assert_eq!(circles, BTreeSet::new());
}

#[test]
fn every_form_of_import_is_detected() {
    let modules = Modules {
        files: ["a", "a::b", "a::b::c", "d", "e"]
            .map(|name| (name.split("::").map(str::to_owned).collect(), PathBuf::new()))
            .into(),
    };
    let seen = |text: &str| {
        let module = ["a", "b", "c"].map(str::to_owned);
        let used = modules.used_by(&module, text.parse().unwrap());
        used.into_iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(seen("use crate::d::X;"), "d");
    assert_eq!(seen("use crate::{d, e::{self, Y}};"), "d e");
    assert_eq!(seen("use super::super::Z; use super::S;"), "a a::b");
    assert_eq!(seen("fn f() { vec![crate::e::g()] }"), "e");
    assert_eq!(seen("mod tests { use super::*; use super::super::T; }"), "a::b");
    assert_eq!(seen("/// [`crate::d`]\nfn f() { \"crate::e\"; }"), "");
}

fn reaches(uses: &BTreeMap<&[String], BTreeSet<&[String]>>, from: &[String], to: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    let mut left = vec![from];
    while let Some(module) = left.pop() {
        for used in uses.get(module).into_iter().flatten() {
            if *used == to {
                return true;
            }
            if seen.insert(*used) {
                left.push(used);
            }
        }
    }
    false
}

/// The library's modules that have a file.
struct Modules {
    files: BTreeMap<Vec<String>, PathBuf>,
}

impl Modules {
    fn read() -> Self {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        let mut folders = vec![sources.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                if path.extension().is_none_or(|end| end != "rs") {
                    continue;
                }
                let inside = path.strip_prefix(&sources).unwrap().with_extension("");
                let mut module: Vec<String> =
                    inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
                module.pop_if(|name| name == "mod");
                if !matches!(module[0].as_str(), "lib" | "main" | "cli")
                    && !module.iter().any(|name| name == "tests" || name == "fixture")
                {
                    files.insert(module, path);
                }
            }
        }
        Modules { files }
    }

    fn is_door(&self, module: &[String]) -> bool {
        self.files.get(module).is_some_and(|path| path.ends_with("mod.rs"))
    }

    /// Which modules each module uses, except itself. Tests in a file may use anything.
    fn uses(&self) -> Vec<(Vec<String>, Vec<String>)> {
        let mut uses = Vec::new();
        for (module, path) in &self.files {
            let text = std::fs::read_to_string(path).unwrap();
            let tokens = text.parse().unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
            for used in self.used_by(module, tokens) {
                if used != *module {
                    uses.push((module.clone(), used));
                }
            }
        }
        uses
    }

    fn used_by(&self, module: &[String], tokens: TokenStream) -> BTreeSet<Vec<String>> {
        let mut paths = Vec::new();
        find_paths(tokens, module, &mut paths);
        paths.iter().filter_map(|path| self.module_of(path)).collect()
    }

    /// The module that a path is in. Items at the crate's root belong to `error`.
    fn module_of(&self, path: &[String]) -> Option<Vec<String>> {
        (1..=path.len())
            .rev()
            .map(|length| &path[..length])
            .find(|path| self.files.contains_key(*path))
            .map(<[_]>::to_vec)
    }
}

/// Collects the paths that begin with `crate` or `super`, from the crate's root on.
fn find_paths(tokens: TokenStream, module: &[String], paths: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "mod" && is_inline_module(&tokens[at..]) => {
                let TokenTree::Group(body) = &tokens[at + 2] else { unreachable!() };
                if tokens[at + 1].to_string() != "tests" {
                    let inner = [module, &[tokens[at + 1].to_string()]].concat();
                    find_paths(body.stream(), &inner, paths);
                } else {
                    find_paths_of_tests(body.stream(), module, paths);
                }
                at += 3;
            }
            TokenTree::Ident(word) if word == "crate" => {
                at = follow(&tokens, at + 1, Vec::new(), paths);
            }
            TokenTree::Ident(word) if word == "super" => {
                let mut base = module.to_vec();
                base.pop();
                at += 1;
                while is_step(&tokens, at) && tokens.get(at + 2).is_some_and(|t| t.to_string() == "super") {
                    base.pop();
                    at += 3;
                }
                at = follow(&tokens, at, base, paths);
            }
            TokenTree::Group(group) => {
                find_paths(group.stream(), module, paths);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Imports of unit tests don't count, except for a `super` that leads out of their file.
fn find_paths_of_tests(tokens: TokenStream, module: &[String], paths: &mut Vec<Vec<String>>) {
    let inner = [module, &["tests".to_owned()]].concat();
    let mut found = Vec::new();
    find_paths(tokens, &inner, &mut found);
    paths
        .extend(found.into_iter().filter(|path| path.first() == module.first() && !path.starts_with(module)));
}

fn is_inline_module(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [_, TokenTree::Ident(_), TokenTree::Group(body), ..] if body.delimiter() == Delimiter::Brace)
}

/// Whether there is a `::` at this position.
fn is_step(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    is_colon(at) && is_colon(at + 1)
}

/// Follows `::a::b` or `::{a, b::c}`, and returns the position after it.
fn follow(tokens: &[TokenTree], mut at: usize, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    while is_step(tokens, at) {
        match tokens.get(at + 2) {
            Some(TokenTree::Ident(name)) => path.push(name.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in branches.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
                    let Some(TokenTree::Ident(name)) = branch.first() else { continue };
                    let inner = [path.as_slice(), &[name.to_string()]].concat();
                    follow(branch, 1, inner, paths);
                }
                return at + 3;
            }
            _ => break,
        }
        at += 3;
    }
    paths.push(path);
    at.max(1)
}
