use std::time::Duration;

use super::*;

fn image_event(events: &Events, action: &str, name: &str) {
    let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
    events.image(Caller::ENGINE, "sha256:abc", action, attributes);
}

fn filters(pairs: &[(&str, &str)]) -> Filters {
    let mut filters = Filters::default();
    for (key, value) in pairs {
        filters.add(key, value);
    }
    filters
}

#[tokio::test]
async fn past_and_future_come_once_and_in_order() {
    let events = Events::default();
    image_event(&events, "tag", "a:1");
    let since = Some(Timestamp::from_seconds(0));
    let mut all = events.stream(EventsSpec { since, ..EventsSpec::default() });
    let mut new = events.stream(EventsSpec::default());
    image_event(&events, "untag", "a:1");
    assert_eq!(all.next().await.unwrap().action, "tag");
    assert_eq!(all.next().await.unwrap().action, "untag");
    assert_eq!(new.next().await.unwrap().action, "untag");
}

#[tokio::test]
async fn until_ends_the_stream() {
    let events = Events::default();
    image_event(&events, "tag", "a:1");
    let spec = EventsSpec {
        since: Some(Timestamp::from_seconds(0)),
        until: Some(Timestamp::now()),
        filters: filters(&[("type", "image")]),
    };
    let mut stream = events.stream(spec);
    assert_eq!(stream.next().await.unwrap().action, "tag");
    let end = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
    assert!(end.unwrap().is_none());
}

#[test]
fn the_ring_is_bounded() {
    let events = Events::default();
    for number in 0..RING + 5 {
        image_event(&events, "tag", &number.to_string());
    }
    let spec = EventsSpec { since: Some(Timestamp::from_seconds(0)), ..EventsSpec::default() };
    let stream = events.stream(spec);
    assert_eq!(stream.past.len(), RING);
    assert_eq!(stream.past[0].actor.attributes["name"], "5");
}

#[test]
fn what_filters_mean() {
    let container = Event {
        kind: "container".to_owned(),
        action: "exec_create: sh ".to_owned(),
        scope: "local".to_owned(),
        actor: Actor {
            id: "abcdef".to_owned(),
            attributes: BTreeMap::from([
                ("name".to_owned(), "web".to_owned()),
                ("image".to_owned(), "busybox:1".to_owned()),
                ("tier".to_owned(), "front".to_owned()),
            ]),
        },
        ..Event::default()
    };
    for (pairs, expected) in [
        (&[][..], true),
        (&[("type", "container")], true),
        (&[("type", "image")], false),
        (&[("event", "exec_create")], true),
        (&[("event", "die")], false),
        (&[("container", "abc")], true),
        (&[("container", "web")], true),
        (&[("container", "db")], false),
        (&[("image", "busybox")], true),
        (&[("image", "busybox:1")], true),
        (&[("image", "alpine")], false),
        (&[("label", "tier=front")], true),
        (&[("label", "tier=back")], false),
        (&[("network", "x")], false),
        (&[("unknown", "x")], true),
        (&[("event", "die"), ("event", "exec_create")], true),
    ] {
        assert_eq!(matches(&filters(pairs), &container), expected, "{pairs:?}");
    }
}
