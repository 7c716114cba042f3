//! Version 2 on fabricated texts; the suite in a virtual machine meets the real files.

use std::path::{Path, PathBuf};

use super::*;
use crate::hierarchy::Hierarchy;

#[test]
fn version_1_block_lines() {
    let text = b"254:1 Read 4096\n254:1 Write 8192\n254:1 Sync 12288\n254:1 Async 0\n\
                 254:1 Discard 7\n254:1 Total 12288\n254:x Read 1\n8:0 Read x\nTotal 12288\n";
    let mut block = Vec::new();
    assert!(block::take_v1(&mut block, text, |one| &mut one.bytes));
    assert!(!block::take_v1(&mut block, text, |one| &mut one.bytes));
    block::take_v1(&mut block, b"254:1 Read 1\n254:1 Write 2\nTotal 3\n", |one| {
        &mut one.operations
    });
    let device = DeviceNumber { major: 254, minor: 1 };
    let bytes = Transfers { read: 4096, write: 8192, sync: 12288, background: 0, discard: 7 };
    let operations = Transfers { read: 1, write: 2, ..Transfers::default() };
    assert_eq!(block, [BlockCounters { device, bytes, operations }]);
}

#[test]
fn version_2_block_lines() {
    let device = DeviceNumber { major: 254, minor: 1 };
    let bytes = Transfers { read: 1, write: 2, discard: 5, ..Transfers::default() };
    let operations = Transfers { read: 3, write: 4, discard: 6, ..Transfers::default() };
    let line = b"254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6";
    let mut block = Vec::new();
    for nothing in [&b"254:1 "[..], b"254:x rbytes=1", b"254:1", b"", b"254:1 rbytes=-1 x"] {
        block::take_v2(&mut block, nothing);
        assert_eq!(block, []);
    }
    block::take_v2(&mut block, b"254:1 rbytes=0 dios=6");
    block::take_v2(&mut block, line);
    assert_eq!(block, [BlockCounters { device, bytes, operations }]);
}

#[test]
fn numbers() {
    for (text, expect) in [
        ("0", Some(0)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("", None),
        ("-1", None),
        ("1 ", None),
        ("max", None),
    ] {
        assert_eq!(parse::number(text.as_bytes()), expect, "{text}");
    }
}

/// A directory that looks like a version 2 mount with the cgroup `/box`.
struct Fabricated {
    _dir: tempfile::TempDir,
    group: PathBuf,
    cgroup: Cgroup,
}

impl Fabricated {
    fn new() -> Fabricated {
        let dir = tempfile::tempdir().unwrap();
        let mount = dir.path().join("cg");
        let group = mount.join("box");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(mount.join("cgroup.controllers"), "cpu memory io pids\n").unwrap();
        for (file, text) in FILES {
            std::fs::write(group.join(file), text).unwrap();
        }
        let table = "30 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n";
        let hierarchy = Hierarchy::from_mountinfo(table, dir.path()).unwrap();
        let cgroup = Cgroup::open(&hierarchy, "/box").unwrap();
        Fabricated { _dir: dir, group, cgroup }
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(Path::new(&self.group).join(file), text).unwrap();
    }
}

const FILES: [(&str, &str); 11] = [
    ("cgroup.procs", ""),
    (
        "cpu.stat",
        "usage_usec 29873135\nuser_usec 29823135\nsystem_usec 50000\nnice_usec 0\n\
         core_sched.force_idle_usec 0\nnr_periods 12\nnr_throttled 3\nthrottled_usec 4500\n\
         nr_bursts 0\nburst_usec 0\n",
    ),
    ("memory.current", "655360\n"),
    ("memory.peak", "4870144\n"),
    ("memory.max", "67108864\n"),
    ("memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"),
    (
        "memory.stat",
        "anon 57344\nfile 319488\nkernel 200000\nkernel_stack 16384\npagetables 8192\n\
         sock 0\nshmem 0\nfile_mapped 286720\nfile_dirty 0\nfile_writeback 0\nanon_thp 0\n\
         inactive_anon 53248\nactive_anon 4096\ninactive_file 12288\nactive_file 307200\n\
         unevictable 0\nslab_reclaimable 100\nslab_unreclaimable 200\nslab 300\n\
         workingset_refault_anon 0\nworkingset_refault_file 5\npgscan 1\npgsteal 2\n\
         pgfault 1296\npgmajfault 4\npgrefill 0\nzswpin 0\nthp_fault_alloc 0\n",
    ),
    ("pids.current", "3\n"),
    ("pids.peak", "8\n"),
    ("pids.max", "max\n"),
    ("io.stat", "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n8:16 \n"),
];

#[test]
fn version_2_files() {
    let fabricated = Fabricated::new();
    let counters = fabricated.cgroup.counters().unwrap();
    let cpu = counters.cpu.unwrap();
    assert_eq!(
        (cpu.total_ns, cpu.user_ns, cpu.system_ns),
        (29_873_135_000, 29_823_135_000, 50_000_000)
    );
    assert_eq!((cpu.periods, cpu.throttled_periods, cpu.throttled_ns), (12, 3, 4_500_000));
    assert!(cpu.per_cpu_ns.is_empty());
    let memory = counters.memory.unwrap();
    assert_eq!(memory.usage_bytes, 655_360);
    assert_eq!(memory.usage_bytes_max, Some(4_870_144));
    assert_eq!(memory.limit, Limit::At(64 << 20));
    assert_eq!(memory.failures, 2);
    for (key, value) in
        [("anon", 57_344), ("inactive_file", 12_288), ("slab", 300), ("pgmajfault", 4)]
    {
        assert_eq!(memory.stat.value(key), Some(value), "{key}");
    }
    // Kernels since 5.9 count it by kind; Docker shows 0.
    assert_eq!(memory.stat.value("workingset_refault"), Some(0));
    assert_eq!(memory.stat.value("total_rss"), None);
    assert_eq!(memory.stat.iter().count(), 31);
    assert_eq!(
        counters.pids,
        Some(PidCounters { current: 3, peak: Some(8), limit: Limit::Unlimited })
    );
    assert_eq!(counters.block.len(), 1);
    assert_eq!(counters.block[0].bytes.write, 8192);
}

#[test]
fn what_hardly_changes_is_not_read_each_time() {
    let fabricated = Fabricated::new();
    let mut meter = Meter::open(&fabricated.cgroup).unwrap();
    let mut buffer = Vec::new();
    let mut read = |meter: &mut Meter| {
        let counters = meter.read(&mut buffer).unwrap();
        let (memory, pids) = (counters.memory.as_ref().unwrap(), counters.pids.unwrap());
        (memory.limit, memory.stat.value("anon").unwrap(), pids.current, pids.limit)
    };
    let limit = Limit::At(64 << 20);
    assert_eq!(read(&mut meter), (limit, 57_344, 3, Limit::Unlimited));
    for (file, text) in [("memory.max", "max\n"), ("memory.stat", "anon 1\n"), ("pids.max", "7\n")]
    {
        fabricated.write(file, text);
    }
    assert_eq!(read(&mut meter), (limit, 57_344, 3, Limit::Unlimited));
    fabricated.write("memory.current", "655361\n");
    fabricated.write("pids.current", "4\n");
    // Nobody can have forked while nothing ran.
    assert_eq!(read(&mut meter), (limit, 1, 3, Limit::Unlimited));
    assert!(meter.is_still());
    fabricated.write("cpu.stat", "usage_usec 29873136\n");
    assert_eq!(read(&mut meter), (limit, 1, 4, Limit::Unlimited));
    assert!(!meter.is_still());
    meter.distrust();
    assert_eq!(read(&mut meter), (Limit::Unlimited, 1, 4, Limit::At(7)));
    assert!(!meter.is_still());
    assert_eq!(meter.descriptors(), 10);
}

#[test]
fn texts_that_are_none() {
    let fabricated = Fabricated::new();
    fabricated.write("memory.current", "many\n");
    let error = fabricated.cgroup.counters().unwrap_err();
    let expect = "failed to read `memory.current` of cgroup `/box`: unexpected text `many\n`";
    assert_eq!(error.to_string(), expect);
    std::fs::remove_file(fabricated.group.join("pids.max")).unwrap();
    let error = fabricated.cgroup.counters().unwrap_err();
    assert_eq!(error.to_string(), "failed to open the counters of cgroup `/box`");
}
