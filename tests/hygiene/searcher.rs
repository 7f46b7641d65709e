//! The searcher finds what is there: else the other tests would prove nothing.

use crate::image::{Image, counts};
use crate::needles::{self, Form};
use crate::support::key_of;

fn haystack(part: &[u8]) -> Image {
    let mut bytes = vec![0x5a; 1000];
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(&[0xa5; 1000]);
    Image::of_bytes("haystack", bytes)
}

#[test]
fn every_needle_is_found_whole_where_it_lies() {
    let needles = needles::of("key", &key_of(2025));
    for needle in &needles {
        let hits = haystack(&needle.bytes).search(&needles);
        let whole = |hit: &&crate::image::Hit| hit.part == needle.part && hit.offset == 1000;
        let hit = hits
            .iter()
            .filter(|hit| hit.form == needle.form)
            .find(whole);
        let hit = hit.unwrap_or_else(|| panic!("{needle:?} is not among {hits:?}"));
        assert_eq!(hit.blocks.0, hit.blocks.1, "{hit:?}");
    }
}

#[test]
fn any_run_of_32_bytes_is_found() {
    let needles = needles::of("key", &key_of(2025));
    for needle in &needles {
        for run in needle.bytes.windows(32) {
            let hits = haystack(run).search(&needles);
            assert!(!hits.is_empty(), "{needle:?}: {run:?}");
        }
    }
}

#[test]
fn a_secret_is_found_by_its_pem_also_where_its_line_ends_are_escaped() {
    let document = key_of(2025);
    let needles = needles::of("key", &document);
    for text in [document.clone(), needles::pem(&document)] {
        let found = counts(&haystack(text.as_bytes()).search(&needles), "key");
        let lines = needles.iter().filter(|needle| needle.form == Form::Pem);
        // The last line may be shorter than a block.
        let lines = lines.filter(|needle| needle.bytes.len() >= needles::BLOCK);
        assert_eq!(found[&("PEM", Form::Pem)], lines.count());
    }
}

#[test]
fn what_this_process_holds_on_purpose_is_found_in_its_memory() {
    let document = key_of(2025);
    let needles = needles::of("key", &document);
    // A process cannot stop itself and go on: another one holds the document.
    let mut holder = std::process::Command::new("sh");
    holder.args(["-c", "read end", "sh", &document]);
    holder.stdin(std::process::Stdio::piped());
    let mut holder = holder.spawn().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let memory = Image::of_memory(holder.id()).search(&needles);
    let core = Image::of_core(holder.id(), folder.path()).search(&needles);
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(counts(&memory, "key").contains_key(&("PEM", Form::Pem)));
    assert!(counts(&core, "key").contains_key(&("PEM", Form::Pem)));
}
