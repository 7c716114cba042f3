//! Tests of this crate's plain parts.

use crate::{LayerStatus, Progress, ProgressEvent};

fn layer(id: &str, status: LayerStatus) -> ProgressEvent {
    ProgressEvent::Layer { id: id.to_owned(), status }
}

#[tokio::test]
async fn a_slow_reader_misses_numbers_but_no_results() {
    let (progress, reader) = Progress::channel();
    progress.layer("a", LayerStatus::PullingFsLayer);
    for current in 0..1000 {
        for id in ["a", "b"] {
            progress.layer(id, LayerStatus::Downloading { current, total: 1000 });
        }
    }
    progress.layer("a", LayerStatus::DownloadComplete);
    drop(progress);
    let mut seen = Vec::new();
    while let Some(event) = reader.next().await {
        seen.push(event);
    }
    let expected = [
        layer("a", LayerStatus::PullingFsLayer),
        layer("b", LayerStatus::Downloading { current: 999, total: 1000 }),
        layer("a", LayerStatus::DownloadComplete),
    ];
    assert_eq!(seen, expected);
}
