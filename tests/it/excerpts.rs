//! Excerpts of dumps: the right text, few bytes, and never another text than the whole dump has.

use std::fs;

use crate::support::indexed_dump::{IndexedDump, METHODS, TABLESPACE};
use crate::support::scripted_s3::{self, Fault, Op, Rule, ScriptedS3};
use futures::TryStreamExt;
use pgsiphon::extract::Excerpt;
use pgsiphon::index::Index;
use pgsiphon::storage::input::Input;
use pgsiphon::storage::input::file::FileInput;
use pgsiphon::storage::input::index::{Finding, FoundIndex, find};
use pgsiphon::storage::input::s3::S3Input;
use pgsiphon::{Error, ErrorKind};

async fn found(input: &dyn Input) -> FoundIndex {
    match find(input).await.unwrap() {
        Finding::Index(found) => *found,
        Finding::None | Finding::Unknown => panic!("there is an index"),
    }
}

async fn excerpt(found: &FoundIndex, chosen: &[usize]) -> Result<(Vec<u8>, u64), Error> {
    let excerpt = Excerpt::new("b", found, chosen).await?;
    let chunks: Vec<_> = excerpt.open().bytes.try_collect().await?;
    let text = chunks.concat();
    assert_eq!(text.len() as u64, excerpt.text_bytes);
    Ok((text, excerpt.fetched_bytes()))
}

/// What the excerpt of some entries has to be.
fn expected(dump: &IndexedDump, chosen: &[usize]) -> Vec<u8> {
    let part = |offset: u64, length: u64| &dump.text[offset as usize..(offset + length) as usize];
    let mut text = part(0, dump.index.opening_bytes).to_vec();
    let mut is_set = false;
    for number in chosen {
        if *number == 0 && !std::mem::replace(&mut is_set, true) {
            text.extend_from_slice(format!("{TABLESPACE}\n\n").as_bytes());
        }
        for range in &dump.index.entries[*number].ranges {
            text.extend_from_slice(part(range.offset, range.length));
        }
    }
    text.extend_from_slice(b"--\n-- PostgreSQL database dump complete\n--\n\n");
    text
}

#[tokio::test]
async fn any_entries_in_any_order_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let dump = IndexedDump::of_shop(20_000);
    for compression in METHODS {
        for block_bytes in [1000, 70_000] {
            let path = folder.path().join("shop");
            fs::write(&path, dump.file(compression, block_bytes, |_| {}).bytes).unwrap();
            let found = found(&FileInput { path }).await;
            for chosen in [&[0][..], &[1], &[5], &[0, 1, 2, 3, 4, 5], &[4, 1, 0, 1], &[2, 4]] {
                let (text, _) = excerpt(&found, chosen).await.unwrap();
                assert!(text == expected(&dump, chosen), "{compression} {block_bytes} {chosen:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_what_is_needed_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let dump = IndexedDump::of_shop(400_000);
    for compression in METHODS {
        let path = folder.path().join("shop");
        let file = dump.file(compression, 20_000, |_| {});
        fs::write(&path, &file.bytes).unwrap();
        let found = found(&FileInput { path }).await;
        let (_, fetched) = excerpt(&found, &[4]).await.unwrap();
        let index = (file.bytes.len() - file.compressed) as u64;
        let percent = (fetched - index.max(1 << 16)) * 100 / file.bytes.len() as u64;
        assert!(
            percent <= 2,
            "{compression}: {fetched} of {} bytes, {index} of them for the index",
            file.bytes.len()
        );
    }
}

/// What may be wrong with an index whose checksums are right.
type Lie = fn(&mut Index);

#[tokio::test]
async fn an_index_that_lies_gives_no_other_text() {
    let folder = tempfile::tempdir().unwrap();
    let dump = IndexedDump::of_shop(20_000);
    let lies: [Lie; 8] = [
        |i| i.restart_points.iter_mut().skip(4).for_each(|point| point.stored_offset += 1 << 60),
        |i| i.restart_points[3].crc32 ^= 1,
        |i| i.restart_points[3].stored_offset += 1,
        |i| i.restart_points[3].stored_offset -= 1,
        |i| i.restart_points[3].text_offset += 1,
        |i| i.restart_points[3].text_offset -= 1,
        |i| i.restart_points.truncate(3),
        |i| i.text_bytes = 1 << 40,
    ];
    for compression in METHODS {
        for (number, lie) in lies.iter().enumerate() {
            let path = folder.path().join("shop");
            fs::write(&path, dump.file(compression, 10_000, lie).bytes).unwrap();
            let error = excerpt(&found(&FileInput { path }).await, &[1, 4]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{compression} {number}: {error:?}");
        }
    }
}

const KEY: &str = "k";

async fn in_s3(server: &ScriptedS3) -> S3Input {
    let location = format!("s3://{}/{KEY}", scripted_s3::BUCKET).parse().unwrap();
    S3Input::new(location, &server.connection()).await.unwrap()
}

#[tokio::test]
async fn lost_connections_change_nothing() {
    let dump = IndexedDump::of_shop(20_000);
    for compression in METHODS {
        for fault in [Fault::TruncatedAnswer, Fault::ResetBefore, Fault::Reject(503, "SlowDown")] {
            for nth in 1..4 {
                let server = ScriptedS3::start(&[Rule { op: Op::GetObject, nth, times: 2, fault }]).await;
                server.put(KEY, &dump.file(compression, 10_000, |_| {}).bytes);
                let (text, _) = excerpt(&found(&in_s3(&server).await).await, &[0, 1]).await.unwrap();
                assert!(text == expected(&dump, &[0, 1]), "{compression} {fault:?} {nth}");
            }
        }
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_is_not_read_on() {
    let dump = IndexedDump::of_shop(20_000);
    for compression in METHODS {
        let server = ScriptedS3::start(&[]).await;
        server.put(KEY, &dump.file(compression, 10_000, |_| {}).bytes);
        let found = found(&in_s3(&server).await).await;
        server.put(KEY, &IndexedDump::of_shop(20_001).file(compression, 10_000, |_| {}).bytes);
        let error = excerpt(&found, &[1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFailed);
        assert!(error.report().contains("replaced"), "{error:?}");
    }
}

#[tokio::test]
async fn other_bytes_than_those_asked_for_are_refused() {
    let dump = IndexedDump::of_shop(20_000);
    for nth in 1..3 {
        let rule = Rule { op: Op::GetObject, nth, times: 9, fault: Fault::EmptySuccess };
        let server = ScriptedS3::start(&[rule]).await;
        server.put(KEY, &dump.file(METHODS[0], 10_000, |_| {}).bytes);
        let error = excerpt(&found(&in_s3(&server).await).await, &[1]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFailed, "{error:?}");
    }
}

#[tokio::test]
async fn a_dump_without_a_known_opening_has_no_parts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop");
    let file = IndexedDump::of_shop(10).file(METHODS[0], 1000, |index| index.opening_bytes = 0);
    fs::write(&path, file.bytes).unwrap();
    let error = excerpt(&found(&FileInput { path }).await, &[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}
