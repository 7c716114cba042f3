use http_body_util::Empty;
use hyper::body::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_end_is_cut_off() {
    let (mut client, server) = tokio::io::duplex(1024);
    let service =
        service_fn(|_| async { Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new())) });
    let served = tokio::spawn(http().serve_connection(TokioIo::new(server), service));
    let begin = Instant::now();
    client.write_all(b"GET /_ping HTTP/1.1\r\n").await.unwrap();
    let more = async {
        // A little more now and then changes nothing.
        while client.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(HEAD_TIMEOUT / 7).await;
        }
    };
    let (ended, ()) = tokio::join!(served, more);
    assert!(ended.unwrap().unwrap_err().is_timeout());
    assert!(begin.elapsed() < HEAD_TIMEOUT * 2, "{:?}", begin.elapsed());
}
