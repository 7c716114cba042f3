//! Our default profile against Docker's.

use seccomp::{
    Arch, ArchScope, CapSet, Host, KernelVersion, Options, Verdict, compile, compile_default,
    default_profile,
};

use crate::docker;
use crate::machine::{self, Call};
use crate::random::{self, Edges, Random};

const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const ALLOW: u32 = 0x7fff_0000;

fn kernel(major: u32, minor: u32) -> KernelVersion {
    KernelVersion { major, minor }
}

#[test]
fn on_all_architectures_it_is_dockers() {
    let theirs = docker::profile();
    let mut tried = 0;
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        for caps in docker::interesting_caps() {
            for kernel in [kernel(4, 7), kernel(4, 8), kernel(6, 18)] {
                let host = Host { arch, caps, kernel };
                let resolved = theirs.resolve(&host).unwrap();
                let edges = Edges::new(&resolved);
                let expect = compile(&resolved, &Options::new(arch)).unwrap().program;
                let ours = compile_default(&host, ArchScope::AllArches).program;
                for arch in [Arch::Arm].iter().chain(arch.siblings()).chain([&arch]) {
                    for nr in random::all_numbers(*arch) {
                        let mut call = Call::new(*arch, nr, [0; 6]);
                        let mut random = Random::new(nr.into());
                        for args in edges.argument_lists(&mut random, &call) {
                            call.args = args;
                            let expect = machine::run(&expect, &call);
                            assert_eq!(machine::run(&ours, &call), expect, "{host:?} {call:x?}");
                            tried += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(tried > 100_000);
}

#[test]
fn natively_only_the_foreign_tables_differ() {
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        let host = docker::host(arch, CapSet::EMPTY);
        let native = compile_default(&host, ArchScope::NativeOnly);
        let all = compile_default(&host, ArchScope::AllArches);
        machine::verify(&native.program);
        machine::verify(&all.program);
        for nr in 0..1024 {
            let call = Call::new(arch, nr, [0; 6]);
            assert_eq!(machine::run(&native.program, &call), machine::run(&all.program, &call));
            for &sibling in arch.siblings() {
                let bit = if sibling == Arch::X32 { 0x4000_0000 } else { 0 };
                let call = Call::new(sibling, nr | bit, [0; 6]);
                assert_eq!(machine::run(&native.program, &call), EPERM, "{call:x?}");
            }
        }
        assert!(native.unknown_names.is_empty(), "{:?}", native.unknown_names);
    }
}

fn check(caps: &[&str], name: &str, args: &[u64], expect: u32) {
    let caps = caps.iter().fold(CapSet::EMPTY, |set, cap| set.with(cap).expect("a capability"));
    let host = docker::host(Arch::X86_64, caps);
    let filter = compile_default(&host, ArchScope::NativeOnly);
    let got = machine::run(&filter.program, &Call::named(Arch::X86_64, name, args));
    assert_eq!(got, expect, "{name}({args:x?}) with {caps:?}: {got:#x}");
}

#[test]
fn what_containers_may_do() {
    check(&[], "read", &[], ALLOW);
    check(&[], "io_uring_setup", &[], EPERM);
    check(&[], "userfaultfd", &[], EPERM);
    check(&[], "keyctl", &[], EPERM);
    check(&[], "mount", &[], EPERM);
    check(&["CAP_SYS_ADMIN"], "mount", &[], ALLOW);
    check(&[], "unshare", &[0x1000_0000], EPERM);
    check(&[], "ptrace", &[], ALLOW);
    check(&[], "bpf", &[], EPERM);
    check(&["CAP_BPF"], "bpf", &[], ALLOW);
    check(&[], "chroot", &[], EPERM);
    check(&["SYS_CHROOT"], "chroot", &[], ALLOW);
}

#[test]
fn clone_makes_no_namespaces() {
    const THREAD: u64 = 0x003d_0f00;
    check(&[], "clone", &[THREAD], ALLOW);
    check(&[], "clone", &[17], ALLOW);
    for bit in [17, 25, 26, 27, 28, 29, 30] {
        check(&[], "clone", &[17 | 1 << bit], EPERM);
        check(&[], "clone", &[THREAD | 1 << bit], EPERM);
        check(&["SYS_ADMIN"], "clone", &[17 | 1 << bit], ALLOW);
    }
    check(&[], "clone3", &[], ENOSYS);
    check(&["SYS_ADMIN"], "clone3", &[], ALLOW);
}

#[test]
fn address_families_are_refused_whatever_the_upper_half_holds() {
    for upper in [0, 1 << 32, 1 << 63, u64::MAX << 32] {
        check(&[], "socket", &[upper | 38], EPERM);
        check(&[], "socket", &[upper | 40], EPERM);
        check(&[], "socket", &[upper | 2], ALLOW);
        check(&[], "socket", &[upper | 39], ALLOW);
        check(&[], "socket", &[upper | 41], ALLOW);
        check(&[], "personality", &[upper | 0x0040_0000], EPERM);
        check(&[], "personality", &[upper | 8], ALLOW);
    }
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    check(&[], "removexattrat", &[], ALLOW);
    check(&[], "open_tree_attr", &[], ENOSYS);
    check(&[], "rseq_slice_yield", &[], ENOSYS);
    check(&[], "lsm_list_modules", &[], EPERM);
}

#[test]
fn it_is_small_and_shallow() {
    let host = docker::host(Arch::X86_64, CapSet::EMPTY);
    let program = compile_default(&host, ArchScope::NativeOnly).program;
    let length = program.instructions().len();
    assert!(length < 250, "{length} instructions");
    let deepest = (0..512)
        .map(|nr| machine::execute(program.instructions(), &Call::new(Arch::X86_64, nr, [0; 6])).1)
        .max();
    assert!(deepest < Some(32), "{deepest:?} steps");
    assert_eq!(program.to_bytes().len(), 8 * length);
    let first = program.instructions()[0];
    assert_eq!(program.to_bytes()[..8], first.to_bytes());
}

#[test]
fn it_survives_being_written_as_json() {
    for scope in [ArchScope::NativeOnly, ArchScope::AllArches] {
        let profile = default_profile(scope);
        let text = serde_json::to_vec(&profile).unwrap();
        assert_eq!(seccomp::DockerProfile::from_json(&text).unwrap(), profile);
    }
}

#[test]
fn equal_inputs_give_equal_filters() {
    let host = docker::host(Arch::X86_64, CapSet::ALL);
    let one = compile_default(&host, ArchScope::AllArches);
    assert_eq!(one, compile_default(&host, ArchScope::AllArches));
    assert_eq!(one.flags, 4);
    assert!(!one.notifies);
    assert_eq!(Options::new(Arch::X86_64).foreign, Verdict::errno(1));
}
