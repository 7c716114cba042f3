use super::*;

#[test]
fn shares_become_weight_as_in_runc() {
    // The curve's ends, the defaults, and the values that runc's own tests name.
    for (shares, weight) in [
        (0, 1),
        (2, 1),
        (1024, 100),
        (262_144, 10_000),
        (1_000_000, 10_000),
        (1022, 100),
        (1023, 100),
        (1025, 101),
        (512, 59),
        (2048, 174),
    ] {
        assert_eq!(weight_of_shares(shares), weight, "{shares}");
    }
}

#[test]
fn block_weight_is_linear() {
    for (blkio, io) in [(10, 1), (1000, 10_000), (500, 4950), (0, 1), (u16::MAX, 10_000)] {
        assert_eq!(io_weight_of_blkio(blkio), io, "{blkio}");
    }
}

#[test]
fn nano_cpus_become_a_quota() {
    let check = |nano_cpus, quota_us| {
        let limits = Limits { nano_cpus: Some(nano_cpus), ..Limits::default() };
        assert_eq!(limits.quota_and_period(), (Some(Limit::At(quota_us)), Some(100_000)));
    };
    check(1_500_000_000, 150_000);
    check(1, 1000);
    check(u64::MAX, 1_844_674_407_370_955);
}
