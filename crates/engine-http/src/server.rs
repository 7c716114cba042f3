//! Listening and serving connections.

use std::convert::Infallible;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use docker_api::messages;
use engine::{Caller, Engine};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use crate::call::{Call, Head};
use crate::reply::{self, Reply, Response};
use crate::request_body::RequestBody;
use crate::routes;
use crate::socket::Socket;

/// Connections at the same time: far above what clients of a thousand containers need, far below
/// what descriptors allow.
const CONNECTIONS_MAX: usize = 10_240;

/// A client that has begun a request must end its head in this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long connections may take to end at shutdown; streams are cut then.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(200);

/// Serves the Engine API on `listeners` until `shutdown` says true.
pub async fn serve(
    engine: Arc<Engine>,
    listeners: Vec<UnixListener>,
    shutdown: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(engine.clone(), listener, room.clone(), shutdown.clone()));
    }
    while accepting.join_next().await.is_some() {}
}

async fn accept(
    engine: Arc<Engine>,
    listener: UnixListener,
    room: Arc<Semaphore>,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => break,
            Some(_) = connections.join_next() => continue,
            permit = room.clone().acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let engine = engine.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    connection(engine, stream).await;
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: others have to end before a next one can begin.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // Streams have no end of their own; dropping the set cuts them.
    drop(tokio::time::timeout(SHUTDOWN_GRACE, ended).await);
}

async fn connection(engine: Arc<Engine>, stream: UnixStream) {
    let caller = match sys::socket::peer_credentials(stream.as_fd()) {
        Ok(peer) => Caller { uid: peer.uid, gid: peer.gid, pid: peer.pid },
        // Without knowing who calls nothing may be done.
        Err(error) => return tracing::warn!(%error, "peer credentials are missing"),
    };
    let socket = Socket::new(stream);
    let bodies = socket.bodies.clone();
    let service = service_fn(move |request: Request<_>| {
        let engine = engine.clone();
        let request = request.map(|body| RequestBody::new(body, &bodies));
        async move { Ok::<_, Infallible>(answer(engine, caller, request).await) }
    });
    let serving = http().serve_connection(TokioIo::new(socket.clone()), service).with_upgrades();
    tokio::select! {
        // First what was said, then whether the client is still there.
        biased;
        served = serving => {
            if let Err(error) = served {
                tracing::debug!(%error, "connection ended");
            }
        }
        () = socket.left() => tracing::debug!("the client left before its answer"),
    }
}

/// How connections are read.
fn http() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).half_close(true);
    builder
}

async fn answer(engine: Arc<Engine>, caller: Caller, request: Request<RequestBody>) -> Response {
    if request.method() == Method::OPTIONS {
        return reply::finish(Reply::empty(StatusCode::OK));
    }
    let head = match Head::read(request.uri(), request.method()) {
        Ok(head) => head,
        Err(refusal) => return reply::finish(refusal),
    };
    let Some((route, values)) = routes::find(&head.method, &head.path) else {
        let reply = Reply::error(StatusCode::NOT_FOUND, messages::PAGE_NOT_FOUND);
        return reply::finish(reply);
    };
    // Dropped with this answer.
    let (_wanted, gone) = oneshot::channel();
    let call = Call::new(engine, caller, head, values, request, gone);
    let method = call.head.method.clone();
    let path = call.head.path.clone();
    // A task of its own: what was begun for a client that leaves meanwhile is done to its end.
    // Streams are bodies of answers, and end with their connection; transfers look at `gone`.
    let outcome = match tokio::spawn((route.handler)(call)).await {
        Ok(outcome) => outcome.unwrap_or_else(Reply::from),
        Err(error) => {
            tracing::error!(%method, path, %error, "a handler did not come to its end");
            Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "the request failed in the engine")
        }
    };
    tracing::debug!(%method, path, status = outcome.status().as_u16(), uid = caller.uid, "call");
    reply::finish(outcome)
}

#[cfg(test)]
mod tests;
