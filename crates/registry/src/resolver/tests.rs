use super::message::{Answer, Question, RecordType};
use super::*;

#[test]
fn hosts_files_are_read_as_others_do() {
    let text = "# no\n::1 localhost me\n127.0.0.1\tlocalhost Me # ok\n127.0.0.2 other\nx me\n";
    let found = addresses_in(text, "me");
    assert_eq!(found, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    assert!(addresses_in(text, "ok").is_empty());
}

#[test]
fn configurations_say_whom_to_ask_and_under_which_names() {
    let config = Config::parse(
        "nameserver 10.0.0.1 ; first\nnameserver fe\nsearch a.com b.com.\noptions ndots:2 x y:z",
    );
    assert_eq!(config.servers, ["10.0.0.1:53".parse().unwrap()]);
    for (host, names) in [
        ("x", vec!["x.a.com", "x.b.com", "x"]),
        ("x.y.z", vec!["x.y.z", "x.y.z.a.com", "x.y.z.b.com"]),
        ("x.", vec!["x"]),
    ] {
        assert_eq!(config.candidates(host), names);
    }
    assert_eq!(Config::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
}

/// An answer to `question` with these records after the question.
fn answer(question: &Question<'_>, flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = question.encode().unwrap();
    bytes[2] = 0x80 | flags[0];
    bytes[3] = flags[1];
    bytes[7] = records.len() as u8;
    records.iter().for_each(|record| bytes.extend(*record));
    bytes
}

#[test]
fn answers_are_read_only_when_they_belong_to_the_question() {
    let question = Question { id: 7, name: "reg.example", record: RecordType::A };
    let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, b'z', 0];
    let address = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 10, 1, 2, 3];
    let good = answer(&question, [0, 0], &[&alias, &address]);
    let expected = Answer::Addresses(vec!["10.1.2.3".parse().unwrap()]);
    assert_eq!(question.read(&good), Some(expected));
    assert_eq!(Question { id: 8, ..question }.read(&good), None);
    assert_eq!(Question { name: "other.example", ..question }.read(&good), None);
    assert_eq!(question.read(&good[..good.len() - 1]), None);
    assert_eq!(question.read(&answer(&question, [2, 0], &[])), Some(Answer::Truncated));
    let none = Some(Answer::Addresses(Vec::new()));
    assert_eq!(question.read(&answer(&question, [0, 3], &[])), none);
    assert_eq!(question.read(&answer(&question, [0, 2], &[])), Some(Answer::Failed(2)));
    assert!(Question { id: 1, name: "a..b", record: RecordType::A }.encode().is_none());
}
