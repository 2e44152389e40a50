//! Imports run one way: a module uses only those before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From what all stand on to what stands on all. The program itself is not among them: `main` and
/// `cli` see the library from outside.
const LAYERS: &[&str] = &[
    "error",
    "quote",
    "pattern",
    "options",
    "filter",
    "pg",
    "catalog",
    "order",
    "emit",
    "plan",
    "snapshot",
    "codec",
    "sink",
    "pipeline",
    "rows",
    "manifest",
    "dump",
    "input",
    "restore",
    "verify",
    "naming",
    "retention",
    "config",
    "store",
    "ops",
    "schedule",
    "web",
];

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

#[test]
fn modules_use_only_those_before_them() {
    let mut wrong = Vec::new();
    for (place, layer) in LAYERS.iter().enumerate() {
        for file in files_of(layer) {
            let text = std::fs::read_to_string(&file).unwrap();
            for used in modules_used(&text) {
                let used_place = LAYERS.iter().position(|layer| *layer == used);
                if used_place.is_none_or(|used_place| used_place > place) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let text = std::fs::read_to_string(Path::new(SOURCES).join("lib.rs")).unwrap();
    let declared = text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    assert_eq!(declared.collect::<BTreeSet<_>>(), LAYERS.iter().copied().collect());
}

/// All files of a module.
fn files_of(module: &str) -> Vec<PathBuf> {
    let mut files = vec![Path::new(SOURCES).join(format!("{module}.rs"))];
    let mut folders = vec![Path::new(SOURCES).join(module)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|file| file.extension().is_some_and(|end| end == "rs") && file.exists() && !is_test(file));
    assert!(!files.is_empty(), "where is {module}?");
    files
}

/// Tests may look at their module from above, such as at what becomes of its results in the end.
fn is_test(file: &Path) -> bool {
    let within = file.strip_prefix(SOURCES).unwrap();
    within.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}

/// The modules that a file names by `crate::`. What the crate has at its root is `error`'s.
fn modules_used(text: &str) -> BTreeSet<String> {
    let code =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let after = code.split("crate::").skip(1);
    let name =
        |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    after.map(name).filter(|name| name.starts_with(|c: char| c.is_lowercase())).collect()
}
