//! Loading the two kinds of eBPF program that we use, and the map of one of them.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::check;

/// `BPF_MAP_CREATE`.
const MAP_CREATE: libc::c_int = 0;
/// `BPF_MAP_LOOKUP_ELEM`.
const MAP_LOOKUP_ELEM: libc::c_int = 1;
/// `BPF_PROG_LOAD`.
const PROG_LOAD: libc::c_int = 5;
/// `BPF_PROG_ATTACH`.
const PROG_ATTACH: libc::c_int = 8;
/// `BPF_RAW_TRACEPOINT_OPEN`.
const RAW_TRACEPOINT_OPEN: libc::c_int = 17;
/// `BPF_MAP_TYPE_ARRAY`.
const MAP_TYPE_ARRAY: u32 = 2;
/// `BPF_PROG_TYPE_CGROUP_DEVICE`.
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
const PROG_TYPE_RAW_TRACEPOINT: u32 = 17;
/// `BPF_CGROUP_DEVICE`.
const ATTACH_CGROUP_DEVICE: u32 = 6;
/// `BPF_F_ALLOW_MULTI`.
const ALLOW_MULTI: u32 = 2;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`.
#[repr(C)]
#[derive(Default)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// The head of `union bpf_attr` for `BPF_MAP_CREATE`.
#[repr(C)]
struct MapAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The head of `union bpf_attr` for `BPF_MAP_LOOKUP_ELEM`.
#[repr(C)]
struct LookUpAttr {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The head of `union bpf_attr` for `BPF_RAW_TRACEPOINT_OPEN`.
#[repr(C)]
struct TracepointAttr {
    name: u64,
    prog_fd: u32,
    padding: u32,
}

/// A `BPF_MAP_TYPE_ARRAY` of one value, which programs write and we read.
#[derive(Debug)]
pub struct SharedValue {
    map: OwnedFd,
    value_bytes: usize,
}

impl SharedValue {
    /// `bpf(2)` with `BPF_MAP_CREATE`, Linux 3.19: all zero at first. Needs `CAP_BPF`.
    pub fn new(value_bytes: u32) -> io::Result<SharedValue> {
        let attr = MapAttr {
            map_type: MAP_TYPE_ARRAY,
            key_size: 4,
            value_size: value_bytes,
            max_entries: 1,
        };
        // SAFETY: `attr` has the kernel's layout and lives over the call; the result is a new
        // descriptor that nobody else owns.
        let map = unsafe {
            let size = size_of::<MapAttr>();
            let fd = check(libc::syscall(libc::SYS_bpf, MAP_CREATE, &raw const attr, size))?;
            OwnedFd::from_raw_fd(fd as i32)
        };
        Ok(SharedValue { map, value_bytes: value_bytes as usize })
    }

    /// `bpf(2)` with `BPF_MAP_LOOKUP_ELEM`, Linux 3.19: the value as it is now.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let key = 0u32;
        // The kernel copies whole words of 8 bytes.
        let mut value = vec![0u8; self.value_bytes.next_multiple_of(8)];
        let attr = LookUpAttr {
            map_fd: self.map.as_raw_fd() as u32,
            padding: 0,
            key: &raw const key as u64,
            value: value.as_mut_ptr() as u64,
            flags: 0,
        };
        // SAFETY: key and value live over the call and have the sizes that the map was made with.
        let result = unsafe {
            let size = size_of::<LookUpAttr>();
            libc::syscall(libc::SYS_bpf, MAP_LOOKUP_ELEM, &raw const attr, size)
        };
        check(result)?;
        value.truncate(self.value_bytes);
        Ok(value)
    }
}

impl AsRawFd for SharedValue {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.map.as_raw_fd()
    }
}

/// `bpf(2)`, Linux 4.17: loads a `BPF_PROG_TYPE_RAW_TRACEPOINT` program (8 bytes an instruction,
/// in native byte order) and has it called at the kernel's tracepoint `name` until the descriptor
/// is closed. Needs `CAP_BPF` and `CAP_PERFMON`. `ENOENT`: this kernel has no such tracepoint.
pub fn attach_raw_tracepoint(name: &CStr, instructions: &[u8]) -> io::Result<OwnedFd> {
    // The kernel reads foreign memory only for programs that call themselves compatible with it.
    let program = load(PROG_TYPE_RAW_TRACEPOINT, instructions, c"Dual MIT/GPL")?;
    let attr = TracepointAttr {
        name: name.as_ptr() as u64,
        prog_fd: program.as_raw_fd() as u32,
        padding: 0,
    };
    // SAFETY: `name` ends with a zero byte and lives over the call; the result is a new descriptor
    // that nobody else owns.
    unsafe {
        let size = size_of::<TracepointAttr>();
        let fd = check(libc::syscall(libc::SYS_bpf, RAW_TRACEPOINT_OPEN, &raw const attr, size))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// `bpf(2)` with `BPF_PROG_LOAD`.
fn load(prog_type: u32, instructions: &[u8], license: &CStr) -> io::Result<OwnedFd> {
    let load = LoadAttr {
        prog_type,
        insn_cnt: (instructions.len() / 8) as u32,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        ..LoadAttr::default()
    };
    // SAFETY: program and licence live over the call; lengths are true; the result is a new
    // descriptor that nobody else owns.
    unsafe {
        let size = size_of::<LoadAttr>();
        let fd = check(libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const load, size))?;
        Ok(OwnedFd::from_raw_fd(fd as i32))
    }
}

/// `bpf(2)`, Linux 4.15: loads a `BPF_PROG_TYPE_CGROUP_DEVICE` program (8 bytes an instruction, in
/// native byte order) and attaches it to the v2 cgroup directory `cgroup`.
pub fn attach_cgroup_device(cgroup: BorrowedFd<'_>, instructions: &[u8]) -> io::Result<()> {
    let program = load(PROG_TYPE_CGROUP_DEVICE, instructions, c"Apache-2.0")?;
    let attach = AttachAttr {
        target_fd: cgroup.as_raw_fd() as u32,
        attach_bpf_fd: program.as_raw_fd() as u32,
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: ALLOW_MULTI,
    };
    // SAFETY: `attach` has the kernel's layout and lives over the call.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attach, size_of::<AttachAttr>())
    };
    check(result).map(drop)
}
