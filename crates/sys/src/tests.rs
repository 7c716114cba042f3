//! The wrappers against the kernel itself.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};

use rustix::fs::{Access, AtFlags, Mode, OFlags};

use crate::process::{self, CloneSpec, Exit, Fork};
use crate::{bpf, credentials, jail, mount, namespace, seccomp, socket, terminal};

/// Runs `body` in a forked child; its return value is the exit code.
fn in_child(flags: u64, body: impl FnOnce() -> i32) -> Exit {
    match process::clone3(&CloneSpec { flags, cgroup: None }).unwrap() {
        Fork::Child => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(99);
            process::exit_now(code)
        }
        Fork::Parent(child) => process::wait(child.pidfd.as_fd(), true).unwrap().unwrap(),
    }
}

#[test]
fn children_end_with_codes_and_signals() {
    assert_eq!(in_child(0, || 7), Exit::Code(7));
    let killed = in_child(0, || {
        crate::signal::kill(std::process::id() as i32, libc::SIGKILL).unwrap();
        1
    });
    assert_eq!(killed, Exit::Signal(9));
    assert_eq!(killed.shell_code(), 137);
}

#[test]
fn flags_that_share_memory_are_refused() {
    let spec = CloneSpec { flags: libc::CLONE_VM as u64, cgroup: None };
    assert_eq!(process::clone3(&spec).unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_pidfd_tells_the_exit_after_the_reaping() {
    let Fork::Parent(child) = process::fork().unwrap() else { process::exit_now(42) };
    let second = child.pidfd.try_clone().unwrap();
    assert_eq!(process::wait_pid(child.pid, true).unwrap(), Some(Exit::Code(42)));
    // Older kernels answer nothing; this is how the caller sees it.
    let told = process::pidfd_exit(second.as_fd());
    assert!(matches!(told, None | Some(Exit::Code(42))), "{told:?}");
}

#[test]
fn descriptors_travel() {
    for pair in [socket::socketpair_stream(), socket::socketpair_messages()] {
        let (a, b) = pair.unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        assert_eq!(socket::send_with_fds(a.as_fd(), b"hi", &[writer.as_fd()]).unwrap(), 2);
        drop(writer);
        let mut buffer = [0u8; 16];
        let got = socket::receive_with_fds(b.as_fd(), &mut buffer, true).unwrap();
        assert_eq!((got.bytes, got.fds.len(), got.truncated), (2, 1, false));
        std::fs::File::from(got.fds.into_iter().next().unwrap()).write_all(b"x").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
        assert_eq!(socket::peer_credentials(a.as_fd()).unwrap().uid, 0);
    }
}

#[test]
fn a_terminal_has_a_size_and_carries_bytes() {
    let master = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
    terminal::unlock(master.as_fd()).unwrap();
    let slave = terminal::peer(master.as_fd()).unwrap();
    terminal::set_size(master.as_fd(), 24, 80).unwrap();
    let size = rustix::termios::tcgetwinsize(&slave).unwrap();
    assert_eq!((size.ws_row, size.ws_col), (24, 80));
    rustix::io::write(&slave, b"out").unwrap();
    let mut buffer = [0u8; 8];
    assert_eq!(rustix::io::read(&master, &mut buffer).unwrap(), 3);
}

#[test]
fn a_filter_denies() {
    // Load the call number; getppid answers EPERM; everything else is allowed.
    let mut program = Vec::new();
    for (code, jt, jf, k) in [
        (0x20u16, 0u8, 0u8, 0u32),
        (0x15, 0, 1, libc::SYS_getppid as u32),
        (0x06, 0, 0, 0x0005_0000 | libc::EPERM as u32),
        (0x06, 0, 0, 0x7fff_0000),
    ] {
        program.extend(code.to_ne_bytes());
        program.extend([jt, jf]);
        program.extend(k.to_ne_bytes());
    }
    let exit = in_child(0, || {
        credentials::set_no_new_privileges().unwrap();
        seccomp::load(&program, 0).unwrap();
        // SAFETY: takes nothing.
        i32::from(unsafe { libc::syscall(libc::SYS_getppid) } == -1)
    });
    assert_eq!(exit, Exit::Code(1));
    assert!(seccomp::load(&program[..7], 0).is_err());
}

#[test]
fn the_jail_has_no_way_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("inside"), "x").unwrap();
    let exit = in_child(0, || {
        let outside = std::fs::File::open(dir.path()).unwrap();
        let root = jail::enter(outside.into(), &[0, 1]).unwrap();
        let above = rustix::fs::openat(root, c"..", OFlags::PATH, Mode::empty()).unwrap();
        assert!(rustix::fs::accessat(&above, c"inside", Access::EXISTS, AtFlags::empty()).is_ok());
        let sets = credentials::capabilities().unwrap();
        let sees =
            std::path::Path::new("/inside").exists() && !std::path::Path::new("/etc").exists();
        let poor = sets.effective == 0b11 && credentials::bounding_set() == 0b11;
        let alone =
            namespace::unshare(namespace::NET).is_err() && rustix::process::chroot(c"/").is_err();
        i32::from(sees && poor && alone)
    });
    assert_eq!(exit, Exit::Code(1));
}

#[test]
fn detached_mounts_are_made_and_moved() {
    let dir = tempfile::tempdir().unwrap();
    let exit = in_child(namespace::MOUNT, || {
        mount::set_propagation_of_all(libc::MS_PRIVATE).unwrap();
        let options = vec!["mode=755".to_owned(), "size=64k".to_owned()];
        let made = mount::new_file_system("tmpfs", Some("t"), &options, mount::NO_SUID).unwrap();
        let target = std::fs::File::open(dir.path()).unwrap();
        mount::attach(made.as_fd(), target.as_fd()).unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        let change = mount::AttributeChange { set: mount::READ_ONLY, ..Default::default() };
        mount::set_attributes(made.as_fd(), change).unwrap();
        i32::from(std::fs::write(dir.path().join("b"), "x").is_err())
    });
    assert_eq!(exit, Exit::Code(1));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn file_ids_change_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let exit = in_child(0, || {
        use std::os::unix::fs::MetadataExt;
        let before = credentials::capabilities().unwrap();
        let ids = credentials::FsIds::change(1234, 1235).unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        assert_eq!(credentials::capabilities().unwrap(), before);
        drop(ids);
        std::fs::write(dir.path().join("b"), "x").unwrap();
        let owner = |name| std::fs::metadata(dir.path().join(name)).unwrap().uid();
        i32::from(owner("a") == 1234 && owner("b") == 0)
    });
    assert_eq!(exit, Exit::Code(1));
}

#[test]
fn a_device_program_loads() {
    // r0 = 1; exit: everything is allowed.
    let program: [u8; 16] = [0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    let unified = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]
        .into_iter()
        .map(std::path::Path::new)
        .find(|p| p.join("cgroup.controllers").exists())
        .expect("a cgroup2 hierarchy is mounted");
    let dir = unified.join(format!("wharf-test-bpf-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let cgroup = std::fs::File::open(&dir).unwrap();
    let attached = bpf::attach_cgroup_device(cgroup.as_fd(), &program);
    std::fs::remove_dir(&dir).unwrap();
    attached.unwrap();
}

#[test]
fn inherited_descriptors_are_checked() {
    assert!(socket::inherited(1).is_err());
    assert!(socket::inherited(19_999).is_err());
    let (a, _b) = socket::socketpair_stream().unwrap();
    // SAFETY: a fresh duplicate that nobody owns yet.
    let number = unsafe { libc::dup(a.as_raw_fd()) };
    drop(socket::inherited(number).unwrap());
    // SAFETY: takes integers; the number was closed by the drop above.
    assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1);
}

#[test]
fn signals_come_by_descriptor() {
    let exit = in_child(0, || {
        let fd = crate::signal::descriptor(&[libc::SIGTERM]).unwrap();
        assert_eq!(crate::signal::next(fd.as_fd()).unwrap(), None);
        crate::signal::kill(std::process::id() as i32, libc::SIGTERM).unwrap();
        i32::from(crate::signal::next(fd.as_fd()).unwrap() == Some(libc::SIGTERM))
    });
    assert_eq!(exit, Exit::Code(1));
}

#[test]
fn memory_is_given_back_and_what_lives_stays() {
    let resident_pages = || -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse().unwrap()
    };
    // In a process of its own: nobody else allocates there.
    let process::Fork::Parent(child) = process::fork().unwrap() else {
        let blocks: Vec<Vec<u8>> = (0..512).map(|_| vec![7; 8 << 10]).collect();
        // The heap cannot simply shrink: its uppermost block lives.
        let last = blocks.into_iter().next_back().unwrap();
        let before = resident_pages();
        crate::memory::give_back();
        let freed = before.saturating_sub(resident_pages());
        let whole = last.iter().all(|byte| *byte == 7);
        process::exit_now(if whole && freed > 512 { 0 } else { 1 })
    };
    assert_eq!(process::wait_pid(child.pid, true).unwrap(), Some(process::Exit::Code(0)));
}

#[test]
fn datagrams_are_answered_from_where_they_were_sent_to() {
    for (any, address) in [("0.0.0.0:0", "127.0.0.77"), ("[::]:0", "::1")] {
        let server = std::net::UdpSocket::bind(any).unwrap();
        let client = std::net::UdpSocket::bind(any).unwrap();
        let address: std::net::IpAddr = address.parse().unwrap();
        let mut buffer = [0; 16];
        // Without the option nothing is told, and nothing blocks.
        assert!(crate::datagram::receive(server.as_fd(), &mut buffer).is_err());
        crate::datagram::tell_destination(server.as_fd(), address.is_ipv6()).unwrap();
        client.connect((address, server.local_addr().unwrap().port())).unwrap();
        client.send(b"question").unwrap();
        let arrived = crate::datagram::receive(server.as_fd(), &mut buffer).unwrap();
        assert_eq!((arrived.bytes, arrived.to), (8, Some(address)));
        assert_eq!(arrived.peer, client.local_addr().unwrap());
        crate::datagram::send(server.as_fd(), b"answer", arrived.peer, arrived.to).unwrap();
        // A connected socket takes it from this address only.
        assert_eq!(client.recv(&mut buffer).unwrap(), 6);
    }
}
