//! JSON documents.

use docker_api::{ContainerAudit, CreateRequest, ExecConfig, ExecStart, UpdateRequest};
use oci::{Document, ImageConfig};
use runtime::accounts::{self, AccountFiles};
use seccomp::{Arch, CapSet, DockerProfile, Host, KernelVersion, Options};

/// What was read and is written again is read the same.
pub(crate) fn manifest(bytes: &[u8]) {
    for media_type in [None, Some(oci::media_type::OCI_INDEX), Some(oci::media_type::OCI_MANIFEST)]
    {
        drop(Document::parse(bytes, media_type));
    }
}

/// As above.
pub(crate) fn image_config(bytes: &[u8]) {
    let Ok(config) = ImageConfig::parse(bytes) else { return };
    let platform = config.platform();
    assert!(platform.accepts(&platform) || platform.os.is_empty());
}

/// The bundle's own document.
pub(crate) fn runtime_spec(bytes: &[u8]) {
    drop(serde_json::from_slice::<oci::runtime_spec::Spec>(bytes));
}

/// Specifications of devices in JSON and YAML.
pub(crate) fn cdi(bytes: &[u8]) {
    drop(cdi::parse_json(bytes));
    drop(cdi::parse_yaml(bytes));
}

/// A profile that compiles is a program that the kernel's limits allow, on every architecture.
pub(crate) fn seccomp(bytes: &[u8]) {
    let Ok(profile) = DockerProfile::from_json(bytes) else { return };
    for arch in Arch::ALL {
        for caps in [CapSet::EMPTY, CapSet::ALL] {
            let host = Host { arch, caps, kernel: KernelVersion { major: 6, minor: 1 } };
            let Ok(resolved) = profile.resolve(&host) else { continue };
            let Ok(filter) = seccomp::compile(&resolved, &Options::new(arch)) else { continue };
            assert!(filter.program.instructions().len() <= seccomp::INSTRUCTIONS_MAX);
            let reach = seccomp::reach(&resolved, arch).expect("what compiles can be told");
            let names = reach.iter().map(|(name, _)| *name).collect();
            let narrow = seccomp::narrowed(Some(&resolved), &names);
            narrow.resolve(&host).expect("a part of a profile is a profile");
        }
    }
}

/// Bodies of requests are read, checked, and written back.
pub(crate) fn request_body(bytes: &[u8]) {
    if let Ok(request) = docker_api::read_body::<CreateRequest>(bytes) {
        drop(docker_api::validate::create(&request.config, &request.host_config));
        let text = serde_json::to_vec(&request.host_config).expect("keys are strings");
        let again: docker_api::HostConfig =
            serde_json::from_slice(&text).expect("what we write we can read");
        assert!(again == request.host_config, "a wish changed on its way");
    }
    drop(docker_api::read_body::<ExecConfig>(bytes));
    drop(docker_api::read_body::<ExecStart>(bytes));
    drop(docker_api::read_body::<UpdateRequest>(bytes));
    drop(docker_api::read_body::<ContainerAudit>(bytes));
}

/// A user, `/etc/passwd` and `/etc/group`, with a NUL between: an image cannot make a number mean
/// somebody else, nor anybody beyond the ids that can be mapped.
pub(crate) fn accounts(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let (Ok(user), passwd, group) = (std::str::from_utf8(part()), part(), part()) else { return };
    let Ok(files) = AccountFiles::parse(passwd, group) else { return };
    let Ok(account) = accounts::resolve(user, &[], &files) else { return };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    if name.is_empty() {
        assert_eq!(account.uid, 0);
    }
    for (text, id) in [(name, account.uid), (group, account.gid)] {
        assert!(id <= i32::MAX as u32);
        assert!(!is_number(text) || text.parse() == Ok(id), "{user} became {id}");
    }
    assert!(account.groups.is_sorted_by(|one, next| one < next));
    assert!(group.is_empty() || account.groups.is_empty());
    assert!(!account.home.is_empty());
}
