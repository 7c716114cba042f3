use proptest::prelude::*;
use serde_json::Value;

use super::*;

#[test]
fn limits_hold() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(read::<Value>(nested(DEPTH_MAX).as_bytes(), 1000).is_ok());
    let too_deep = read::<Value>(nested(DEPTH_MAX + 1).as_bytes(), 1000);
    assert!(matches!(too_deep, Err(JsonError::TooDeep)));
    let in_string = format!("\"{}\\\"{}\"", "[".repeat(90), "{".repeat(90));
    assert!(read::<Value>(in_string.as_bytes(), 1000).is_ok());
    assert!(matches!(read::<Value>(b"[1,2]", 4), Err(JsonError::TooLarge { bytes: 5, .. })));
    assert!(matches!(read::<Value>(b"[1,", 4), Err(JsonError::Malformed(_))));
}

proptest! {
    #[test]
    fn foreign_bytes_do_not_panic(bytes: Vec<u8>) {
        let _ = read::<Value>(&bytes, 100);
    }
}
