//! libseccomp, through a small program that is compiled when the tests run.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use seccomp::{
    Action, Arch, Instruction, LinuxSeccomp, Operator, Options, ScmpArch, SyscallRule, Verdict,
};

/// libseccomp's programs for profiles of which it knows every name.
pub fn programs(profiles: &[(LinuxSeccomp, Options)]) -> Vec<Vec<Instruction>> {
    let mut script = String::new();
    for (profile, options) in profiles {
        write_profile(&mut script, profile, options);
    }
    let output = ask(&script);
    let programs: Vec<_> = output.lines().map(parse_program).collect();
    assert_eq!(programs.len(), profiles.len());
    programs
}

/// libseccomp's numbers; None if it does not know the name. Numbers below zero stand for calls
/// that the architecture lacks or that have a second door.
pub fn numbers<'a>(arch: Arch, names: impl Iterator<Item = &'a str>) -> Vec<Option<i32>> {
    let mut script = String::new();
    for name in names {
        writeln!(script, "number {} {name}", token(arch)).expect("strings take all");
    }
    let number = |line: &str| line.parse().expect("a number");
    ask(&script).lines().map(number).map(|n: i32| (n != -1).then_some(n)).collect()
}

fn write_profile(script: &mut String, profile: &LinuxSeccomp, options: &Options) {
    let default = scmp_action(profile.default_action, profile.default_errno_ret);
    writeln!(script, "begin {default} {}", foreign_action(options.foreign)).expect("a string");
    let asked = |arch: &Arch| profile.architectures.contains(&arch.scmp());
    let siblings = options.native.siblings().iter().copied().filter(asked);
    for arch in std::iter::once(options.native).chain(siblings) {
        writeln!(script, "arch {}", token(arch)).expect("a string");
    }
    for rule in &profile.syscalls {
        write_rule(script, rule, default);
    }
    writeln!(script, "end").expect("a string");
}

/// Rules are handed over as runc does it: those that repeat the default are left out, those with
/// two comparisons of one argument are taken apart.
fn write_rule(script: &mut String, rule: &SyscallRule, default: u32) {
    let action = scmp_action(rule.action, rule.errno_ret);
    if action == default {
        return;
    }
    let repeats = (0..6).any(|i| rule.args.iter().filter(|arg| arg.index == i).count() > 1);
    let groups: Vec<_> = if repeats {
        rule.args.iter().map(std::slice::from_ref).collect()
    } else {
        vec![rule.args.as_slice()]
    };
    for name in &rule.names {
        for group in &groups {
            write!(script, "rule {action} {name} {}", group.len()).expect("a string");
            for arg in *group {
                let op = scmp_compare(arg.op);
                write!(script, " {} {op} {} {}", arg.index, arg.value, arg.value_two)
                    .expect("a string");
            }
            script.push('\n');
        }
    }
}

fn ask(script: &str) -> String {
    let mut child = Command::new(binary())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle was just compiled");
    let mut stdin = child.stdin.take().expect("piped");
    let script = script.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().expect("the oracle ends");
    writer.join().expect("no panic").expect("the oracle reads all");
    assert!(output.status.success(), "the oracle failed; its message is above");
    String::from_utf8(output.stdout).expect("plain text")
}

fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/oracle.c");
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let binary = directory.join("seccomp-oracle");
        let fresh = directory.join(format!("seccomp-oracle-{}", std::process::id()));
        let compiled = Command::new("cc")
            .args(["-O1", "-Wall", "-o"])
            .arg(&fresh)
            .args([source, "-lseccomp"])
            .status()
            .expect("run `cc`; these tests need the packages `gcc` and `libseccomp-dev`");
        assert!(compiled.success(), "compile {source}: is the package `libseccomp-dev` installed?");
        // One file remains, however many test runs go on at a time.
        std::fs::rename(&fresh, &binary).expect("rename within a directory");
        binary
    })
}

fn parse_program(line: &str) -> Vec<Instruction> {
    let (size, hex) = line.split_once(' ').expect("size and bytes");
    let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex");
    let size: usize = size.parse().expect("a number");
    let instruction = |at: usize| Instruction {
        code: u16::from_ne_bytes([byte(at), byte(at + 1)]),
        jt: byte(at + 2),
        jf: byte(at + 3),
        k: u32::from_ne_bytes([byte(at + 4), byte(at + 5), byte(at + 6), byte(at + 7)]),
    };
    (0..size).step_by(8).map(instruction).collect()
}

/// `SCMP_ARCH_*`: the audit token, but x32 has one of its own.
fn token(arch: Arch) -> u32 {
    if arch.scmp() == ScmpArch::X32 { 0x4000_003e } else { arch.audit_token() }
}

fn scmp_action(action: Action, number: Option<u32>) -> u32 {
    let number = number.unwrap_or(1);
    match action {
        Action::Kill | Action::KillThread => 0,
        Action::KillProcess => 0x8000_0000,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 | number,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 | number,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// libseccomp's actions have the kernel's values.
fn foreign_action(verdict: Verdict) -> u32 {
    verdict.bits()
}

fn scmp_compare(op: Operator) -> u32 {
    match op {
        Operator::NotEqual => 1,
        Operator::Less => 2,
        Operator::LessOrEqual => 3,
        Operator::Equal => 4,
        Operator::GreaterOrEqual => 5,
        Operator::Greater => 6,
        Operator::MaskedEqual => 7,
    }
}
