//! What is asked of registries: pull, push, login, search.

use std::collections::BTreeMap;

use distribution::{
    Credentials, DistributionError, DistributionInspect, Login, Progress, PullSpec, PushSpec,
    RegistryError, SearchResult, SearchSpec,
};
use oci::{Platform, Reference};
use stdx::Kind;

use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::services::{Services, store_error};
use crate::spec::{Caller, PullWish, PushWish, SearchWish};

/// A name that images are never pulled by: it means no image at all, in Dockerfiles.
const RESERVED: &str = "scratch";

/// As many results as a registry gives when nobody says.
const RESULTS: u32 = 25;
/// The most that one may ask for.
const RESULTS_MAX: i64 = 100;

/// What a search can be filtered by.
const FILTERS: &[&str] = &["is-automated", "is-official", "stars"];

impl Engine {
    /// Brings one image, or all tags of a name. Dropping the future stops it; what has arrived is
    /// kept for the next time. Gives a warning when the image is for another platform.
    ///
    /// # Errors
    /// In Docker's words; `Unauthenticated` when the registry wants to know who asks.
    pub async fn image_pull(
        &self,
        caller: Caller,
        wish: PullWish,
        progress: &Progress,
    ) -> Result<Option<String>> {
        tracing::debug!(image = wish.image, caller_uid = caller.uid, "image pull");
        let platform = wish.platform.as_deref().map(platform).transpose()?;
        let reference = pulled_name(&wish.image, &wish.tag)?;
        let spec = PullSpec {
            reference: reference.clone(),
            platform: platform.clone(),
            credentials: wish.account,
        };
        let registries = &self.services.registries;
        registries.pull(spec, progress).await.map_err(registry_error)?;
        self.registry_event(caller, &reference, "pull");
        let other = platform.and_then(|wished| other_platform(&self.services, &reference, &wished));
        Ok(other.map(|text| format!("WARNING: {text}")))
    }

    /// Sends one image, or all tags of a name. Dropping the future stops it.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn image_push(
        &self,
        caller: Caller,
        wish: PushWish,
        progress: &Progress,
    ) -> Result<()> {
        tracing::debug!(image = wish.image, caller_uid = caller.uid, "image push");
        let reference = match wish.tag.as_str() {
            "" => parse(&wish.image)?,
            tag => super::reference(&wish.image, tag)?,
        };
        if let Some(wished) = &wish.platform
            && let Some(text) = other_platform(&self.services, &reference, wished)
        {
            return Err(EngineError::not_found(text));
        }
        let spec = PushSpec {
            reference: reference.clone(),
            platform: wish.platform,
            credentials: wish.account,
        };
        self.services.registries.push(spec, progress).await.map_err(registry_error)?;
        self.registry_event(caller, &reference, "push");
        Ok(())
    }

    /// Checks an account with its registry. Nothing of it is kept.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn registry_login(
        &self,
        caller: Caller,
        server: &str,
        account: &Credentials,
    ) -> Result<Login> {
        tracing::debug!(server, caller_uid = caller.uid, "registry login");
        self.services.registries.login(server, account).await.map_err(registry_error)
    }

    /// What a name stands for at its registry.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn distribution_inspect(
        &self,
        caller: Caller,
        name: &str,
        account: Option<Credentials>,
    ) -> Result<DistributionInspect> {
        tracing::debug!(name, caller_uid = caller.uid, "distribution inspect");
        let reference = parse(name)?.with_default_tag();
        let registries = &self.services.registries;
        registries.inspect(&reference, account.as_ref()).await.map_err(registry_error)
    }

    /// Repositories that a registry finds for a term.
    ///
    /// # Errors
    /// In Docker's words.
    pub async fn image_search(
        &self,
        caller: Caller,
        wish: SearchWish,
    ) -> Result<Vec<SearchResult>> {
        tracing::debug!(term = wish.term, caller_uid = caller.uid, "image search");
        match search_spec(wish)? {
            Some(spec) => self.services.registries.search(spec).await.map_err(registry_error),
            None => Ok(Vec::new()),
        }
    }

    /// Told by name, since a pull may have brought many images, or one that was here.
    fn registry_event(&self, caller: Caller, reference: &Reference, action: &str) {
        let name = reference.familiar();
        let id = self.services.store.resolve(&name).ok();
        let image = id.and_then(|id| self.services.store.image(&id));
        let labels = image.and_then(|image| image.config.config.labels.clone());
        let mut attributes: BTreeMap<String, String> = labels.unwrap_or_default();
        attributes.insert("name".to_owned(), reference.familiar_name());
        self.services.events.image(caller, &name, action, attributes);
    }
}

/// The name to pull: `tag` may also be a digest, and stands before what the name itself says.
fn pulled_name(image: &str, tag: &str) -> Result<Reference> {
    let parsed = parse(image)?;
    let reference = match tag {
        "" => parsed,
        digest if digest.contains(':') => {
            let digest = oci::Digest::parse(digest);
            parsed.with_digest(digest.map_err(|_| EngineError::invalid("invalid tag format"))?)
        }
        tag => super::reference(image, tag)?,
    };
    match reference.familiar_name() == RESERVED {
        true => Err(EngineError::invalid(format!("'{RESERVED}' is a reserved name"))),
        false => Ok(reference),
    }
}

fn parse(name: &str) -> Result<Reference> {
    Reference::parse(name).map_err(|error| EngineError::new(error.kind(), error.to_string()))
}

/// What clients wish, in the words of Docker's parser when it is none.
fn platform(text: &str) -> Result<Platform> {
    Platform::parse(text).map_err(|error| {
        let why = match text.split('/').count() {
            1 => "unknown operating system or architecture",
            _ => "cannot parse platform specifier",
        };
        EngineError::new(error.kind(), format!("\"{text}\": {why}: invalid argument"))
    })
}

/// Says that an image of this name is not for the wished platform, if it is here and is not.
fn other_platform(services: &Services, reference: &Reference, wished: &Platform) -> Option<String> {
    let name = reference.familiar();
    let id = services.store.resolve(&name).ok()?;
    let found = services.store.image(&id)?.config.platform();
    (!wished.accepts(&found)).then(|| {
        format!(
            "image with reference {name} was found but its platform ({found}) does not match the \
             specified platform ({wished})"
        )
    })
}

/// `None`: nothing can match.
fn search_spec(wish: SearchWish) -> Result<Option<SearchSpec>> {
    let filters = &wish.filters;
    let bad = |error: docker_api::FilterError| EngineError::new(error.kind(), error.to_string());
    filters.validate(FILTERS).map_err(bad)?;
    let is_official = filters.boolean("is-official").map_err(bad)?;
    if filters.boolean("is-automated").map_err(bad)? == Some(true) {
        // No registry builds images by itself any more.
        return Ok(None);
    }
    let mut stars_min = 0;
    for text in filters.values("stars") {
        let stars: u64 = text.parse().map_err(|_| {
            EngineError::invalid(format!(
                "invalid filter 'stars={text}': strconv.Atoi: parsing \"{text}\": invalid syntax"
            ))
        })?;
        stars_min = stars_min.max(stars);
    }
    let limit = match wish.limit {
        0 => RESULTS,
        limit @ 1..=RESULTS_MAX => u32::try_from(limit).unwrap_or(RESULTS),
        limit => {
            let text = format!("limit {limit} is outside the range of [1, {RESULTS_MAX}]");
            return Err(EngineError::invalid(text));
        }
    };
    if wish.term.contains("://") {
        return Err(EngineError::invalid(format!(
            "invalid repository name: repository name ({}) should not have a scheme",
            wish.term
        )));
    }
    let (term, credentials) = (wish.term, wish.account);
    Ok(Some(SearchSpec { term, limit, is_official, stars_min, credentials }))
}

/// A registry's failure, as Docker's clients expect it: a registry that cannot be reached, or that
/// was not told who asks, is a failure of the engine for them. It is none of ours.
fn registry_error(error: DistributionError) -> EngineError {
    let nobody = match &error {
        DistributionError::Registry(cause) | DistributionError::Pull { cause, .. } => {
            is_nobody(cause)
        }
        _ => false,
    };
    match error {
        DistributionError::Store(error) => store_error(error),
        error => {
            let kind = match error.kind() {
                Kind::Internal => Kind::Unavailable,
                kind => kind,
            };
            let told = EngineError::new(kind, error.to_string());
            match kind {
                Kind::Unavailable | Kind::Exhausted => told.answered_as(Kind::Internal),
                Kind::Unauthenticated if nobody => told.answered_as(Kind::Internal),
                _ => told,
            }
        }
    }
}

/// Whether a registry wanted to know who asks, and nobody had said.
fn is_nobody(error: &RegistryError) -> bool {
    match error {
        RegistryError::Authorization { cause, .. } => is_nobody(cause),
        other => matches!(other, RegistryError::NoCredentials),
    }
}
