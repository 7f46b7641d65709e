//! The memory of a process, and what is found in it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::needles::{BLOCK, Form, Needle};

/// Bytes, with where they stood.
pub struct Image(Vec<(String, Vec<u8>)>);

/// How often each part of a key was found, in each form.
pub type Counts = BTreeMap<(&'static str, Form), usize>;

/// A needle, or a good part of one, at one place.
#[derive(Debug)]
pub struct Hit {
    pub key: String,
    pub part: &'static str,
    pub form: Form,
    /// How many blocks of the needle are there, and how many it has.
    pub blocks: (usize, usize),
    pub region: String,
    pub offset: usize,
}

impl Image {
    /// All that is mapped and readable, while the process stands still; but not files as they are on disk.
    pub fn of_memory(pid: u32) -> Self {
        let maps = format!("/proc/{pid}/maps");
        let process = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(process, Signal::STOP).unwrap();
        let memory = File::open(format!("/proc/{pid}/mem"))
            .expect("the memory of a process that is not dumpable: run the tests as root with CAP_SYS_PTRACE");
        let mut regions = Vec::new();
        for line in std::fs::read_to_string(maps).unwrap().lines() {
            let mut fields = line.split_whitespace();
            let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
            let name = fields.nth(3).unwrap_or("anonymous");
            let is_file_itself = name.starts_with('/') && !access.contains('w');
            if !access.starts_with('r') || is_file_itself {
                continue;
            }
            let (from, to) = range.split_once('-').unwrap();
            let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            // What the kernel keeps for itself ([vvar]) is readable in name only.
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                regions.push((format!("{range} {access} {name}"), bytes));
            } else {
                assert!(line.contains("[v"), "not readable: {line}");
            }
        }
        kill_process(process, Signal::CONT).unwrap();
        assert!(regions.iter().any(|(name, _)| name.ends_with("[stack]")));
        Self(regions)
    }

    /// A core dump by gcore, or, on a machine that has no gdb, all that is mapped.
    pub fn of_core(pid: u32, folder: &Path) -> Self {
        let prefix = folder.join("core");
        let dumped = crate::starter::program("gcore")
            .args(["-a", "-o"])
            .arg(&prefix)
            .arg(pid.to_string())
            .stdin(Stdio::null())
            .output();
        let Ok(dumped) = dumped else {
            return Self::of_memory(pid);
        };
        let path = prefix.with_extension(pid.to_string());
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{error}: {dumped:?}"));
        std::fs::remove_file(path).unwrap();
        Self(vec![("core".into(), bytes)])
    }

    /// Any bytes.
    pub fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self(vec![(name.into(), bytes)])
    }

    /// Every place where a block of a needle is; blocks that lie as in the needle are one hit.
    pub fn search(&self, needles: &[Needle]) -> Vec<Hit> {
        let mut blocks: HashMap<&[u8], Vec<(usize, usize)>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (index, needle) in needles.iter().enumerate() {
            for (place, block) in needle.bytes.chunks_exact(BLOCK).enumerate() {
                blocks
                    .entry(block)
                    .or_default()
                    .push((index, place * BLOCK));
                begins[usize::from(u16::from_le_bytes([block[0], block[1]]))] = true;
            }
        }
        let mut found: BTreeMap<(usize, usize, isize), usize> = BTreeMap::new();
        for (number, (_, bytes)) in self.0.iter().enumerate() {
            for (offset, window) in bytes.windows(BLOCK).enumerate() {
                if !begins[usize::from(u16::from_le_bytes([window[0], window[1]]))] {
                    continue;
                }
                for &(index, place) in blocks.get(window).into_iter().flatten() {
                    let start = offset.cast_signed() - place.cast_signed();
                    *found.entry((number, index, start)).or_default() += 1;
                }
            }
        }
        let hits = found.into_iter().map(|((region, index, start), blocks)| {
            let needle = &needles[index];
            Hit {
                key: needle.key.clone(),
                part: needle.part,
                form: needle.form,
                blocks: (blocks, needle.bytes.len() / BLOCK),
                region: self.0[region].0.clone(),
                offset: usize::try_from(start).unwrap_or_default(),
            }
        });
        hits.collect()
    }
}

/// The hits of one key, counted.
pub fn counts(hits: &[Hit], key: &str) -> Counts {
    let mut counts = Counts::new();
    for hit in hits.iter().filter(|hit| hit.key == key) {
        *counts.entry((hit.part, hit.form)).or_default() += 1;
    }
    counts
}

/// A line for each hit.
pub fn list(hits: &[&Hit]) -> String {
    let line = |hit: &&Hit| {
        let Hit {
            key,
            part,
            form,
            blocks: (found, all),
            region,
            offset,
        } = hit;
        format!("{key} {part} {form:?} {found}/{all} in {region} +{offset:#x}")
    };
    let lines: Vec<String> = hits.iter().map(line).collect();
    lines.join("\n")
}
