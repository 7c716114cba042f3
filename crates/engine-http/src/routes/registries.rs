//! What the engine asks registries for.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use distribution::{Credentials, Progress};
use docker_api::{
    AuthConfig, AuthResponse, Descriptor, DistributionInspect, OciPlatform, SearchResult,
};
use engine::{PullWish, PushWish, SearchWish};
use hyper::StatusCode;

use super::Outcome;
use crate::call::{Call, bad_value};
use crate::progress;
use crate::reply::Reply;

/// The server of an account that names none: Docker's.
const INDEX_SERVER: &str = "https://index.docker.io/v1/";

pub(super) async fn pull(call: Call) -> Outcome {
    let wish = PullWish {
        image: call.text("fromImage").to_owned(),
        tag: call.text("tag").to_owned(),
        platform: call.optional("platform").map(str::to_owned),
        account: account(&call),
    };
    let (engine, caller) = (call.engine.clone(), call.caller);
    let (progress, reader) = Progress::channel();
    let work = async move { engine.image_pull(caller, wish, &progress).await };
    progress::answer(work, reader, call.gone).await
}

pub(super) async fn push(call: Call) -> Outcome {
    let wish = PushWish {
        image: call.target().to_owned(),
        tag: call.text("tag").to_owned(),
        platform: call.optional("platform").map(platform).transpose()?,
        account: account(&call),
    };
    let (engine, caller) = (call.engine.clone(), call.caller);
    let (progress, reader) = Progress::channel();
    let work = async move { engine.image_push(caller, wish, &progress).await.map(|()| None) };
    progress::answer(work, reader, call.gone).await
}

pub(super) async fn login(mut call: Call) -> Outcome {
    let account = call.json::<AuthConfig>().await?;
    let server = match account.serveraddress.as_str() {
        "" => INDEX_SERVER.to_owned(),
        server => server.to_owned(),
    };
    // Nobody is an account without name and password, too: the registry says what it thinks of it.
    let nobody = Credentials::Password { username: String::new(), password: String::new() };
    let account = credentials(account).unwrap_or(nobody);
    let login = call.engine.registry_login(call.caller, &server, &account).await?;
    let answer = AuthResponse {
        identity_token: login.identity_token.unwrap_or_default(),
        status: "Login Succeeded".to_owned(),
    };
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn inspect(call: Call) -> Outcome {
    let account = account(&call);
    let found = call.engine.distribution_inspect(call.caller, call.target(), account).await?;
    let platforms = found.platforms.iter().map(|platform| OciPlatform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone(),
        os_features: Some(platform.os_features.clone()),
        variant: platform.variant.clone(),
    });
    let answer = DistributionInspect {
        descriptor: Descriptor {
            media_type: found.descriptor.media_type,
            digest: found.descriptor.digest.to_string(),
            size: i64::try_from(found.descriptor.size).unwrap_or(i64::MAX),
            ..Descriptor::default()
        },
        platforms: Some(platforms.collect()),
    };
    Ok(Reply::json(StatusCode::OK, &answer))
}

pub(super) async fn search(call: Call) -> Outcome {
    let wish = SearchWish {
        term: call.text("term").to_owned(),
        limit: call.optional("limit").map_or(Ok(0), limit)?,
        filters: call.filters()?,
        account: account(&call),
    };
    let found = call.engine.image_search(call.caller, wish).await?;
    let results = found.into_iter().map(|found| SearchResult {
        star_count: i64::try_from(found.star_count).unwrap_or(i64::MAX),
        is_official: found.is_official,
        name: found.name,
        is_automated: false,
        description: found.description,
    });
    Ok(Reply::json(StatusCode::OK, &results.collect::<Vec<_>>()))
}

fn limit(text: &str) -> Result<i64, Reply> {
    text.parse().map_err(|_| {
        bad_value(format!(
            "invalid limit specified: strconv.Atoi: parsing \"{text}\": invalid syntax"
        ))
    })
}

/// Clients send the platform as OCI's JSON object.
pub(super) fn platform(json: &str) -> Result<oci::Platform, Reply> {
    let platform: oci::Platform = serde_json::from_str(json)
        .map_err(|error| bad_value(format!("failed to parse platform: {error}")))?;
    Ok(oci::Platform::of(&platform.os, &platform.architecture, &platform.variant))
}

/// Who asks the registry. As in Docker, a header that cannot be read is none: most images are for
/// everybody.
fn account(call: &Call) -> Option<Credentials> {
    let header = call.request.headers().get("x-registry-auth")?.as_bytes();
    credentials(decode(header)?)
}

/// Base64 of JSON, in either alphabet, padded or not.
fn decode(header: &[u8]) -> Option<AuthConfig> {
    let text = std::str::from_utf8(header).ok()?.trim_end_matches('=');
    let json = URL_SAFE_NO_PAD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()?;
    serde_json::from_slice(&json).ok()
}

fn credentials(account: AuthConfig) -> Option<Credentials> {
    let AuthConfig { mut username, mut password, auth, identitytoken, registrytoken, .. } = account;
    if username.is_empty() && password.is_empty() {
        let pair = STANDARD_NO_PAD.decode(auth.trim_end_matches('=')).ok();
        let pair = pair.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        if let Some((name, secret)) = pair.split_once(':') {
            (username, password) = (name.to_owned(), secret.to_owned());
        }
    }
    match (registrytoken.as_str(), identitytoken.as_str()) {
        ("", "") if username.is_empty() && password.is_empty() => None,
        ("", "") => Some(Credentials::Password { username, password }),
        ("", _) => Some(Credentials::IdentityToken { username, token: identitytoken }),
        _ => Some(Credentials::RegistryToken { token: registrytoken }),
    }
}

#[cfg(test)]
mod tests;
