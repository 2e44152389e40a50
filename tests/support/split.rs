//! Dumps with every table divided into ranges of one block: the file must be the same for any number of sessions, and
//! its text that of a dump that divides nothing.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::Outcome;
use super::difference;
use super::oracle::{Source, Subject};
use super::servers::clean_command;

/// In a build with debug assertions: how many blocks each range has.
const BLOCKS_VARIABLE: &str = "PGSIPHON_TEST_BLOCKS_PER_RANGE";

const JOBS: [&str; 3] = ["1", "2", "7"];

/// How the dumps differ from each other, or from `whole`, a dump of the same database without flags.
pub(crate) fn difference(
    subject: &Subject,
    source: &Source,
    whole: &Path,
    folder: &Path,
) -> Outcome<Option<String>> {
    let Subject::Pgsiphon(program) = subject else { return Ok(None) };
    // Without rows there is nothing to divide.
    let text = fs::read(whole).map_err(|e| format!("read {}: {e}", whole.display()))?;
    if !has_rows(&text) {
        return Ok(None);
    }
    let mut source = source.clone();
    source.environment.insert(BLOCKS_VARIABLE.to_owned(), "1".to_owned());
    let mut first: Option<PathBuf> = None;
    for jobs in JOBS {
        let flags = ["--restrict-key=k", "-Z", "gzip:1", "-j", jobs].map(str::to_owned);
        let ours = subject.dump(&source, &flags, folder, &format!("split-{jobs}"))?;
        if !ours.status.success() {
            return Ok(Some(format!("divided, with -j {jobs}: failed ({}): {}", ours.status, ours.stderr)));
        }
        let Some(first) = &first else {
            let text = folder.join("split.sql");
            gunzip(&ours.text, &text).map_err(|e| format!("decompress {}: {e}", ours.text.display()))?;
            if let Some(difference) = difference::of_dumps(whole, &text)? {
                return Ok(Some(format!("divided, with -j {jobs}:\n{difference}")));
            }
            if let Some(difference) = of_its_index(program, &ours.text, whole, folder)? {
                return Ok(Some(difference));
            }
            first = Some(ours.text);
            continue;
        };
        let read = |path: &Path| fs::read(path).map_err(|e| format!("read {}: {e}", path.display()));
        if read(first)? != read(&ours.text)? {
            return Ok(Some(format!("divided: the file with -j {jobs} is not that with -j {}", JOBS[0])));
        }
    }
    Ok(None)
}

/// How the excerpt of all entries differs from the text that they are from, or what `verify` finds wrong.
fn of_its_index(program: &Path, dump: &Path, whole: &Path, folder: &Path) -> Outcome<Option<String>> {
    let run = |command: &str| {
        let output = clean_command(program).arg(command).arg(dump).output();
        output.map_err(|e| format!("run {command}: {e}"))
    };
    let (extracted, verified) = (run("extract")?, run("verify")?);
    for (command, output) in [("extract", &extracted), ("verify", &verified)] {
        if !output.status.success() {
            return Ok(Some(format!("{command}: {}", String::from_utf8_lossy(&output.stderr))));
        }
    }
    let text = folder.join("extracted.sql");
    fs::write(&text, &extracted.stdout).map_err(|e| format!("write {}: {e}", text.display()))?;
    Ok(difference::of_dumps(whole, &text)?.map(|difference| format!("extracted:\n{difference}")))
}

fn has_rows(text: &[u8]) -> bool {
    [&b"\nCOPY "[..], b".lo_open("].iter().any(|mark| text.windows(mark.len()).any(|window| window == *mark))
}

fn gunzip(from: &Path, to: &Path) -> io::Result<()> {
    io::copy(&mut MultiGzDecoder::new(File::open(from)?), &mut File::create(to)?)?;
    Ok(())
}
