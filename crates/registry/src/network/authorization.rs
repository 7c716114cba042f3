//! Who is asking: tokens that are known, and those that are asked for.

use hyper::Method;
use hyper::header::HeaderValue;

use super::{Ask, Identity, Registry};
use crate::answer::refusal;
use crate::auth::challenge::Challenge;
use crate::auth::scope::Scopes;
use crate::auth::{self, Token, TokenCall};
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::{RegistryError, go_method};
use crate::transport::Answer;
use crate::url::{Scheme, Url};

impl Registry {
    /// What the server is known to want, without asking it first.
    pub(super) fn known_authorization(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        scopes: &Scopes,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        if let Some(Credentials::RegistryToken { token }) = self.credentials_for(endpoint) {
            return auth::secret("Bearer", token).map(Some);
        }
        match self.network.tokens.challenge(&origin(url)) {
            // Without an account only the server's own answer says whether one is needed.
            Some(challenge) if challenge.scheme == "basic" => {
                Ok(auth::basic(self.credentials_for(endpoint)).ok())
            }
            Some(challenge) => {
                // Its scope was for another request.
                let realm = realm(&challenge)?;
                let call = self.token_call(endpoint, &challenge, &realm, scopes);
                Ok(self.network.tokens.find(&call))
            }
            None => Ok(None),
        }
    }

    /// As [`Registry::known_authorization`], with a new token where none is good any more: for what
    /// can be sent only once.
    pub(super) async fn fresh_authorization(
        &self,
        endpoint: &Endpoint,
        method: &Method,
        url: &Url,
        scopes: &Scopes,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let known = self.known_authorization(endpoint, url, scopes)?;
        let challenge = self.network.tokens.challenge(&origin(url));
        match challenge.filter(|challenge| known.is_none() && challenge.scheme == "bearer") {
            None => Ok(known),
            Some(mut challenge) => {
                // It was for another request.
                challenge.parameters.remove("scope");
                let ask = Ask::new(method.clone(), "", scopes);
                let value = self.authorization(endpoint, &challenge, &ask, false).await;
                value.map_err(unauthorized(method, url))
            }
        }
    }

    /// What a challenge wants. `is_fresh`: what was given before is no longer taken.
    pub(super) async fn authorization(
        &self,
        endpoint: &Endpoint,
        challenge: &Challenge,
        ask: &Ask<'_>,
        is_fresh: bool,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        if challenge.scheme == "basic" {
            return auth::basic(self.credentials_for(endpoint)).map(Some);
        }
        if let Some(Credentials::RegistryToken { .. }) = self.credentials_for(endpoint) {
            return Ok(None);
        }
        let realm = realm(challenge)?;
        let wanted = auth::wanted(ask.scopes, challenge);
        let mut call = self.token_call(endpoint, challenge, &realm, &wanted);
        call.is_login = matches!(ask.identity, Identity::Login(_));
        if is_fresh || call.is_login {
            self.network.tokens.forget(&call);
        } else if let Some(value) = self.network.tokens.find(&call) {
            return Ok(Some(value));
        }
        let token = self.token(endpoint, &call).await?;
        let value = auth::secret("Bearer", &token.token)?;
        if let (Identity::Login(place), Some(refresh)) = (ask.identity, &token.refresh) {
            place.get_or_init(|| refresh.clone());
        }
        self.network.tokens.keep(&call, &token, value.clone());
        // The same request will be made again without a challenge, with its own scopes.
        let own = self.token_call(endpoint, challenge, &realm, ask.scopes);
        self.network.tokens.keep(&own, &token, value.clone());
        Ok(Some(value))
    }

    fn token_call<'a>(
        &'a self,
        endpoint: &Endpoint,
        challenge: &'a Challenge,
        realm: &'a Url,
        scopes: &'a Scopes,
    ) -> TokenCall<'a> {
        TokenCall {
            realm,
            service: challenge.parameter("service").unwrap_or_default(),
            scopes,
            credentials: self.credentials_for(endpoint),
            is_login: false,
        }
    }

    /// Asks a token server.
    async fn token(
        &self,
        endpoint: &Endpoint,
        call: &TokenCall<'_>,
    ) -> Result<Token, RegistryError> {
        let realm = call.realm;
        let is_readable = realm.scheme == Scheme::Http
            && !self.network.endpoints.is_insecure(&realm.host, realm.port);
        if call.credentials.is_some() && is_readable {
            let reason = "its token server has no TLS, so credentials are not sent to it";
            return Err(RegistryError::configuration(realm, reason));
        }
        let mut answer = self.network.send(endpoint, call.request()?).await?;
        if matches!(answer.status.as_u16(), 404 | 405)
            && let Some(form) = call.password_form()
        {
            answer = self.network.send(endpoint, form).await?;
        }
        if !answer.status.is_success() {
            return Err(refusal(answer).await);
        }
        let url = answer.url.to_string();
        let bytes = answer.bytes(auth::TOKEN_BYTES_MAX).await?;
        let reason = "authorization server did not include a token in the response";
        auth::parse_token(&bytes)
            .ok_or_else(|| RegistryError::Answer { url, reason: reason.to_owned() })
    }

    pub(super) fn credentials_for(&self, endpoint: &Endpoint) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|_| endpoint.takes_credentials)
    }

    /// What a server asks for that does not take what it got: the next request has it.
    pub(super) fn note_refusal(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        answer: &Answer,
        scopes: &Scopes,
    ) {
        let Some(challenge) = auth::choose(&answer.headers) else { return };
        if challenge.scheme != "basic" {
            let Ok(realm) = realm(&challenge) else { return };
            self.network.tokens.forget(&self.token_call(endpoint, &challenge, &realm, scopes));
        }
        self.network.tokens.learn(origin(url), challenge);
    }
}

/// The failure to say who we are.
pub(super) fn unauthorized(
    method: &Method,
    url: &Url,
) -> impl FnOnce(RegistryError) -> RegistryError {
    let (method, url) = (go_method(method), url.to_string());
    move |cause| RegistryError::Authorization { method, url, cause: Box::new(cause) }
}

/// The token server of a challenge: an absolute address, as Docker insists.
fn realm(challenge: &Challenge) -> Result<Url, RegistryError> {
    let text = challenge.parameter("realm").unwrap_or_default();
    Url::parse_foreign(text).ok_or_else(|| RegistryError::Answer {
        url: "WWW-Authenticate".to_owned(),
        reason: format!("realm `{}` is no absolute address", text.escape_default()),
    })
}

pub(super) fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme.name(), url.authority())
}
