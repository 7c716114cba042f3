//! Rows of `images`.

use docker_api::ImageSummary;

use super::human::{ago, instant, short_id, size, size_precise};
use super::list::{Row, Shape};

const NONE: &str = "<none>";

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// The list.
pub const SHAPE: Shape = Shape {
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}\
            {{else}}N/A{{end}}\t{{.Size}}",
    headings: HEADINGS,
};

/// The list with digests.
pub const WITH_DIGESTS: Shape = Shape {
    table: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince }}\
            {{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}",
    headings: HEADINGS,
};

/// A name under which an image is shown.
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

/// The rows of an image: one for each name; with digests one for each name and digest.
pub fn rows(image: &ImageSummary, short: bool, digests: bool) -> Vec<Row> {
    names(image, digests).into_iter().map(|name| row(image, name, short)).collect()
}

fn names(image: &ImageSummary, digests: bool) -> Vec<Name> {
    let none = || NONE.to_owned();
    let tags = image.repo_tags.iter().flatten().filter(|name| *name != "<none>:<none>");
    let by_digest: Vec<(&str, &str)> = image
        .repo_digests
        .iter()
        .flatten()
        .filter_map(|name| name.split_once('@'))
        .filter(|(repository, _)| *repository != NONE)
        .collect();
    let mut names: Vec<Name> = Vec::new();
    for tagged in tags {
        let (repository, tag) = tagged.rsplit_once(':').unwrap_or((tagged, NONE));
        let of: Vec<&str> =
            by_digest.iter().filter(|(r, _)| *r == repository).map(|(_, d)| *d).collect();
        let shown: &[&str] = if digests && !of.is_empty() { &of } else { &[NONE] };
        names.extend(shown.iter().map(|digest| Name {
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: (*digest).to_owned(),
        }));
    }
    let named: Vec<String> = names.iter().map(|name| name.repository.clone()).collect();
    for (repository, digest) in &by_digest {
        if !named.iter().any(|name| name == repository) {
            let (repository, digest) = ((*repository).to_owned(), (*digest).to_owned());
            names.push(Name { repository, tag: none(), digest });
        }
    }
    if names.is_empty() {
        names.push(Name { repository: none(), tag: none(), digest: none() });
    }
    names
}

fn row(image: &ImageSummary, name: Name, short: bool) -> Row {
    let count = |n: i64| if n < 0 { "N/A".to_owned() } else { n.to_string() };
    let shared = image.shared_size;
    let bytes = |known: bool, n: i64| if known { size_precise(n) } else { "N/A".to_owned() };
    let id = if short { short_id(&image.id) } else { &image.id };
    Row::new(
        "*formatter.imageContext",
        image.labels.clone().unwrap_or_default(),
        vec![
            ("Containers", count(image.containers).into()),
            ("CreatedAt", instant(image.created).into()),
            ("CreatedSince", ago(image.created).into()),
            ("Digest", name.digest.into()),
            ("ID", id.into()),
            ("Repository", name.repository.into()),
            ("SharedSize", bytes(shared >= 0, shared).into()),
            ("Size", size(image.size).into()),
            ("Tag", name.tag.into()),
            ("UniqueSize", bytes(shared >= 0, image.size - shared).into()),
            ("VirtualSize", size_precise(image.size).into()),
        ],
    )
}
