use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn intervals() {
    let rows = [
        (0, None),
        (99, None),
        (100, Some(1)),
        (101, Some(2)),
        (1000, Some(10)),
        (3_600_000, Some(36_000)),
        (3_600_001, None),
    ];
    for (given, expect) in rows {
        assert_eq!(Interval::new(ms(given)), expect.map(Interval), "{given}");
    }
}

#[test]
fn the_next_reading_is_neither_too_near_nor_too_far() {
    let rows = [(0, 10), (1, 10), (5, 10), (6, 20), (9, 20), (10, 20), (14, 20), (16, 30)];
    for (first, expect) in rows {
        assert_eq!(Interval(10).after_first(first), expect, "{first}");
    }
    assert_eq!(Interval(1).after_first(7), 7);
    assert_eq!(Interval(10).after(10), 20);
    assert_eq!(Interval(10).after(19), 20);
}

#[test]
fn passes_are_shared_and_end() {
    let begin = Instant::now();
    let mut schedule = Schedule::new(begin);
    let second = Interval(10);
    let due = |schedule: &Schedule, now: u64| {
        let next = schedule.next(begin + ms(now));
        next.map(|next| next.duration_since(begin).as_millis() as u64)
    };
    for _ in 0..1000 {
        schedule.add(second);
    }
    assert_eq!(due(&schedule, 0), Some(1000));
    schedule.add(Interval(3));
    assert_eq!(due(&schedule, 10), Some(300));
    assert_eq!(schedule.passed(begin + ms(301)), 3);
    assert_eq!(due(&schedule, 301), Some(600));
    // A slow pass leaves out what it has missed.
    assert_eq!(schedule.passed(begin + ms(2450)), 24);
    assert_eq!(due(&schedule, 2450), Some(2700));
    schedule.hurry(begin + ms(2460));
    schedule.hurry(begin + ms(2500));
    assert_eq!(due(&schedule, 2451), Some(2460));
    assert_eq!(schedule.passed(begin + ms(2461)), 24);
    assert_eq!(due(&schedule, 2462), Some(2700));
    schedule.remove(Interval(3), begin + ms(2470));
    assert_eq!(due(&schedule, 2470), Some(3000));
    for _ in 0..1000 {
        schedule.remove(second, begin + ms(2480));
    }
    assert_eq!(due(&schedule, 2500), Some(3000));
    assert_eq!(due(&schedule, 32_479), Some(3000));
    assert_eq!(due(&schedule, 32_480), None);
}
