use super::*;

#[test]
fn processors_are_counted() {
    for (list, expect) in [
        ("0\n", Some(1)),
        ("0-1\n", Some(2)),
        ("0-3,8,10-11\n", Some(7)),
        ("", None),
        ("3-1", None),
        ("a", None),
    ] {
        assert_eq!(count_of(list), expect, "{list}");
    }
}

#[test]
fn ticks_are_summed_as_docker_does() {
    let stat = "cpu  1 2 3 4 5 6 7 1000 1000 1000\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
    assert_eq!(ticks_of(stat), 28);
    assert_eq!(ticks_of(""), 0);
}

#[test]
fn time_passes_for_all_processors() {
    let machine = Machine::open();
    let (before, begin) = (machine.system_ns(), Instant::now());
    std::thread::sleep(std::time::Duration::from_millis(20));
    let (after, wall) = (machine.system_ns(), begin.elapsed());
    let cpus = u64::from(machine.online_cpus());
    assert!(cpus >= 1 && before > 0 && memory_bytes() > 1 << 20);
    let wall_ns = u64::try_from(wall.as_nanos()).unwrap() * cpus;
    // The clocks are read one after the other, and this thread may wait between them.
    assert!(after - before >= 20_000_000 * cpus, "{before} {after}");
    assert!(after - before <= wall_ns + 1_000_000_000, "{before} {after} {wall_ns}");
}
