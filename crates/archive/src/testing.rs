//! What the tests of this crate share: crafted archives, and a tree outside that must not change.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use archive::Unpacker;
use archive::tar::{Entry, EntryKind, Time, Writer};

/// A member of a crafted archive, whose header may say anything.
#[derive(Clone)]
pub(crate) struct Raw {
    pub name: Vec<u8>,
    pub typeflag: u8,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub device: (u32, u32),
    /// The size field; the content's length when `None`.
    pub size: Option<Vec<u8>>,
    pub magic: Vec<u8>,
    pub prefix: Vec<u8>,
    pub content: Vec<u8>,
}

pub(crate) fn raw(name: impl AsRef<[u8]>, typeflag: u8) -> Raw {
    Raw {
        name: name.as_ref().to_vec(),
        typeflag,
        link: Vec::new(),
        mode: 0o644,
        uid: 0,
        device: (0, 0),
        size: None,
        magic: b"ustar\x0000".to_vec(),
        prefix: Vec::new(),
        content: Vec::new(),
    }
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Raw {
    Raw { content: content.as_ref().to_vec(), ..raw(name, b'0') }
}

pub(crate) fn dir(name: impl AsRef<[u8]>) -> Raw {
    Raw { mode: 0o755, ..raw(name, b'5') }
}

pub(crate) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Raw {
    Raw { link: target.as_ref().to_vec(), mode: 0o777, ..raw(name, b'2') }
}

pub(crate) fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Raw {
    Raw { link: target.as_ref().to_vec(), ..raw(name, b'1') }
}

/// An extended header with these records.
pub(crate) fn pax(records: &[(&str, &[u8])]) -> Raw {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..).find(|n| rest + n.to_string().len() == *n).unwrap();
        content.extend_from_slice(format!("{length} {key}=").as_bytes());
        content.extend_from_slice(value);
        content.push(b'\n');
    }
    Raw { content, ..raw("PaxHeaders/x", b'x') }
}

/// The archive with its end mark.
pub(crate) fn archive(members: &[Raw]) -> Vec<u8> {
    let mut bytes: Vec<u8> = members.iter().flat_map(member).collect();
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

pub(crate) fn member(raw: &Raw) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &raw.name);
    put(100, format!("{:07o}", raw.mode).as_bytes());
    put(108, format!("{:07o}", raw.uid).as_bytes());
    put(116, b"0000000");
    match &raw.size {
        Some(size) => put(124, size),
        None => put(124, format!("{:011o}", raw.content.len()).as_bytes()),
    }
    put(136, b"14371573622");
    put(156, &[raw.typeflag]);
    put(157, &raw.link);
    put(257, &raw.magic);
    put(329, format!("{:07o}", raw.device.0).as_bytes());
    put(337, format!("{:07o}", raw.device.1).as_bytes());
    put(345, &raw.prefix);
    finish(block, &raw.content)
}

/// Sets the checksum of a header block and puts the content after it.
pub(crate) fn finish(mut block: Vec<u8>, content: &[u8]) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// A member for the writer.
pub(crate) fn entry(path: &str, kind: EntryKind) -> Entry {
    let mode = if kind == EntryKind::Directory { 0o755 } else { 0o644 };
    let mtime = Time { seconds: 1_600_000_000, nanoseconds: 0 };
    let path = path.as_bytes().to_vec();
    Entry { path, kind, mode, uid: 0, gid: 0, mtime, xattrs: Vec::new() }
}

/// A layer with these files.
pub(crate) fn layer(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        let kind = EntryKind::File { size: content.len() as u64, segments: None };
        writer.append(&entry(path, kind), content.as_bytes()).unwrap();
    }
    writer.finish().unwrap()
}

/// Everything under `path` that a change could change: kind, mode, owner, size, time, content.
pub(crate) fn snapshot(path: &Path) -> BTreeMap<Vec<u8>, String> {
    fn walk(path: &Path, map: &mut BTreeMap<Vec<u8>, String>) {
        let meta = std::fs::symlink_metadata(path).unwrap();
        let content = match meta.file_type() {
            kind if kind.is_file() => format!("{:?}", std::fs::read(path).unwrap()),
            kind if kind.is_symlink() => format!("{:?}", std::fs::read_link(path).unwrap()),
            _ => String::new(),
        };
        let (uid, gid, size) = (meta.uid(), meta.gid(), meta.size());
        let (mode, links) = (meta.mode(), meta.nlink());
        let time = (meta.mtime(), meta.mtime_nsec());
        let text = format!("{mode:o} {uid} {gid} {size} {links} {time:?} {content}");
        map.insert(path.as_os_str().as_bytes().to_vec(), text);
        if meta.is_dir() {
            for entry in std::fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), map);
            }
        }
    }
    let mut map = BTreeMap::new();
    walk(path, &mut map);
    map
}

/// Runs a program of the machine with `input` and gives what it prints.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8], directory: &Path) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input).ok());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
        output.stdout
    })
}

/// This test program as the worker, whose test `entry` is the worker's main function: what the
/// harness itself prints is cut away.
pub(crate) fn jailed_by(entry: &str) -> Unpacker {
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "STORE_TEST_WORKER=\"$1\" '{}' --exact {entry} --nocapture | grep -ao '{{.*'",
        program.display()
    );
    let arguments = ["-c", &script, "worker"].map(OsString::from).to_vec();
    Unpacker::new(PathBuf::from("/bin/sh"), arguments)
}
