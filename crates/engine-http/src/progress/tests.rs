use distribution::Progress;
use http_body_util::BodyExt;

use super::*;

/// What a client reads when `work` does this.
async fn told<F>(work: impl FnOnce(Progress) -> F) -> Result<String, u16>
where
    F: Future<Output = Result<Option<String>, EngineError>> + Send + 'static,
{
    let (progress, reader) = Progress::channel();
    let (_wanted, gone) = tokio::sync::oneshot::channel();
    let reply =
        answer(work(progress), reader, gone).await.map_err(|reply| reply.status().as_u16())?;
    let response = crate::reply::finish(reply);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

fn layer(progress: &Progress, status: LayerStatus) {
    progress.layer("09937c5ba750", status);
}

#[tokio::test]
async fn lines_are_docker_s() {
    let text = told(|progress| async move {
        progress.send(ProgressEvent::Pulling { path: "a/b".to_owned(), tag: "v1".to_owned() });
        layer(&progress, LayerStatus::PullingFsLayer);
        layer(&progress, LayerStatus::Retrying { seconds: 1 });
        tokio::task::yield_now().await;
        layer(&progress, LayerStatus::MountedFrom("c/d".to_owned()));
        let name = "h/a/b:v1".to_owned();
        progress.send(ProgressEvent::PullStatus { name, is_newer: true });
        Ok(Some("WARNING: other".to_owned()))
    });
    assert_eq!(
        text.await.unwrap(),
        "{\"status\":\"Pulling from a/b\",\"id\":\"v1\"}\r\n\
         {\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"09937c5ba750\"}\r\n\
         {\"status\":\"Retrying in 1 second\",\"progressDetail\":{},\"id\":\"09937c5ba750\"}\r\n\
         {\"status\":\"Mounted from c/d\",\"progressDetail\":{},\"id\":\"09937c5ba750\"}\r\n\
         {\"status\":\"Status: Downloaded newer image for h/a/b:v1\"}\r\n\
         {\"status\":\"WARNING: other\"}\r\n"
    );
}

#[tokio::test]
async fn a_pushed_tag_is_told_twice() {
    let digest = oci::Digest::parse(&format!("sha256:{:064}", 7)).unwrap();
    let expect = format!(
        "{{\"status\":\"v1: digest: {digest} size: 5\"}}\r\n\
         {{\"progressDetail\":{{}},\
         \"aux\":{{\"Digest\":\"{digest}\",\"Size\":5,\"Tag\":\"v1\"}}}}\r\n"
    );
    let tag = PushedTag { tag: "v1".to_owned(), digest, size: 5 };
    let text = told(|progress| async move {
        progress.send(ProgressEvent::Pushed(tag));
        Ok(None)
    });
    assert_eq!(text.await.unwrap(), expect);
}

#[tokio::test]
async fn errors_have_a_status_as_long_as_nothing_was_told() {
    let failed = || EngineError::not_found("no such manifest");
    assert_eq!(told(|_| async move { Err(failed()) }).await, Err(404));
    let text = told(|progress| async move {
        layer(&progress, LayerStatus::Preparing);
        Err(failed())
    });
    let text = text.await.unwrap();
    assert!(
        text.ends_with(
            "{\"errorDetail\":{\"message\":\"no such manifest\"},\
             \"error\":\"no such manifest\"}\r\n"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn a_reader_that_leaves_stops_the_work() {
    let (progress, reader) = Progress::channel();
    let (stopped, is_stopped) = tokio::sync::oneshot::channel::<()>();
    let work = async move {
        let _stopped = stopped;
        layer(&progress, LayerStatus::Preparing);
        std::future::pending::<()>().await;
        Ok(None)
    };
    let (_wanted, gone) = tokio::sync::oneshot::channel();
    drop(answer(work, reader, gone).await);
    tokio::time::timeout(Duration::from_secs(20), is_stopped).await.unwrap().unwrap_err();
}

#[test]
fn numbers_are_told_ten_times_a_second() {
    let mut pace = Pace::default();
    let start = Instant::now();
    let mut at = |ms, current| {
        let (id, total) = ("a".to_owned(), 100);
        let status = LayerStatus::Downloading { current, total };
        pace.permits(&ProgressEvent::Layer { id, status }, start + Duration::from_millis(ms))
    };
    assert_eq!([at(0, 1), at(50, 2), at(120, 3), at(130, 4)], [true, false, true, false]);
    assert!(at(140, 100), "the last one is always told");
}
