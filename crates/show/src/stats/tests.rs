use serde_json::json;

use super::super::list::render;
use super::*;

fn shown(stats: serde_json::Value) -> String {
    let stats: StatsResponse = serde_json::from_value(stats).unwrap();
    render(&SHAPE, "json", false, vec![row(&stats, "called", true)]).unwrap()
}

#[test]
fn version_1_as_docker_reckons() {
    let blocks = json!([
        {"op": "Read", "value": 4096}, {"op": "Write", "value": 8_192_000},
        {"op": "Sync", "value": 7}, {"op": "Total", "value": 9}, {"op": "Read", "value": 4}
    ]);
    let stats = json!({
        "name": "/s1", "id": "4ae0977fe99f22e9a1a9747d134416f5459295b417588cf3a0863413ca81b5d3",
        "pids_stats": {"current": 1}, "blkio_stats": {"io_service_bytes_recursive": blocks},
        "cpu_stats": {"cpu_usage": {"total_usage": 29873135673u64}, "online_cpus": 2,
                      "system_cpu_usage": 6508660000000u64},
        "precpu_stats": {"cpu_usage": {"total_usage": 28872403600u64}, "online_cpus": 2,
                         "system_cpu_usage": 6506680000000u64},
        "memory_stats": {"usage": 655360, "limit": 67108864,
                         "stats": {"total_inactive_file": 0, "inactive_file": 600000}},
        "networks": {"eth0": {"rx_bytes": 1072, "tx_bytes": 126}, "eth1": {"rx_bytes": 1}}
    });
    let expect = concat!(
        r#"{"BlockIO":"4.1kB / 8.19MB","CPUPerc":"101.08%","Container":"called","#,
        r#""ID":"4ae0977fe99f","MemPerc":"0.98%","MemUsage":"640KiB / 64MiB","Name":"s1","#,
        r#""NetIO":"1.07kB / 126B","PIDs":"1"}"#,
        "\n"
    );
    assert_eq!(shown(stats), expect);
}

#[test]
fn version_2_and_nothing_at_all() {
    let memory = json!({"usage": 100, "limit": 1000, "stats": {"inactive_file": 40}});
    let text = shown(json!({"memory_stats": memory}));
    assert!(text.contains(r#""MemPerc":"6.00%","MemUsage":"60B / 1000B""#), "{text}");
    let whole = json!({"usage": 100, "limit": 1000, "stats": {"inactive_file": 100}});
    assert!(shown(json!({"memory_stats": whole})).contains("100B / 1000B"));
    let text = shown(json!({}));
    for part in [r#""CPUPerc":"0.00%""#, r#""MemUsage":"0B / 0B""#, r#""NetIO":"0B / 0B""#] {
        assert!(text.contains(part), "{text}");
    }
    // A counter that went back is no use.
    let backwards = json!({"precpu_stats": {"cpu_usage": {"total_usage": 5}}});
    assert!(shown(backwards).contains(r#""CPUPerc":"0.00%""#));
}
