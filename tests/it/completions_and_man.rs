//! Completions and manual pages cover every command.

use assert_cmd::Command;

const COMMANDS: [&str; 14] = [
    "dump",
    "restore",
    "verify",
    "backup",
    "schedule",
    "list",
    "check",
    "status",
    "prune",
    "lifecycle",
    "config",
    "completions",
    "man",
    "help",
];

fn pgsiphon(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgsiphon"));
    String::from_utf8(command.args(arguments).assert().success().get_output().stdout.clone()).unwrap()
}

/// The commands listed by `pgsiphon --help`, so that no new command is missed.
fn listed() -> Vec<String> {
    let help = pgsiphon(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_shell_completes_every_command() {
    let listed = listed();
    for command in COMMANDS {
        assert!(listed.iter().any(|name| name == command), "{command}: {listed:?}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = pgsiphon(&["completions", shell]);
        for command in &listed {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(script.contains("exclude-table-data"), "{shell}");
    }
}

#[test]
fn every_command_has_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    pgsiphon(&["man", "--dir", pages.to_str().unwrap()]);
    for command in listed().iter().filter(|command| *command != "help") {
        let page = std::fs::read_to_string(pages.join(format!("pgsiphon-{command}.1"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH OPTIONS"), "{command}");
    }
    let main = pgsiphon(&["man"]);
    assert_eq!(main, std::fs::read_to_string(pages.join("pgsiphon.1")).unwrap());
    assert!(main.contains("pgsiphon\\-check"), "{main}");
}
