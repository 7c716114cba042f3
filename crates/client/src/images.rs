//! Calls about images.

use docker_api::{
    Filters, HistoryItem, IdResponse, ImageDeleteItem, ImageInspect, ImageSummary,
    ImagesPruneReport, JsonMessage,
};
use hyper::Method;
use tokio::io::AsyncRead;

use crate::body::{self, ByteStream, JsonLines};
use crate::connection::{Call, Client};
use crate::error::ClientError;
use crate::params::Target;

/// Which images are listed.
#[derive(Clone, Debug, Default)]
pub struct ImageListOptions {
    /// Intermediate ones too.
    pub all: bool,
    /// With digests.
    pub digests: bool,
    /// With what they share.
    pub shared_size: bool,
    /// Those that match.
    pub filters: Filters,
}

/// How an image is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageRemoveOptions {
    /// Though stopped containers use it, or several names mean it.
    pub force: bool,
    /// Keep parents without a name.
    pub no_prune: bool,
}

/// How an image is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Name, perhaps with a tag; empty gives none.
    pub reference: String,
    /// Note.
    pub message: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// `os/architecture`; empty takes the host's.
    pub platform: String,
}

/// How a container becomes an image.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The container.
    pub container: String,
    /// Name; empty gives none.
    pub repository: String,
    /// Tag.
    pub tag: String,
    /// Note.
    pub comment: String,
    /// Who.
    pub author: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Do not freeze the container meanwhile.
    pub no_pause: bool,
}

fn of(name: &str, verb: &str) -> Target {
    Target::new(&["/images/", name, verb])
}

/// `os[/architecture[/variant]]` as the engine takes it.
pub(crate) fn platform_json(platform: &str) -> String {
    let mut parts = platform.splitn(3, '/');
    let Some(os) = parts.next().filter(|os| !os.is_empty()) else { return String::new() };
    let mut json = serde_json::json!({ "os": os });
    for (key, part) in ["architecture", "variant"].into_iter().zip(parts) {
        json[key] = part.into();
    }
    json.to_string()
}

impl Client {
    /// Lists images.
    pub async fn image_list(
        &self,
        options: &ImageListOptions,
    ) -> Result<Vec<ImageSummary>, ClientError> {
        let target = Target::new(&["/images/json"])
            .with_flag("all", options.all)
            .with_flag("digests", options.digests)
            .with_flag("shared-size", options.shared_size)
            .with_filters(&options.filters);
        self.fetch(Call::get(target)).await
    }

    /// Everything about it.
    pub async fn image_inspect(&self, name: &str) -> Result<ImageInspect, ClientError> {
        self.fetch(Call::get(of(name, "/json"))).await
    }

    /// Everything about the one of several that is for a platform.
    pub async fn image_inspect_platform(
        &self,
        name: &str,
        platform: &str,
    ) -> Result<ImageInspect, ClientError> {
        let target = of(name, "/json").with_some("platform", &platform_json(platform));
        self.fetch(Call::get(target)).await
    }

    /// The same, with whatever keys the engine sends: for templates and raw output.
    pub async fn image_inspect_raw(&self, name: &str) -> Result<serde_json::Value, ClientError> {
        self.fetch(Call::get(of(name, "/json"))).await
    }

    /// How it was made, newest step first.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryItem>, ClientError> {
        self.fetch(Call::get(of(name, "/history"))).await
    }

    /// Gives it another name.
    pub async fn image_tag(
        &self,
        name: &str,
        repository: &str,
        tag: &str,
    ) -> Result<(), ClientError> {
        let target = of(name, "/tag").with("repo", repository).with_some("tag", tag);
        self.run(Call::post(target)).await.map(drop)
    }

    /// Removes a name, and the image if it was its last.
    pub async fn image_remove(
        &self,
        name: &str,
        options: ImageRemoveOptions,
    ) -> Result<Vec<ImageDeleteItem>, ClientError> {
        let target =
            of(name, "").with_flag("force", options.force).with_flag("noprune", options.no_prune);
        self.fetch(Call::new(Method::DELETE, target)).await
    }

    /// Takes in an archive of images (docker-archive or OCI layout).
    pub async fn image_load(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        quiet: bool,
    ) -> Result<JsonLines<JsonMessage>, ClientError> {
        let quiet = if quiet { "1" } else { "0" };
        let target = Target::new(&["/images/load"]).with("quiet", quiet);
        let body = body::upload(archive);
        self.lines(Call::post(target).body("application/x-tar", body)).await
    }

    /// Makes an image of an archive of files; its id is the status of the last line.
    pub async fn image_import(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
        options: &ImportOptions,
    ) -> Result<JsonLines<JsonMessage>, ClientError> {
        let mut target = Target::new(&["/images/create"])
            .with("fromSrc", "-")
            .with_some("repo", &options.reference)
            .with_some("message", &options.message)
            .with_some("platform", &options.platform);
        for change in &options.changes {
            target = target.with("changes", change);
        }
        let body = body::upload(archive);
        self.lines(Call::post(target).body("application/x-tar", body)).await
    }

    /// Images as one archive.
    pub async fn image_save(
        &self,
        names: &[String],
        platform: &str,
    ) -> Result<ByteStream, ClientError> {
        let target = Target::new(&["/images/get"]);
        let target = names.iter().fold(target, |target, name| target.with("names", name));
        let target = target.with_some("platform", &platform_json(platform));
        self.bytes(Call::get(target)).await
    }

    /// Removes images that nothing uses.
    pub async fn image_prune(&self, filters: &Filters) -> Result<ImagesPruneReport, ClientError> {
        let target = Target::new(&["/images/prune"]).with_filters(filters);
        self.fetch(Call::post(target)).await
    }

    /// Makes an image of a container.
    pub async fn commit(&self, options: &CommitOptions) -> Result<IdResponse, ClientError> {
        let mut target = Target::new(&["/commit"])
            .with("container", &options.container)
            .with_some("repo", &options.repository)
            .with_some("tag", &options.tag)
            .with_some("comment", &options.comment)
            .with_some("author", &options.author);
        for change in &options.changes {
            target = target.with("changes", change);
        }
        if options.no_pause {
            target = target.with("pause", "0");
        }
        self.fetch(Call::post(target).json(&serde_json::json!({}))).await
    }
}
