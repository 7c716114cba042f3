use super::*;

#[test]
fn block_lines_are_parsed() {
    let device = DeviceNumber { major: 254, minor: 1 };
    assert_eq!(parse_blkio("254:1 Read 4096"), Some((device, "Read".into(), 4096)));
    assert_eq!(parse_blkio("Total 0"), None);
    let block = BlockCounters { device, read_bytes: 1, write_bytes: 2, reads: 3, writes: 4 };
    let line = "254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6";
    assert_eq!(parse_io_stat(line), Some(block));
    assert_eq!(parse_io_stat("254:x rbytes=1"), None);
}
