use docker_api::Port;

use super::indent::indent;
use super::table::align;
use super::{human, words};

#[test]
fn columns_align_as_tabwriter_does() {
    assert_eq!(
        align("A\tPORTS\tN\nlonger cell\t\tx\n", 10),
        "A             PORTS     N\nlonger cell             x\n"
    );
    // A line with fewer cells ends the column above it.
    assert_eq!(align("aaaaaaaaaaaa\tb\nplain\nc\td", 4), "aaaaaaaaaaaa   b\nplain\nc   d");
    assert_eq!(align("é…\tx", 1), "é…   x");
}

#[test]
fn times_and_texts_are_shortened() {
    assert_eq!(human::instant(1_795_470_132), "2026-11-23 21:42:12 +0000 UTC");
    assert_eq!(human::ellipsis("sh -c 'sleep 2.5; touch'", 20), "sh -c 'sleep 2.5; t…");
}

fn port(ip: &str, private: u16, public: u16) -> Port {
    let ip = ip.to_owned();
    Port { ip, private_port: private, public_port: public, protocol: "tcp".into() }
}

#[test]
fn ports_are_put_together() {
    #[track_caller]
    fn check(ports: &[Port], text: &str) {
        assert_eq!(words::ports(ports), text);
    }
    check(&[], "");
    check(&[port("", 80, 0)], "80/tcp");
    check(&[port("", 80, 0), port("", 81, 0), port("", 90, 0)], "80-81/tcp, 90/tcp");
    check(
        &[port("::", 80, 18080), port("0.0.0.0", 80, 18080)],
        "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp",
    );
    check(&[port("0.0.0.0", 80, 80), port("0.0.0.0", 81, 81)], "0.0.0.0:80-81->80-81/tcp");
}

#[test]
fn json_is_laid_out_in_lines() {
    assert_eq!(
        indent(r#"[{"a":[],"b":{"c":"x: [,\"]"}, "d":[1,2]}]"#, "", 4),
        concat!(
            "[\n    {\n        \"a\": [],\n        \"b\": {\n",
            "            \"c\": \"x: [,\\\"]\"\n        },\n",
            "        \"d\": [\n            1,\n            2\n        ]\n    }\n]",
        )
    );
}
