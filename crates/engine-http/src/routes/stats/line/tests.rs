use cgroup::DeviceNumber;

use super::*;

fn disk() -> BlockCounters {
    let moved = |read, write| Transfers { read, write, sync: 1, background: 2, discard: 3 };
    let device = DeviceNumber { major: 254, minor: 7 };
    BlockCounters { device, bytes: moved(4096, 8192), operations: moved(1, 2) }
}

fn shown(entries: Option<&Vec<BlkioEntry>>) -> Vec<String> {
    let entry = |one: &BlkioEntry| format!("{}:{} {} {}", one.major, one.minor, one.op, one.value);
    entries.unwrap().iter().map(entry).collect()
}

#[test]
fn block_devices_of_version_1() {
    let stats = block_v1(&[disk()]);
    let expect = [
        "254:7 Read 4096",
        "254:7 Write 8192",
        "254:7 Sync 1",
        "254:7 Async 2",
        "254:7 Discard 3",
        "254:7 Total 12291",
    ];
    assert_eq!(shown(stats.io_service_bytes_recursive.as_ref()), expect);
    assert_eq!(shown(stats.io_serviced_recursive.as_ref())[5], "254:7 Total 6");
    assert_eq!(stats.sectors_recursive, Some(Vec::new()));
    assert_eq!(block_v1(&[]).io_service_bytes_recursive, Some(Vec::new()));
}

#[test]
fn block_devices_of_version_2() {
    let stats = block_v2(&[disk()]);
    let expect = ["254:7 read 4096", "254:7 write 8192"];
    assert_eq!(shown(stats.io_service_bytes_recursive.as_ref()), expect);
    assert_eq!(stats.io_serviced_recursive, None);
    assert_eq!(block_v2(&[]), BlkioStats::default());
}

#[test]
fn interfaces_by_name() {
    let mut one = Interface { name: "eth0".into(), ..Interface::default() };
    (one.received.bytes, one.sent.dropped) = (5, 6);
    let all = networks(&[one]).unwrap();
    assert_eq!((all["eth0"].rx_bytes, all["eth0"].tx_dropped), (5, 6));
    assert_eq!(networks(&[]), None);
}
