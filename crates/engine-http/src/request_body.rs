//! The body of a request, of which the connection knows whether there may be more of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Bodies of one connection that are not read to their ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenBodies(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Open(OpenBodies);

impl OpenBodies {
    pub(crate) fn are_all_read(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }

    fn open(&self) -> Open {
        self.0.fetch_add(1, Ordering::SeqCst);
        Open(self.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Incoming,
    open: Option<Open>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, bodies: &OpenBodies) -> RequestBody {
        let open = (!incoming.is_end_stream()).then(|| bodies.open());
        RequestBody { incoming, open }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || self.incoming.is_end_stream() {
            self.open = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
