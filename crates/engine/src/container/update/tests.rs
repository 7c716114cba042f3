use super::*;

#[test]
fn limits_go_back_to_where_they_were() {
    assert_eq!(touched(&Resources::default(), &Resources::default()), Limits::default());
    let wish = Resources {
        memory: 32 << 20,
        cpu_shares: 512,
        cpu_quota: 50_000,
        cpu_period: 50_000,
        memory_reservation: 1,
        pids_limit: Some(-1),
        ..Resources::default()
    };
    let before = touched(&Resources::default(), &wish);
    assert_eq!(before.memory_bytes, Some(Limit::Unlimited));
    assert_eq!(before.memory_swap_bytes, None);
    assert_eq!(before.memory_reservation_bytes, Some(Limit::Unlimited));
    assert_eq!(before.cpu_shares, Some(1024));
    assert_eq!(before.cpu_quota_us, Some(Limit::Unlimited));
    assert_eq!(before.cpu_period_us, Some(100_000));
    assert_eq!(before.pids, Some(Limit::At(plan::limits::PIDS_DEFAULT)));
    // The total of memory and swap stays when memory alone changes.
    let limited = Resources { memory: 64, memory_swap: 128, ..Resources::default() };
    let memory = Resources { memory: 32, ..Resources::default() };
    let got = touched(&limited, &memory);
    let expected = (Some(Limit::At(64)), Some(Limit::At(128)));
    assert_eq!((got.memory_bytes, got.memory_swap_bytes), expected);
    let cpus = Resources { nano_cpus: 5, ..Resources::default() };
    assert_eq!(touched(&Resources::default(), &cpus).cpu_quota_us, Some(Limit::Unlimited));
    assert_eq!(touched(&cpus, &cpus).nano_cpus, Some(5));
    assert_eq!(touched(&cpus, &cpus).cpu_quota_us, None);
}
