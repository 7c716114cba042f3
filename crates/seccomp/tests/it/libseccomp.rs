//! Our filters against libseccomp's, call by call.

use std::collections::BTreeSet;

use seccomp::{
    Arch, DockerProfile, Host, Instruction, IntArguments, LinuxSeccomp, NewerSyscalls, Operator,
    Options, Program, compile,
};

use crate::machine::{self, Call};
use crate::oracle;
use crate::random::{self, Edges, Random, Shape};
use crate::{docker, naive};

/// Ours, set to do what libseccomp does.
fn options(native: Arch) -> Options {
    Options {
        newer: NewerSyscalls::DefaultAction,
        int_arguments: IntArguments::WholeRegister,
        ..Options::new(native)
    }
}

/// Names on whose numbers we agree with the libseccomp installed here, for it may be older.
fn common_names() -> BTreeSet<String> {
    let all = docker::all_names();
    let mut common: BTreeSet<String> = all.iter().cloned().collect();
    for arch in Arch::ALL {
        let theirs = oracle::numbers(arch, all.iter().map(String::as_str));
        for (name, theirs) in all.iter().zip(theirs) {
            let ours = seccomp::number(arch, name);
            let agree = match theirs {
                None => false,
                Some(number) if number < 0 && number > -300 && arch == Arch::X86 => {
                    naive::door(name).is_some()
                }
                Some(number) if number < 0 => ours.is_none(),
                Some(number) => ours == Some(number as u32),
            };
            if !agree {
                common.remove(name);
            }
        }
    }
    common
}

fn keep(profile: &mut LinuxSeccomp, names: &BTreeSet<String>) {
    for rule in &mut profile.syscalls {
        rule.names.retain(|name| names.contains(name.as_ref()));
    }
    profile.syscalls.retain(|rule| !rule.names.is_empty());
}

/// Runs both programs on everything worth trying; returns how many calls that were.
fn compare(
    label: &str,
    profile: &LinuxSeccomp,
    options: &Options,
    ours: &Program,
    theirs: &[Instruction],
) -> usize {
    let mut random = Random::new(7);
    let edges = Edges::new(profile);
    let mut tried = 0;
    let foreign = if options.native == Arch::Riscv64 { Arch::Arm } else { Arch::Riscv64 };
    let siblings = options.native.siblings().iter().copied();
    for arch in [options.native, foreign].into_iter().chain(siblings) {
        for nr in random::all_numbers(arch) {
            let mut call = Call::new(arch, nr, [0; 6]);
            for args in edges.argument_lists(&mut random, &call) {
                call.args = args;
                if is_deliberately_different(profile, arch, &call) || is_beyond_it(&edges, &call) {
                    continue;
                }
                let expect = machine::execute(theirs, &call).0;
                let got = machine::run(ours, &call);
                assert_eq!(got, expect, "{label}: {arch:?} {call:x?} {:#x?}", edges.rules(&call));
                tried += 1;
            }
        }
    }
    tried
}

/// See the list at [`seccomp::compile`].
fn is_deliberately_different(profile: &LinuxSeccomp, arch: Arch, call: &Call) -> bool {
    let has_high_half = call.args.iter().any(|arg| arg >> 32 != 0);
    let x32 = call.token == Arch::X86_64.audit_token() && call.nr >= 0x4000_0000;
    if x32 && has_high_half {
        return true;
    }
    if arch != Arch::X86 || !(call.nr == 102 || call.nr == 117) {
        return false;
    }
    let door_with_arguments = |name: &str| naive::door(name).is_some_and(|door| door.0 == call.nr);
    let mut conditional = profile.syscalls.iter().filter(|rule| !rule.args.is_empty());
    has_high_half
        || call.args[0] > 0xffff
        || conditional.any(|rule| rule.names.iter().any(|name| door_with_arguments(name)))
}

/// libseccomp 2.5 merges the rules of one call into one tree. When they compare one argument of
/// 64 bits several times, and one of these is an order, it loses high halves and matches what no
/// rule says. `semantics` covers these calls.
fn is_beyond_it(edges: &Edges, call: &Call) -> bool {
    let args = || edges.rules(call).iter().flat_map(|rule| &rule.args);
    let is_order =
        |op: Operator| !matches!(op, Operator::Equal | Operator::NotEqual | Operator::MaskedEqual);
    let is_32_bit = [Arch::X86, Arch::Arm].iter().any(|arch| arch.audit_token() == call.token);
    let of = |index: u32| args().filter(move |arg| arg.index == index);
    let several = |index| {
        of(index).count() > 1
            && of(index).any(|arg| is_order(arg.op))
            && of(index).any(|arg| arg.value > 0xffff_ffff)
    };
    !is_32_bit && (0..6).any(several)
}

#[test]
fn tables_agree_with_libseccomp() {
    let names = docker::all_names();
    let mut agreed = 0;
    for arch in Arch::ALL {
        let theirs = oracle::numbers(arch, names.iter().map(String::as_str));
        for (name, theirs) in names.iter().zip(theirs) {
            let Some(theirs) = theirs.and_then(|number| u32::try_from(number).ok()) else {
                continue;
            };
            assert_eq!(seccomp::number(arch, name), Some(theirs), "{name} on {arch:?}");
            agreed += 1;
        }
    }
    assert!(agreed > 1500, "only {agreed} numbers compared");
}

#[test]
fn docker_default_profile_as_libseccomp() {
    let names = common_names();
    let mut cases = Vec::new();
    for native in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        for caps in docker::interesting_caps() {
            let mut profile = docker::resolved(native, caps);
            keep(&mut profile, &names);
            cases.push((profile, options(native)));
        }
    }
    for ((profile, options), theirs) in cases.iter().zip(oracle::programs(&cases)) {
        let ours = compile(profile, options).unwrap().program;
        machine::verify(&ours);
        let tried = compare("docker", profile, options, &ours, &theirs);
        assert!(tried > 2000, "only {tried} calls compared");
    }
}

/// Podman's profile is Debian's package `golang-github-containers-common`; it is no part of this
/// project.
#[test]
fn podman_default_profile_as_libseccomp() {
    let place = std::env::var("WHARF_TEST_PODMAN_SECCOMP");
    let place = place.unwrap_or_else(|_| "/usr/share/containers/seccomp.json".to_owned());
    let Ok(text) = std::fs::read(&place) else {
        eprintln!("not compared: `{place}` is not there (golang-github-containers-common has it)");
        return;
    };
    let podman = DockerProfile::from_json(&text).expect("podman's profile is a profile");
    let names = common_names();
    let mut cases = Vec::new();
    for arch in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        for caps in docker::interesting_caps() {
            let host = Host { arch, caps, kernel: docker::KERNEL };
            let mut profile = podman.resolve(&host).expect("it holds on every host");
            keep(&mut profile, &names);
            cases.push((profile, options(arch)));
        }
    }
    for ((profile, options), theirs) in cases.iter().zip(oracle::programs(&cases)) {
        let ours = compile(profile, options).unwrap().program;
        machine::verify(&ours);
        let tried = compare("podman", profile, options, &ours, &theirs);
        assert!(tried > 2000, "only {tried} calls compared");
    }
}

#[test]
fn random_profiles_as_libseccomp() {
    let common = common_names();
    let is_plain = |name: &&str| !["socketcall", "ipc", "arm_sync_file_range"].contains(name);
    let names: Vec<&str> = common.iter().map(String::as_str).filter(is_plain).collect();
    let natives = [Arch::X86_64, Arch::Aarch64, Arch::Riscv64, Arch::X86, Arch::Arm];
    let mut cases = Vec::new();
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let native = natives[seed as usize % natives.len()];
        let siblings = random.one_in(2);
        let wide = !(siblings && native == Arch::X86_64);
        let shape = Shape { native, siblings, names: &names, wide, conflicts: false };
        cases.push((random::profile(&mut random, &shape), options(native)));
    }
    let programs = oracle::programs(&cases);
    let mut tried = 0;
    for (seed, ((profile, options), theirs)) in cases.iter().zip(&programs).enumerate() {
        let ours = compile(profile, options).unwrap().program;
        machine::verify(&ours);
        tried += compare(&format!("seed {seed}"), profile, options, &ours, theirs);
    }
    assert!(tried > 1_000_000, "only {tried} calls compared");
}
