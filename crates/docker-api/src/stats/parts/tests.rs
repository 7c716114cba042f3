use super::*;

#[test]
fn names_of_parts() {
    use StatsPart::{Blkio, Cpu, Memory, Networks, Pids};
    let some = |parts: &[StatsPart]| Ok(StatsParts::Some(parts.to_vec()));
    for (text, expect) in [
        ("", Ok(StatsParts::All)),
        ("cpu", some(&[Cpu])),
        ("memory, pids", some(&[Memory, Pids])),
        ("blkio,networks,blkio", some(&[Blkio, Networks, Blkio])),
        ("cpu,", Err(UnknownPart(String::new()))),
        ("cpu_stats", Err(UnknownPart("cpu_stats".into()))),
    ] {
        assert_eq!(StatsParts::parse(text), expect, "{text}");
    }
}

#[test]
fn lines_with_parts() {
    let networks = [("eth0".to_owned(), Default::default())].into();
    let line = StatsResponse {
        name: "/a".into(),
        id: "1".into(),
        networks: Some(networks),
        ..StatsResponse::default()
    };
    let keys = |parts: &str| {
        let parts = StatsParts::parse(parts).unwrap();
        let value = serde_json::to_value(parts.of(&line)).unwrap();
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(keys(""), {
        let value = serde_json::to_value(&line).unwrap();
        value.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    });
    let always = ["id", "name", "preread", "read"];
    let expect = |more: &[&str]| {
        let mut keys: Vec<String> = always.iter().chain(more).map(ToString::to_string).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(keys("cpu"), expect(&["cpu_stats", "precpu_stats"]));
    assert_eq!(keys("memory,networks"), expect(&["memory_stats", "networks"]));
    let everything =
        ["blkio_stats", "cpu_stats", "memory_stats", "networks", "pids_stats", "precpu_stats"];
    assert_eq!(keys("pids,blkio,cpu,memory,networks"), expect(&everything));
}
