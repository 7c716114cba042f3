use proptest::prelude::*;

use super::*;

type Frames = Vec<(Stream, Vec<u8>)>;

/// Decodes `bytes` cut into pieces, joining neighbors of one stream.
fn decode(bytes: &[u8], piece: usize) -> Result<(Frames, bool), StdcopyError> {
    let mut decoder = Decoder::new();
    let mut frames = Frames::new();
    for mut input in bytes.chunks(piece) {
        while let Some((stream, payload)) = decoder.next(&mut input)? {
            match frames.last_mut() {
                Some((last, bytes)) if *last == stream => bytes.extend_from_slice(payload),
                _ => frames.push((stream, payload.to_vec())),
            }
        }
        assert!(input.is_empty());
    }
    Ok((frames, decoder.is_between_frames()))
}

#[test]
fn header_is_as_documented() {
    assert_eq!(header(Stream::Stderr, 0x0102_0304), [2, 0, 0, 0, 1, 2, 3, 4]);
}

#[test]
fn cut_and_broken_streams() {
    let mut bytes = Vec::new();
    encode(Stream::Stdout, b"hello", &mut bytes);
    encode(Stream::Stderr, b"", &mut bytes);
    encode(Stream::Stderr, b"err", &mut bytes);
    let frames = vec![(Stream::Stdout, b"hello".to_vec()), (Stream::Stderr, b"err".to_vec())];
    for piece in 1..bytes.len() {
        assert_eq!(decode(&bytes, piece), Ok((frames.clone(), true)), "{piece}");
    }
    for cut in 1..bytes.len() {
        let (_, whole) = decode(&bytes[..cut], 4).unwrap();
        assert_eq!(whole, cut == 13, "{cut}");
    }
    assert_eq!(decode(&[1, 0, 0, 0, 0, 0, 0, 0], 8), Ok((vec![], true)));
    assert_eq!(decode(&[7; 8], 8), Err(StdcopyError::Stream(7)));
    let huge = [1, 0, 0, 0, 255, 255, 255, 255];
    assert_eq!(decode(&huge, 8), Err(StdcopyError::TooLarge(u32::MAX)));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(out: Vec<u8>, err: Vec<u8>, piece in 1usize..20) {
        let mut bytes = Vec::new();
        encode(Stream::Stdout, &out, &mut bytes);
        encode(Stream::Stderr, &err, &mut bytes);
        let mut expect = vec![(Stream::Stdout, out), (Stream::Stderr, err)];
        expect.retain(|(_, payload)| !payload.is_empty());
        prop_assert_eq!(decode(&bytes, piece), Ok((expect, true)));
    }

    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>, piece in 1usize..20) {
        let _ = decode(&bytes, piece);
    }
}
