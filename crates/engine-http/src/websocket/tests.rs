use super::frame::Violation;
use super::*;

#[test]
fn the_answer_of_the_standard() {
    // RFC 6455 section 1.3.
    assert_eq!(answer_to("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

/// A client's frame: first byte, then length, mask and payload.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let mut frame = frame::encode(Opcode::Binary, payload);
    frame[0] = first;
    frame[1] |= 0x80;
    let head = frame.len() - payload.len();
    frame.truncate(head);
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// All that is said, with pieces of data put together.
fn decode(bytes: &[u8], step: usize) -> (Vec<Message>, Option<Violation>) {
    let (mut decoder, mut buffer, mut all) = (Decoder::default(), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.next(&mut buffer) {
                Ok(None) => break,
                Err(violation) => return (all, Some(violation)),
                Ok(Some(Message::Data(more))) => match all.last_mut() {
                    Some(Message::Data(data)) => data.extend(more),
                    _ => all.push(Message::Data(more)),
                },
                Ok(Some(other)) => all.push(other),
            }
        }
    }
    (all, None)
}

#[test]
fn frames_come_in_pieces_of_any_size() {
    let long: Vec<u8> = (0..70_000u32).map(|n| n as u8).collect();
    let mut stream = masked(0x02, b"fragment");
    stream.extend(masked(0x89, b"in between"));
    stream.extend(masked(0x80, b"ed"));
    stream.extend(masked(0x81, b""));
    stream.extend(masked(0x82, &long[..300]));
    stream.extend(masked(0x82, &long));
    stream.extend(masked(0x8a, b"unasked"));
    stream.extend(masked(0x88, &1000u16.to_be_bytes()));
    let data = [b"ed", &long[..300], &long].concat();
    let expected = vec![
        Message::Data(b"fragment".to_vec()),
        Message::Ping(b"in between".to_vec()),
        Message::Data(data),
        Message::Pong,
        Message::Close,
    ];
    for step in [1, 2, 3, 7, 1000, stream.len()] {
        assert_eq!(decode(&stream, step), (expected.clone(), None), "{step}");
    }
}

#[test]
fn what_breaks_the_protocol_is_refused() {
    let mut unmasked = frame::encode(Opcode::Binary, b"x");
    unmasked.push(0);
    let too_long = [&[0x82, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (stream, violation) in [
        (unmasked, Violation::NotMasked),
        (masked(0xc2, b"x"), Violation::ReservedBits),
        (masked(0x83, b"x"), Violation::Opcode),
        (masked(0x80, b"x"), Violation::Order),
        ([masked(0x02, b"x"), masked(0x82, b"y")].concat(), Violation::Order),
        (masked(0x89, &[0; 126]), Violation::Control),
        (masked(0x09, b"x"), Violation::Control),
        (too_long, Violation::Length),
    ] {
        assert_eq!(decode(&stream, stream.len()).1, Some(violation), "{stream:x?}");
    }
    // A length beyond all memory takes none.
    let huge = [&[0x82, 0xff][..], &(1u64 << 62).to_be_bytes(), &[0; 4], b"piece"].concat();
    assert_eq!(decode(&huge, 3), (vec![Message::Data(b"piece".to_vec())], None));
}

#[test]
fn frames_of_a_server() {
    assert_eq!(frame::encode(Opcode::Text, b"hi"), [0x81, 2, b'h', b'i']);
    assert_eq!(frame::encode(Opcode::Pong, b""), [0x8a, 0]);
    assert_eq!(&frame::encode(Opcode::Binary, &[0; 126])[..4], [0x82, 126, 0, 126]);
    let long = frame::encode(Opcode::Binary, &[0; 0x1_0000]);
    assert_eq!(&long[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}
