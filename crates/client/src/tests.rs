//! Against a real socket with a scripted engine behind it.

use std::time::Duration;

use docker_api::{AuthConfig, CreateRequest, ExecStart, stdcopy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

struct Engine {
    listener: UnixListener,
    client: Client,
    _directory: tempfile::TempDir,
}

fn engine() -> Engine {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let client = Client::connect(&format!("unix://{}", path.display())).unwrap();
    Engine { listener, client, _directory: directory }
}

/// Reads a request's head; the test reads its body itself.
async fn read_head(socket: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers one connection's requests in turn, returns their first lines.
fn serve(listener: UnixListener, answers: Vec<String>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut lines = Vec::new();
        for answer in answers {
            let head = read_head(&mut socket).await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            socket.read_exact(&mut body).await.unwrap();
            let first = head.lines().next().unwrap_or_default();
            lines.push(format!("{first} {}", String::from_utf8(body).unwrap()));
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
        lines
    })
}

async fn within<F: Future>(future: F) -> F::Output {
    timeout(DEADLINE, future).await.expect("the deadline is far away")
}

#[tokio::test]
async fn short_calls_share_a_connection() {
    let Engine { listener, client, _directory } = engine();
    let served = serve(
        listener,
        vec![
            answer("201 Created", r#"{"Id":"abc","Warnings":[]}"#),
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
            answer("200 OK", r#"[{"Id":"abc","Labels":null}]"#),
        ],
    );
    let mut request = CreateRequest::default();
    request.config.image = "bb".to_owned();
    let options = CreateOptions { name: "a b".to_owned(), ..CreateOptions::default() };
    let created = within(client.container_create(&request, &options)).await.unwrap();
    assert_eq!(created.id, "abc");
    assert_eq!(within(client.container_start("abc", "")).await.unwrap(), Effect::Changed);
    let stop = StopOptions { timeout: Some(1), ..StopOptions::default() };
    assert_eq!(within(client.container_stop("abc", &stop)).await.unwrap(), Effect::Already);
    let mut list = ListOptions { all: true, ..ListOptions::default() };
    list.filters.add("label", "x=y");
    assert_eq!(within(client.container_list(&list)).await.unwrap().len(), 1);

    let lines = within(served).await.unwrap();
    let body = serde_json::to_string(&request).unwrap();
    assert_eq!(
        lines,
        [
            format!("POST /v1.51/containers/create?name=a%20b HTTP/1.1 {body}"),
            "POST /v1.51/containers/abc/start HTTP/1.1 ".to_owned(),
            "POST /v1.51/containers/abc/stop?t=1 HTTP/1.1 ".to_owned(),
            "GET /v1.51/containers/json?all=1&filters=%7B%22label%22%3A%7B%22x%3Dy%22%3Atrue%7D%7D \
             HTTP/1.1 "
                .to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_closed_connection_is_replaced() {
    let Engine { listener, client, _directory } = engine();
    let served = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_head(&mut socket).await;
            socket.write_all(answer("200 OK", "OK").as_bytes()).await.unwrap();
        }
    });
    within(client.ping()).await.unwrap();
    within(client.ping()).await.unwrap();
    within(served).await.unwrap();
}

#[tokio::test]
async fn refusals_carry_the_engines_words() {
    let Engine { listener, client, _directory } = engine();
    for (reply, message, status) in [
        (
            answer("404 Not Found", "{\"message\":\"No such container: x\"}\n"),
            "No such container: x",
            404,
        ),
        (answer("400 Bad Request", "client is too old\n"), "client is too old", 400),
        (answer("500 Internal Server Error", ""), "Internal Server Error", 500),
    ] {
        let served = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_head(&mut socket).await;
            socket.write_all(reply.as_bytes()).await.unwrap();
        };
        let (result, ()) =
            within(async { tokio::join!(client.container_inspect("x", false), served) }).await;
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), format!("Error response from daemon: {message}"));
        assert_eq!(error.api().unwrap().status, status);
        assert_eq!(error.is_not_found(), status == 404);
    }
}

#[tokio::test]
async fn nobody_listens() {
    let client = Client::connect("unix:///nonexistent/wharf.sock").unwrap();
    let error = within(client.version()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Cannot connect to the Wharf engine at unix:///nonexistent/wharf.sock. Is it running?\
         \n\nRun `wharf up` to start it."
    );
    for (host, expect) in [
        ("tcp://1.2.3.4:2375", "TCP is not supported yet"),
        ("ssh://x", "SSH is not supported yet"),
        ("unix://relative", "the path must be absolute"),
        ("/x.sock", "it must have the form `unix:///path`"),
        ("npipe:////x", "only `unix:///path` is supported"),
    ] {
        let error = Client::connect(host).unwrap_err().to_string();
        assert!(error.contains(expect) && error.contains(host), "{error}");
    }
}

#[tokio::test]
async fn waiting_begins_before_the_answer_is_there() {
    let Engine { listener, client, _directory } = engine();
    let (go, gone) = tokio::sync::oneshot::channel();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("POST /v1.51/containers/c/wait?condition=next-exit "), "{head}");
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
        gone.await.unwrap();
        socket.write_all(b"11\r\n{\"StatusCode\":3}\n\r\n0\r\n\r\n").await.unwrap();
    });
    let mut pending = within(client.container_wait("c", WaitCondition::NextExit)).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(within(pending.result()).await.unwrap().status_code, 3);
    within(served).await.unwrap();
}

#[tokio::test]
async fn lines_come_in_any_pieces() {
    let Engine { listener, client, _directory } = engine();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_head(&mut socket).await;
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        for piece in ["{\"status\":", "\"a\"}\r\n\r\n{\"status\":\"b\"}\r\n{\"st", "atus\":\"c\"}"]
        {
            socket.write_all(piece.as_bytes()).await.unwrap();
            socket.flush().await.unwrap();
        }
    });
    let pull = PullOptions { repository: "bb".into(), ..PullOptions::default() };
    let mut lines = within(client.image_pull(&pull, &AuthConfig::default())).await.unwrap();
    let mut seen = Vec::new();
    while let Some(line) = within(lines.next()).await.unwrap() {
        seen.push(line.status);
    }
    assert_eq!(seen, ["a", "b", "c"]);
    within(served).await.unwrap();
}

#[tokio::test]
async fn uploads_arrive_whole() {
    let Engine { listener, client, _directory } = engine();
    let archive: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let expect = archive.clone();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("POST /v1.51/images/load?quiet=1 "), "{head}");
        assert!(head.contains("content-type: application/x-tar\r\n"), "{head}");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        let mut body = Vec::new();
        loop {
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                size.push(socket.read_u8().await.unwrap());
            }
            let size = String::from_utf8(size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            socket.read_exact(&mut piece).await.unwrap();
            body.extend_from_slice(&piece[..size]);
            if size == 0 {
                break;
            }
        }
        let line = "{\"stream\":\"Loaded image: x:1\\n\"}\r\n";
        socket.write_all(answer("200 OK", line).as_bytes()).await.unwrap();
        body
    });
    let mut lines = within(client.image_load(std::io::Cursor::new(archive), true)).await.unwrap();
    let line = within(lines.next()).await.unwrap().unwrap();
    assert_eq!(line.stream, "Loaded image: x:1\n");
    assert!(within(served).await.unwrap() == expect);
}

#[tokio::test]
async fn hijack_half_closes_and_still_reads() {
    let Engine { listener, client, _directory } = engine();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let head = read_head(&mut socket).await;
        assert!(head.starts_with("POST /v1.51/containers/c/attach?stdin=1&stdout=1&stream=1 "));
        assert!(head.contains("connection: Upgrade\r\n") && head.contains("upgrade: tcp\r\n"));
        // The first bytes of the stream come in one piece with the head.
        let mut reply = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
            Content-Type: application/vnd.docker.multiplexed-stream\r\n\r\n"
            .to_vec();
        stdcopy::encode(stdcopy::Stream::Stdout, b"early", &mut reply);
        socket.write_all(&reply).await.unwrap();
        let mut stdin = Vec::new();
        socket.read_to_end(&mut stdin).await.unwrap();
        let mut echo = Vec::new();
        stdcopy::encode(stdcopy::Stream::Stderr, &stdin, &mut echo);
        socket.write_all(&echo).await.unwrap();
    });
    let options =
        AttachOptions { stdin: true, stdout: true, stream: true, ..AttachOptions::default() };
    let mut hijacked = within(client.container_attach("c", &options)).await.unwrap();
    assert_eq!(hijacked.framing, Framing::Multiplexed);
    hijacked.writer.write_all(b"typed").await.unwrap();
    hijacked.writer.shutdown().await.unwrap();
    let mut output = Vec::new();
    within(hijacked.reader.read_to_end(&mut output)).await.unwrap();
    within(served).await.unwrap();

    let (mut decoder, mut input) = (stdcopy::Decoder::new(), output.as_slice());
    let first = decoder.next(&mut input).unwrap();
    assert_eq!(first, Some((stdcopy::Stream::Stdout, &b"early"[..])));
    let second = decoder.next(&mut input).unwrap();
    assert_eq!(second, Some((stdcopy::Stream::Stderr, &b"typed"[..])));
}

#[tokio::test]
async fn a_refused_hijack_is_an_error() {
    let Engine { listener, client, _directory } = engine();
    let body = r#"{"message":"container c is not running"}"#;
    let served = serve(listener, vec![answer("409 Conflict", body)]);
    let error = within(client.exec_start("e", &ExecStart::default())).await.unwrap_err();
    assert_eq!(error.to_string(), "Error response from daemon: container c is not running");
    assert_eq!(error.kind(), stdx::Kind::Conflict);
    let lines = within(served).await.unwrap();
    assert_eq!(lines, [r#"POST /v1.51/exec/e/start HTTP/1.1 {"Detach":false,"Tty":false}"#]);
}
