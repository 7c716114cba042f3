use docker_api::{ContainerSummary, ImageSummary};

use crate::{containers, images, list};

fn container() -> ContainerSummary {
    ContainerSummary {
        id: "3fe92113bd379009e00f9fcd4611fa85b6185250edf9d19f9aa78b131762b072".into(),
        names: vec!["/hc".into(), "/other/hc".into()],
        image: "bb".into(),
        command: "sh -c 'trap \"echo got TERM\" TERM'".into(),
        created: 1_795_470_132,
        labels: Some([("tier".to_owned(), "front".to_owned())].into()),
        state: "running".into(),
        status: "Up 2 seconds".into(),
        size_rw: 3,
        size_root_fs: 1_982_315,
        ..ContainerSummary::default()
    }
}

fn ps(format: &str, short: bool) -> String {
    let rows = vec![containers::row(&container(), short)];
    list::render(&containers::SHAPE, format, false, rows).unwrap()
}

#[test]
fn ps_by_template() {
    assert_eq!(
        ps("table {{.ID}}\\t{{.Command}}\\t{{.Names}}", true),
        "CONTAINER ID   COMMAND                   NAMES\n\
         3fe92113bd37   \"sh -c 'trap \\\"echo g…\"   hc\n"
    );
    assert_eq!(
        ps("{{.Names}} {{.Size}} {{.Label \"tier\"}}", true),
        "hc 3B (virtual 1.98MB) front\n"
    );
    assert_eq!(ps("{{.Names}}", false), "hc,other/hc\n");
    assert!(ps("", true).starts_with("CONTAINER ID   IMAGE     COMMAND                   CREATED"));
    let json = ps("json", true);
    assert!(
        json.starts_with(
            "{\"Command\":\"\\\"sh -c 'trap \\\\\\\"echo g…\\\"\",\"CreatedAt\":\
                              \"2026-11-23 21:42:12 +0000 UTC\",\"ID\":\"3fe92113bd37\""
        ),
        "{json}"
    );
    assert!(json.contains("\"Platform\":null"), "{json}");
}

#[test]
fn a_bad_template_is_refused() {
    let rows = || vec![containers::row(&container(), true)];
    let failure = list::render(&containers::SHAPE, "{{", false, rows()).unwrap_err();
    assert!(matches!(failure, list::ShowError::Row(_)), "{failure}");
    assert!(failure.to_string().starts_with("template parsing error: template: :1: "), "{failure}");
    let failure = list::render(&containers::SHAPE, "{{.Nope}}", false, rows()).unwrap_err();
    assert!(failure.to_string().contains("can't evaluate field Nope"), "{failure}");
}

#[test]
fn images_have_a_row_for_each_name() {
    let image = ImageSummary {
        id: "sha256:dd043c441dd1e0025164ae00a4f431c9d9677555e5d505eb8a5a368ec3e14c35".into(),
        repo_tags: Some(vec!["bb:latest".into(), "host:5000/a/b:1".into()]),
        repo_digests: Some(vec!["bb@sha256:1".into()]),
        // Far from where "3 hours" begins and ends.
        created: docker_api::Timestamp::now().seconds() - 3 * 3600,
        size: 1_982_312,
        shared_size: -1,
        containers: -1,
        ..ImageSummary::default()
    };
    let table = |image: &ImageSummary, digests, format: &str| {
        let rows = images::rows(image, true, digests);
        list::render(&images::SHAPE, format, false, rows).unwrap()
    };
    assert_eq!(
        table(&image, false, ""),
        "REPOSITORY      TAG       IMAGE ID       CREATED       SIZE\n\
         bb              latest    dd043c441dd1   3 hours ago   1.98MB\n\
         host:5000/a/b   1         dd043c441dd1   3 hours ago   1.98MB\n"
    );
    assert_eq!(
        table(&image, true, "{{.Repository}} {{.Digest}} {{.VirtualSize}}"),
        "bb sha256:1 1.982MB\nhost:5000/a/b <none> 1.982MB\n"
    );
    let nameless = ImageSummary { repo_tags: None, repo_digests: None, ..image };
    assert_eq!(table(&nameless, false, "{{.Repository}}:{{.Tag}}"), "<none>:<none>\n");
}
