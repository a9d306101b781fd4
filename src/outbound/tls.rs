//! TLS for outgoing calls: rustls on ring, with the system's certificates.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};

/// The configuration of every client. Built once: reading a hundred certificates takes a while.
pub(crate) fn config() -> &'static ClientConfig {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default versions")
            .with_root_certificates(roots())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    })
}

/// The system's certificates, which an operator can add to; Mozilla's list where the system has none, as in a
/// slim container.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        tracing::warn!("the system has no CA certificates; using the built-in list");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
