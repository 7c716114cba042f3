use monitor::protocol::{AttachSpec, ExecExit};

use super::*;

fn attach() -> Request {
    Request::Attach(AttachSpec {
        attach_id: 7,
        stdin: true,
        stdout: true,
        stderr: false,
        multiplexed: false,
        detach_keys: Vec::new(),
        preread: vec![b'x'; 300_000],
    })
}

/// Receives until a whole request is there, with what descriptors came.
fn receive(socket: &OwnedFd) -> (Request, usize) {
    let (mut decoder, mut fds) = (Decoder::default(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let got = sys::socket::receive_with_fds(socket.as_fd(), &mut buffer, true).unwrap();
        assert!(got.bytes > 0, "the stream ended");
        fds += got.fds.len();
        decoder.push(&buffer[..got.bytes]);
        if let Some(request) = decoder.pop().unwrap() {
            return (request, fds);
        }
    }
}

#[tokio::test]
async fn large_requests_and_their_descriptor_arrive_whole() {
    let (ours, theirs) = sys::socket::socketpair_stream().unwrap();
    let mut link = Link::over(ours).unwrap();
    let receiver = std::thread::spawn(move || receive(&theirs));
    let (client, _other) = sys::socket::socketpair_stream().unwrap();
    link.send(&attach(), Some(client.as_fd())).await.unwrap();
    let (request, fds) = receiver.join().unwrap();
    assert!(matches!(request, Request::Attach(spec) if spec.preread.len() == 300_000));
    assert_eq!(fds, 1);
}

#[tokio::test]
async fn events_are_put_together_from_pieces() {
    let (ours, theirs) = sys::socket::socketpair_stream().unwrap();
    let mut link = Link::over(ours).unwrap();
    let bytes = frame::encode(&Event::ExecExited(ExecExit { exec_id: "e".to_owned(), code: 3 }));
    let (head, tail) = bytes.split_at(5);
    sys::socket::send_with_fds(theirs.as_fd(), head, &[]).unwrap();
    let soon = tokio::time::timeout(Duration::from_millis(1), link.next()).await;
    assert!(soon.is_err(), "half a frame is no event");
    sys::socket::send_with_fds(theirs.as_fd(), tail, &[]).unwrap();
    let event = link.next().await.unwrap();
    assert!(matches!(event, Some(Event::ExecExited(exit)) if exit.code == 3));
    drop(theirs);
    assert!(link.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_watch_sees_the_end_of_a_process() {
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = child.id() as i32;
    let ticks = monitor::records::start_ticks(pid).unwrap();
    assert!(Watch::new(pid, ticks + 1).is_none(), "another process of the same number");
    let watch = Watch::new(pid, ticks).unwrap();
    watch.signal(9).unwrap();
    tokio::time::timeout(Duration::from_secs(10), watch.ended()).await.unwrap();
    child.wait().unwrap();
}
