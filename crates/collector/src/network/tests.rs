use super::*;

#[test]
fn lines_of_interfaces() {
    let text = b"  eth0: 370628585    9840    1    2    0     0          0         0   \
                 627378    7208    3    4    0     0       0          0";
    let received = Traffic { bytes: 370_628_585, packets: 9840, errors: 1, dropped: 2 };
    let sent = Traffic { bytes: 627_378, packets: 7208, errors: 3, dropped: 4 };
    assert_eq!(line(text), Some((&b"eth0"[..], received, sent)));
    for other in [&b"    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"[..], b"eth0: 1 2", b"", b"x"] {
        assert_eq!(line(other), None);
    }
    // Names in Linux may be as wide as the column.
    let glued = b"veth123456789ab:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
    assert_eq!(line(glued).map(|(name, ..)| name), Some(&b"veth123456789ab"[..]));
}

#[test]
fn starts_of_processes() {
    let stat = b"42 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
    assert_eq!(start_of(stat), Some(777));
    assert_eq!(start_of(b"42 (x"), None);
}

#[test]
fn another_namespace_is_read_and_our_own_is_not() {
    let mut command = std::process::Command::new("unshare");
    let mut child = command.args(["--net", "sleep", "1000"]).spawn().unwrap();
    let pid = child.id() as i32;
    let link = |of: &str| std::fs::read_link(format!("/proc/{of}/ns/net")).unwrap();
    let begin = std::time::Instant::now();
    while link(&pid.to_string()) == link("self") && begin.elapsed().as_secs() < 20 {
        std::thread::yield_now();
    }
    let start = |pid: &str| start_of(&std::fs::read(format!("/proc/{pid}/stat")).unwrap()).unwrap();
    let started = start(&pid.to_string());
    let own = NetDev::open(std::process::id() as i32, start("self"));
    assert!(own.unwrap().is_none());
    assert_eq!(NetDev::open(pid, started + 1).err(), Some(Errno::SRCH));
    let file = NetDev::open(pid, started).unwrap().unwrap();
    let (mut interfaces, mut buffer) = (vec![Interface::default(); 99], Vec::new());
    file.read(&mut interfaces, &mut buffer).unwrap();
    // There is nothing but loopback, and that is not counted.
    assert_eq!(interfaces, []);
    assert!(buffer.starts_with(b"Inter-|"));
    child.kill().unwrap();
    child.wait().unwrap();
}
