//! Profiles are foreign bytes: whatever they hold, the answer is a value or an error.

use proptest::prelude::*;
use seccomp::{Arch, CapSet, DockerProfile, LinuxSeccomp, Options, compile};
use serde_json::{Map, Value, json};

use crate::{docker, machine};

fn try_all(text: &[u8]) {
    if let Ok(profile) = DockerProfile::from_json(text) {
        for arch in Arch::ALL {
            let caps = if arch == Arch::X86 { CapSet::ALL } else { CapSet::EMPTY };
            if let Ok(resolved) = profile.resolve(&docker::host(arch, caps)) {
                try_compile(&resolved, arch);
            }
        }
    }
    if let Ok(resolved) = serde_json::from_slice::<LinuxSeccomp>(text) {
        try_compile(&resolved, Arch::X86_64);
    }
}

fn try_compile(profile: &LinuxSeccomp, arch: Arch) {
    match compile(profile, &Options::new(arch)) {
        Ok(filter) => machine::verify(&filter.program),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Words of the format, so that random documents get past its first door.
const WORDS: [&str; 40] = [
    "defaultAction",
    "defaultErrnoRet",
    "defaultErrno",
    "architectures",
    "archMap",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
    "name",
    "names",
    "action",
    "errnoRet",
    "errno",
    "args",
    "comment",
    "includes",
    "excludes",
    "caps",
    "arches",
    "minKernel",
    "index",
    "value",
    "valueTwo",
    "op",
    "architecture",
    "subArchitectures",
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_NOTIFY",
    "SCMP_CMP_EQ",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_S390X",
    "read",
    "socket",
    "CAP_SYS_ADMIN",
    "4.8",
    "EPERM",
    "",
];

fn word() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(&WORDS[..]).prop_map(String::from), "\\PC{0,6}"]
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..8).prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..8)
                .prop_map(|pairs| Value::from(Map::from_iter(pairs))),
        ]
    })
}

/// Documents of the right shape with wrong contents.
fn almost_profile() -> impl Strategy<Value = Value> {
    let op = prop::sample::select(&WORDS[30..33]);
    let arg = (0u64..7, any::<u64>(), any::<u64>(), op).prop_map(
        |(index, one, two, op)| json!({"index": index, "value": one, "valueTwo": two, "op": op}),
    );
    let action = || prop::sample::select(&WORDS[27..31]);
    let names = || prop::collection::vec(word(), 0..4);
    let rule =
        (names(), action(), any::<Option<u16>>(), prop::collection::vec(arg, 0..4), document())
            .prop_map(|(names, action, number, args, extra)| {
                let mut rule = json!({"names": names, "action": action, "args": args});
                rule["errnoRet"] = json!(number);
                if extra.is_object() {
                    rule["includes"] = extra;
                }
                rule
            });
    (action(), prop::collection::vec(rule, 0..8), any::<Option<u32>>()).prop_map(
        |(action, rules, number)| {
            json!({"defaultAction": action, "defaultErrnoRet": number, "syscalls": rules,
                "listenerPath": "/run/listener"})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document(document in document()) {
        try_all(&serde_json::to_vec(&document).unwrap());
    }

    #[test]
    fn any_almost_profile(document in almost_profile()) {
        try_all(&serde_json::to_vec(&document).unwrap());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        try_all(&bytes);
    }

    #[test]
    fn dockers_profile_with_a_changed_byte(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = docker::text();
        let at = at.index(text.len());
        text[at] = byte;
        try_all(&text);
    }

    #[test]
    fn kernel_releases(release in "\\PC{0,12}|[0-9.]{0,30}") {
        if let Some(version) = seccomp::KernelVersion::from_release(&release) {
            let major = version.major.to_string();
            prop_assert!(release.starts_with(&major) || release.starts_with('0'));
        }
    }
}

#[test]
fn deep_documents_are_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(DockerProfile::from_json(deep.as_bytes()).is_err());
    let rules = format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {deep}}}"#);
    assert!(DockerProfile::from_json(rules.as_bytes()).is_err());
}

#[test]
fn a_full_size_profile_is_answered() {
    // As many rules for one call as fit: the bound on instructions must also bound the work.
    let rule = concat!(
        r#"{"names":["mmap"],"action":"SCMP_ACT_TRAP","#,
        r#""args":[{"index":1,"value":%,"op":"SCMP_CMP_GT"}]},"#
    );
    let mut text = String::from(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":["#);
    let mut n = 0;
    while text.len() + 200 < seccomp::PROFILE_BYTES_MAX {
        text.push_str(&rule.replace('%', &n.to_string()));
        n += 1;
    }
    text.pop();
    text.push_str("]}");
    let profile = DockerProfile::from_json(text.as_bytes()).unwrap();
    let resolved = profile.resolve(&docker::host(Arch::X86_64, CapSet::EMPTY)).unwrap();
    let result = compile(&resolved, &Options::new(Arch::X86_64));
    assert_eq!(result, Err(seccomp::CompileError::TooLong));
}
