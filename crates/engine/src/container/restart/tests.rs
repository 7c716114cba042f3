use super::*;

fn policy(name: &str, retries: i64) -> RestartPolicy {
    RestartPolicy { name: name.to_owned(), maximum_retry_count: retries }
}

#[test]
fn names_and_their_refusals() {
    assert_eq!(Policy::parse(&policy("", 0)).unwrap(), Policy::No);
    assert_eq!(Policy::parse(&policy("always", 0)).unwrap(), Policy::Always);
    let three = Policy::OnFailure { retries_max: Some(3) };
    assert_eq!(Policy::parse(&policy("on-failure", 3)).unwrap(), three);
    for (name, retries, text) in [
        (
            "sometimes",
            0,
            "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', \
             'on-failure', or 'unless-stopped'",
        ),
        (
            "always",
            2,
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        ("on-failure", -1, "invalid restart policy: maximum retry count cannot be negative"),
    ] {
        let error = Policy::parse(&policy(name, retries)).unwrap_err();
        assert_eq!(error.client_text(), text);
        assert_eq!(error.kind(), stdx::Kind::Invalid);
    }
}

#[test]
fn who_is_restarted() {
    let on_failure = Policy::OnFailure { retries_max: Some(2) };
    for (policy, code, so_far, expected) in [
        (Policy::No, 1, 0, false),
        (Policy::Always, 0, 99, true),
        (Policy::UnlessStopped, 0, 99, true),
        (on_failure, 0, 0, false),
        (on_failure, 1, 1, true),
        (on_failure, 1, 2, false),
        (Policy::OnFailure { retries_max: None }, 1, 1000, true),
    ] {
        assert_eq!(policy.restarts(code, so_far), expected, "{policy:?} {code} {so_far}");
    }
    assert!(Policy::Always.restarts_at_open(true, true, 0));
    assert!(!Policy::UnlessStopped.restarts_at_open(true, true, 0));
    assert!(Policy::UnlessStopped.restarts_at_open(true, false, 0));
    assert!(!Policy::OnFailure { retries_max: None }.restarts_at_open(true, false, 0));
}

#[test]
fn pauses_double_up_to_a_minute_and_start_anew_after_a_steady_run() {
    let mut backoff = Backoff::default();
    let quick = Duration::from_secs(1);
    let pauses: Vec<u128> = (0..12).map(|_| backoff.after(quick).as_millis()).collect();
    let expected = [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000];
    assert_eq!(pauses, expected);
    assert_eq!(backoff.after(Duration::from_secs(10)), BACKOFF_MIN);
    assert_eq!(backoff.after(quick), BACKOFF_MIN * 2);
}
