//! TLS to registries: whom we believe, and who we are.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::RegistryError;

/// Largest file of certificates or keys; the authorities of a whole system are 250 kB.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// What is configured about TLS for one host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TlsSpec {
    /// Files of authorities, believed besides the system's own.
    pub authorities: Vec<PathBuf>,
    /// Files of a certificate and its key, with which we say who we are.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Nobody need vouch for the server.
    pub skip_verify: bool,
}

/// TLS as it is used: the same `fingerprint` means that connections may be shared.
#[derive(Clone)]
pub struct Tls {
    /// For rustls.
    pub config: Arc<ClientConfig>,
    /// Of everything that was read for it.
    pub fingerprint: u64,
}

/// The system's own authorities.
pub fn system_authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "authorities of the system that cannot be read");
    }
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if unusable > 0 {
        tracing::debug!(unusable, "authorities of the system that cannot be used");
    }
    roots
}

/// Reads the files of `spec`.
pub fn load(spec: &TlsSpec, system: &RootCertStore) -> Result<Tls, RegistryError> {
    let mut hasher = DefaultHasher::new();
    let mut roots = system.clone();
    for path in &spec.authorities {
        let bytes = read(path)?;
        bytes.hash(&mut hasher);
        for certificate in certificates(path, &bytes)? {
            roots.add(certificate).map_err(bad(path, "it has no usable authority"))?;
        }
    }
    spec.skip_verify.hash(&mut hasher);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier: Arc<dyn ServerCertVerifier> = match (spec.skip_verify, verifier.build()) {
        (false, Ok(verifier)) => verifier,
        // Also without any authority at all, when nobody can be believed.
        _ => Arc::new(Unverified { provider: provider.clone(), is_wished: spec.skip_verify }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(bad(Path::new("TLS"), "its versions do not fit together"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &spec.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, private) = identity(certificate, key, &mut hasher)?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(bad(certificate, "certificate and key do not fit together"))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), fingerprint: hasher.finish() })
}

fn identity(
    certificate: &Path,
    key: &Path,
    hasher: &mut DefaultHasher,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), RegistryError> {
    let bytes = read(certificate)?;
    bytes.hash(hasher);
    let chain = certificates(certificate, &bytes)?;
    let bytes = read(key)?;
    bytes.hash(hasher);
    let private = PrivateKeyDer::from_pem_slice(&bytes).map_err(bad(key, "it has no key"))?;
    Ok((chain, private))
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    stdx::fs::read(path, PEM_BYTES_MAX).map_err(bad(path, "it cannot be read"))
}

fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(bad(path, "it is no PEM file"))?;
    match found.is_empty() {
        true => Err(RegistryError::configuration(path.display(), "it has no certificate")),
        false => Ok(found),
    }
}

fn bad<E>(path: &Path, reason: &'static str) -> impl FnOnce(E) -> RegistryError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let place = path.display().to_string();
    move |cause| RegistryError::Configuration {
        place,
        reason: reason.to_owned(),
        cause: Some(Box::new(cause)),
    }
}

/// Believes everybody or nobody. Signatures are checked all the same, so that what is encrypted is
/// encrypted for the key that was shown.
#[derive(Debug)]
struct Unverified {
    provider: Arc<rustls::crypto::CryptoProvider>,
    is_wished: bool,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.is_wished {
            true => Ok(ServerCertVerified::assertion()),
            false => {
                Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer))
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
