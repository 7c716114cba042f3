//! Rules one at a time, and random profiles against their plain reading.

use seccomp::{
    Arch, CompileError, DockerProfile, Filter, IntArguments, LinuxSeccomp, NewerSyscalls, Options,
    ProfileError, Verdict, compile,
};
use serde_json::{Value, json};

use crate::docker;
use crate::machine::{self, Call};
use crate::naive::Reading;
use crate::random::{self, Edges, Random, Shape};

fn profile(value: Value) -> LinuxSeccomp {
    serde_json::from_value(value).expect("a resolved profile")
}

fn filter(value: Value) -> Filter {
    let filter = compile(&profile(value), &Options::new(Arch::X86_64)).expect("a good profile");
    machine::verify(&filter.program);
    filter
}

/// A profile that refuses everything but these rules.
fn rules(syscalls: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": syscalls})
}

fn check(filter: &Filter, name: &str, args: &[u64], expect: Verdict) {
    let got = machine::run(&filter.program, &Call::named(Arch::X86_64, name, args));
    assert_eq!(got, expect.bits(), "{name}({args:x?}): {got:#x}");
}

const EPERM: Verdict = Verdict::errno(1);

#[test]
fn masked_equal_takes_the_mask_first() {
    let masked = |value: u64, two: u64| {
        filter(rules(json!([{
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": value, "valueTwo": two, "op": "SCMP_CMP_MASKED_EQ"}],
        }])))
    };
    // With mask and value exchanged, the first of these would allow everything.
    let none_of = masked(0x7e02_0000, 0);
    check(&none_of, "clone", &[17], Verdict::ALLOW);
    check(&none_of, "clone", &[0x1000_0000], EPERM);
    check(&none_of, "clone", &[0x7e02_0000], EPERM);
    let two_of_three = masked(0b111, 0b101);
    check(&two_of_three, "clone", &[0b101], Verdict::ALLOW);
    check(&two_of_three, "clone", &[0b1101], Verdict::ALLOW);
    check(&two_of_three, "clone", &[0b111], EPERM);
    check(&two_of_three, "clone", &[0b001], EPERM);
}

#[test]
fn each_operator_on_whole_arguments() {
    let pivot = 0x1_8000_0000u64;
    let near = [0, pivot - 1, pivot, pivot + 1, 0x8000_0000, 0x2_0000_0000, u64::MAX];
    type Holds = fn(u64, u64) -> bool;
    let cases: [(&str, Holds); 6] = [
        ("NE", |a, b| a != b),
        ("LT", |a, b| a < b),
        ("LE", |a, b| a <= b),
        ("EQ", |a, b| a == b),
        ("GE", |a, b| a >= b),
        ("GT", |a, b| a > b),
    ];
    for (op, holds) in cases {
        let op_name = format!("SCMP_CMP_{op}");
        let filter = filter(rules(json!([{
            "names": ["mmap"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 5, "value": pivot, "op": op_name}],
        }])));
        for actual in near {
            let expect = if holds(actual, pivot) { Verdict::ALLOW } else { EPERM };
            check(&filter, "mmap", &[0, 0, 0, 0, 0, actual], expect);
        }
    }
}

#[test]
fn each_action() {
    let action = |name: &str, number: Option<u32>| {
        let mut value = rules(json!([{"names": ["read"], "action": name}]));
        value["syscalls"][0]["errnoRet"] = json!(number);
        value["listenerPath"] = json!("/run/listener");
        value["defaultErrnoRet"] = json!(2);
        filter(value)
    };
    let check = |name, number, expect| check(&action(name, number), "read", &[], expect);
    check("SCMP_ACT_ALLOW", None, Verdict::ALLOW);
    check("SCMP_ACT_LOG", None, Verdict::LOG);
    check("SCMP_ACT_KILL", None, Verdict::KILL_THREAD);
    check("SCMP_ACT_KILL_THREAD", None, Verdict::KILL_THREAD);
    check("SCMP_ACT_KILL_PROCESS", None, Verdict::KILL_PROCESS);
    check("SCMP_ACT_TRAP", None, Verdict::TRAP);
    check("SCMP_ACT_NOTIFY", None, Verdict::NOTIFY);
    check("SCMP_ACT_ERRNO", None, EPERM);
    check("SCMP_ACT_ERRNO", Some(0), Verdict::errno(0));
    check("SCMP_ACT_ERRNO", Some(4095), Verdict::errno(4095));
    check("SCMP_ACT_TRACE", None, Verdict::trace(1));
    check("SCMP_ACT_TRACE", Some(65535), Verdict::trace(65535));
    assert!(action("SCMP_ACT_NOTIFY", None).notifies);
}

#[test]
fn several_rules_for_one_call() {
    let any_of = filter(rules(json!([{
        "names": ["prctl"],
        "action": "SCMP_ACT_ALLOW",
        "args": [
            {"index": 0, "value": 3, "op": "SCMP_CMP_EQ"},
            {"index": 0, "value": 5, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 9, "op": "SCMP_CMP_EQ"},
        ],
    }])));
    check(&any_of, "prctl", &[3], Verdict::ALLOW);
    check(&any_of, "prctl", &[5], Verdict::ALLOW);
    check(&any_of, "prctl", &[4, 9], Verdict::ALLOW);
    check(&any_of, "prctl", &[4, 8], EPERM);

    let all_of = filter(rules(json!([{
        "names": ["prctl"],
        "action": "SCMP_ACT_ALLOW",
        "args": [
            {"index": 0, "value": 3, "op": "SCMP_CMP_EQ"},
            {"index": 1, "value": 9, "op": "SCMP_CMP_EQ"},
        ],
    }])));
    check(&all_of, "prctl", &[3, 9], Verdict::ALLOW);
    check(&all_of, "prctl", &[3, 8], EPERM);
    check(&all_of, "prctl", &[2, 9], EPERM);
}

#[test]
fn the_strictest_conditional_rule_counts_and_the_first_unconditional_before_it() {
    let strict = json!({
        "names": ["prctl"], "action": "SCMP_ACT_KILL_PROCESS",
        "args": [{"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}],
    });
    let loose = json!({
        "names": ["prctl"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_LT"}],
    });
    for order in [json!([strict, loose]), json!([loose, strict])] {
        let filter = filter(rules(order));
        check(&filter, "prctl", &[5], Verdict::KILL_PROCESS);
        check(&filter, "prctl", &[6], Verdict::ALLOW);
        check(&filter, "prctl", &[10], EPERM);
    }
    let always = json!({"names": ["prctl"], "action": "SCMP_ACT_LOG"});
    let later = json!({"names": ["prctl"], "action": "SCMP_ACT_TRAP"});
    let filter = filter(rules(json!([strict, always, later])));
    check(&filter, "prctl", &[5], Verdict::LOG);
}

#[test]
fn foreign_calls_do_not_follow_a_lenient_default() {
    let options = Options { foreign: Verdict::KILL_PROCESS, ..Options::new(Arch::X86_64) };
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_LOG"] {
        let profile = profile(json!({"defaultAction": action}));
        let plain = compile(&profile, &Options::new(Arch::X86_64)).unwrap().program;
        let killing = compile(&profile, &options).unwrap().program;
        for call in [
            Call::new(Arch::X86, 1, [0; 6]),
            Call::new(Arch::X32, 0x4000_0001, [0; 6]),
            Call::new(Arch::X32, 0xffff_fffe, [0; 6]),
            Call::new(Arch::Aarch64, 1, [0; 6]),
        ] {
            assert_eq!(machine::run(&plain, &call), EPERM.bits());
            assert_eq!(machine::run(&killing, &call), Verdict::KILL_PROCESS.bits());
        }
    }
}

#[test]
fn calls_behind_socketcall_and_ipc() {
    let run = |value: Value, nr, args| {
        let mut profile = profile(value);
        profile.architectures = vec![Arch::X86.scmp()];
        let program = compile(&profile, &Options::new(Arch::X86_64)).unwrap().program;
        machine::run(&program, &Call::new(Arch::X86, nr, args))
    };
    let refuse = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["socket", "shmget"], "action": "SCMP_ACT_ERRNO"}],
    });
    assert_eq!(run(refuse.clone(), 102, [1, 0, 0, 0, 0, 0]), EPERM.bits());
    assert_eq!(run(refuse.clone(), 102, [2, 0, 0, 0, 0, 0]), Verdict::ALLOW.bits());
    // Also whatever the upper halves and the version of ipc(2) hold.
    assert_eq!(run(refuse.clone(), 102, [7 << 32 | 1, 0, 0, 0, 0, 0]), EPERM.bits());
    assert_eq!(run(refuse.clone(), 117, [1 << 16 | 23, 0, 0, 0, 0, 0]), EPERM.bits());
    assert_eq!(run(refuse, 117, [21, 0, 0, 0, 0, 0]), Verdict::ALLOW.bits());

    let unix = json!([{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let rule = json!([{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": unix}]);
    assert_eq!(run(rules(rule), 102, [1, 0, 0, 0, 0, 0]), EPERM.bits());
    let refuse_unix = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": unix}],
    });
    assert_eq!(run(refuse_unix, 102, [1, 0, 0, 0, 0, 0]), EPERM.bits());
}

#[test]
fn newer_calls_fail_softly_only_where_the_default_is_hard() {
    let newest = |action: &str, newer| {
        let profile = profile(json!({
            "defaultAction": action,
            "syscalls": [{"names": ["openat2"], "action": "SCMP_ACT_TRAP"}],
        }));
        let options = Options { newer, ..Options::new(Arch::X86_64) };
        let program = compile(&profile, &options).unwrap().program;
        [436, 438, u32::MAX].map(|nr| machine::run(&program, &Call::new(Arch::X86_64, nr, [0; 6])))
    };
    let enosys = Verdict::errno(38).bits();
    let kill = Verdict::KILL_PROCESS.bits();
    let allow = Verdict::ALLOW.bits();
    assert_eq!(newest("SCMP_ACT_KILL_PROCESS", NewerSyscalls::Enosys), [kill, enosys, kill]);
    assert_eq!(newest("SCMP_ACT_KILL_PROCESS", NewerSyscalls::DefaultAction), [kill; 3]);
    assert_eq!(newest("SCMP_ACT_ALLOW", NewerSyscalls::Enosys), [allow; 3]);
}

#[test]
fn faults_are_named() {
    let check = |value: Value, expect: CompileError| {
        assert_eq!(compile(&profile(value), &Options::new(Arch::X86_64)), Err(expect));
    };
    let rule = |rule: Value| rules(json!([rule]));
    check(
        rule(json!({"names": [], "action": "SCMP_ACT_ALLOW"})),
        CompileError::NoNames { rule: 0 },
    );
    check(
        rule(json!({"names": ["read"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]})),
        CompileError::ArgumentIndex { rule: 0, index: 6 },
    );
    check(
        rule(json!({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 4096})),
        CompileError::ErrnoRange { number: 4096, max: 4095 },
    );
    check(
        rule(json!({"names": ["read"], "action": "SCMP_ACT_ALLOW", "errnoRet": 5})),
        CompileError::ErrnoUnused { number: 5 },
    );
    check(json!({"defaultAction": "SCMP_ACT_NOTIFY"}), CompileError::NotifyDefault);
    check(
        rule(json!({"names": ["write"], "action": "SCMP_ACT_NOTIFY"})),
        CompileError::NotifyWrite,
    );
    check(
        rule(json!({"names": ["read"], "action": "SCMP_ACT_NOTIFY"})),
        CompileError::NotifyWithoutListener,
    );
}

#[test]
fn profiles_are_read_strictly() {
    let read = |text: &str| {
        let profile = DockerProfile::from_json(text.as_bytes())?;
        profile.resolve(&docker::host(Arch::X86_64, seccomp::CapSet::EMPTY))
    };
    let error = |text: &str| read(text).unwrap_err();
    let decode = |text: &str| matches!(error(text), ProfileError::Decode { .. });
    assert!(decode("{}"));
    assert!(decode("["));
    assert!(decode(r#"{"defaultAction": "SCMP_ACT_NOTHING"}"#));
    assert!(decode(r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_VAX"]}"#));
    assert!(decode(r#"{"defaultAction": "SCMP_ACT_ALLOW", "sysCalls": []}"#));
    let with =
        |rule: &str| format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rule}]}}"#);
    let allow = |more: &str| with(&format!(r#"{{"action": "SCMP_ACT_ALLOW", {more}}}"#));
    assert!(decode(&allow(r#""names": ["read"], "exclude": {}"#)));
    assert!(decode(&allow(r#""names": ["read"], "includes": {"minKernel": "5"}"#)));
    assert!(decode(&allow(
        r#""names": ["read"], "args": [{"index": -1, "value": 1, "op": "SCMP_CMP_EQ"}]"#
    )));
    assert!(matches!(
        error(&allow(r#""names": ["read"], "includes": {"caps": ["sys_admin"]}"#)),
        ProfileError::CapabilityName { .. }
    ));
    let both = error(&allow(r#""name": "read", "names": ["write"]"#));
    assert_eq!(
        both.to_string(),
        "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'"
    );
    let both = error(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86"],
            "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": null}]}"#,
    );
    assert!(matches!(both, ProfileError::ArchitecturesTwice));
    let huge = " ".repeat(seccomp::PROFILE_BYTES_MAX + 1);
    assert!(matches!(error(&huge), ProfileError::TooLarge { .. }));
}

#[test]
fn older_and_foreign_dialects_are_read() {
    let text = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
        "archMap": [{"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]}],
        "syscalls": [
            {"name": "read", "action": "SCMP_ACT_ALLOW", "args": null, "comment": "",
             "includes": {}, "excludes": null},
            {"names": ["mknod"], "action": "SCMP_ACT_ERRNO", "errno": "EACCES"},
            {"names": ["frobnicate"], "action": "SCMP_ACT_ALLOW"}
        ]
    }"#;
    let host = docker::host(Arch::X86_64, seccomp::CapSet::EMPTY);
    let resolved = DockerProfile::from_json(text.as_bytes()).unwrap().resolve(&host).unwrap();
    assert!(resolved.architectures.is_empty());
    let filter = compile(&resolved, &Options::new(Arch::X86_64)).unwrap();
    check(&filter, "read", &[], Verdict::ALLOW);
    check(&filter, "mknod", &[], Verdict::errno(13));
    check(&filter, "open", &[], Verdict::errno(38));
    assert_eq!(filter.unknown_names, ["frobnicate"]);

    let disagreeing =
        text.replace("\"errno\": \"EACCES\"", "\"errno\": \"EACCES\", \"errnoRet\": 1");
    let error = DockerProfile::from_json(disagreeing.as_bytes()).unwrap().resolve(&host);
    assert!(matches!(error, Err(ProfileError::ErrnoName { .. })));
}

#[test]
fn flags_become_bits() {
    let flags =
        |value: Value| filter(json!({"defaultAction": "SCMP_ACT_ERRNO", "flags": value})).flags;
    assert_eq!(flags(Value::Null), 4);
    assert_eq!(flags(json!([])), 0);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"])), 2);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])), 0);
    let mut notifying = rules(json!([{"names": ["mknod"], "action": "SCMP_ACT_NOTIFY"}]));
    notifying["listenerPath"] = json!("/run/listener");
    notifying["flags"] = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]);
    assert_eq!(filter(notifying).flags, 32);
}

#[test]
fn jumps_over_more_than_255_instructions() {
    // Every call has comparisons of its own, so that trees and chains are far apart.
    let names: Vec<String> =
        docker::all_names().into_iter().filter(|name| seccomp::is_known(name)).collect();
    let syscalls: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            json!({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": n,
                "args": [{"index": 3, "value": 1000 + n, "op": "SCMP_CMP_EQ"}]})
        })
        .collect();
    let profile = profile(json!({"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": syscalls}));
    let options = Options::new(Arch::X86_64);
    let filter = compile(&profile, &options).unwrap();
    machine::verify(&filter.program);
    assert!(filter.program.instructions().len() > 1500);
    let reading = Reading::new(&profile, options);
    for nr in 0..512 {
        for value in 998..1000 + names.len() as u64 {
            let call = Call::new(Arch::X86_64, nr, [0, 0, 0, value, 0, 0]);
            let ours = machine::run(&filter.program, &call);
            if value % 37 == 0 || ours >> 16 == 5 {
                assert_eq!(ours, reading.evaluate(&call), "{call:?}");
            }
        }
    }
}

#[test]
fn too_long_is_an_error() {
    let args: Vec<Value> =
        (0..3000u64).map(|n| json!({"index": 0, "value": n * 7919, "op": "SCMP_CMP_EQ"})).collect();
    let profile =
        profile(rules(json!([{"names": ["mmap"], "action": "SCMP_ACT_ALLOW", "args": args}])));
    let result = compile(&profile, &Options::new(Arch::X86_64));
    assert_eq!(result, Err(CompileError::TooLong));
}

#[test]
fn random_profiles_mean_what_they_say() {
    let all = docker::all_names();
    let plain: Vec<&str> = all.iter().map(String::as_str).collect();
    let with_ints: Vec<&str> = vec![
        "socket",
        "socketpair",
        "dup3",
        "kcmp",
        "tgkill",
        "epoll_ctl",
        "personality",
        "clone",
        "prctl",
        "keyctl",
        "memfd_secret",
        "set_mempolicy",
        "ioctl",
        "fcntl",
        "kill",
        "setns",
        "flock",
        "openat",
        "faccessat2",
        "setsockopt",
        "mmap",
        "unshare",
        "ptrace",
        "read",
        "ipc",
        "socketcall",
        "semop",
        "set_tls",
        "arch_prctl",
        "vm86",
    ];
    for seed in 0..400 {
        let mut random = Random::new(1000 + seed);
        let native = *random.pick(&Arch::ALL);
        let by_kernel = random.one_in(2);
        let shape = Shape {
            native,
            siblings: random.one_in(2),
            names: if by_kernel { &with_ints } else { &plain },
            wide: true,
            conflicts: true,
        };
        let profile = random::profile(&mut random, &shape);
        let options = Options {
            native,
            foreign: *random.pick(&[Verdict::errno(1), Verdict::KILL_PROCESS, Verdict::ALLOW]),
            newer: *random.pick(&[NewerSyscalls::Enosys, NewerSyscalls::DefaultAction]),
            int_arguments: if by_kernel {
                IntArguments::AsKernel
            } else {
                IntArguments::WholeRegister
            },
        };
        check_random(seed, &profile, &options);
    }
}

/// Holds the compiled profile against the plain reading, on every number.
fn check_random(seed: u64, profile: &LinuxSeccomp, options: &Options) {
    let mut random = Random::new(seed);
    let edges = Edges::new(profile);
    let reading = Reading::new(profile, *options);
    let program = compile(profile, options).expect("random profiles are good").program;
    machine::verify(&program);
    for arch in [options.native, Arch::Arm].iter().chain(options.native.siblings()) {
        for nr in random::all_numbers(*arch) {
            let mut call = Call::new(*arch, nr, [0; 6]);
            let mut lists = edges.argument_lists(&mut random, &call);
            if *arch == Arch::X86 && (nr == 102 || nr == 117) {
                lists.extend((0..30).map(|sub_call| [sub_call, 5, 5, 5, 5, 5]));
            }
            for args in lists {
                call.args = args;
                let expect = reading.evaluate(&call);
                let got = machine::run(&program, &call);
                assert_eq!(got, expect, "seed {seed} {arch:?} {call:x?} {options:?}");
            }
        }
    }
}
