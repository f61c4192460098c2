//! One server's authorization over time: found, registered, granted, refreshed, widened.

use std::collections::BTreeSet;
use std::sync::Arc;

use oauth2::basic::BasicTokenType;
use oauth2::{AccessToken, ClientSecret};
use rmcp::transport::auth::enterprise::{EmaAuthorizationServer, EmaClientAuthentication, EmaExchangeRequest};
use rmcp::transport::auth::{
    AuthorizationCallback, AuthorizationMetadata, OAuthClientConfig, OAuthTokenResponse, VendorExtraTokenFields, WWWAuthenticateParams,
};
use rmcp::transport::{
    AuthClient, AuthError, AuthorizationManager, ClientCredentialsConfig, CredentialStore as _, InMemoryCredentialStore,
    JwtSigningAlgorithm, StoredCredentials,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::spawn_blocking;
use url::Url;

use super::consent::Consent;
use super::errand::Errands;
use super::{Algorithm, Client, Error, Grant, Identity, OAuth};
use crate::http;
use egress::Egress;

/// The name under which this client registers itself.
const CLIENT_NAME: &str = "Cuepoint";

/// Where this client is known.
#[derive(Debug, PartialEq, Eq)]
enum Registration {
    Nowhere,
    /// With this issuer, or with one that does not say who it is.
    With(Option<String>),
}

/// The authorization of one server; it outlives connections.
pub(crate) struct Session {
    oauth: OAuth,
    server: Url,
    errands: Arc<Errands>,
    client: AuthClient<http::Client>,
    tokens: InMemoryCredentialStore,
    registration: Registration,
}

impl Session {
    pub(crate) async fn new(oauth: OAuth, server: Url, egress: Egress, http: http::Client) -> Result<Self, Error> {
        let errands = Arc::new(Errands::new(egress, &server));
        let manager = AuthorizationManager::new_with_oauth_http_client(server.clone(), Arc::<Errands>::clone(&errands)).await;
        let mut manager = manager.map_err(|_| Error::Configuration("the address of the server makes no sense"))?;
        let tokens = InMemoryCredentialStore::new();
        manager.set_credential_store(tokens.clone());
        Ok(Self { oauth, server, errands, client: AuthClient::new(http, manager), tokens, registration: Registration::Nowhere })
    }

    /// The client that sends tokens along, and refreshes them.
    pub(crate) fn client(&self) -> AuthClient<http::Client> {
        self.client.clone()
    }

    /// Gets a token that answers a challenge.
    pub(crate) async fn authorize(&mut self, challenge: &str, consent: Option<&dyn Consent>) -> Result<(), Error> {
        let mut manager = Arc::clone(&self.client.auth_manager).lock_owned().await;
        let told = WWWAuthenticateParams::parse(challenge, &self.server);
        let resolution = manager.resolve_metadata_from_challenge(Some(challenge)).await;
        let metadata = resolution.map_err(|error| self.failed("find the authorization server", &error))?.metadata;
        manager.set_metadata(metadata.clone());
        let scopes = self.scopes(&manager, told.scope.as_deref()).await;
        match self.oauth.grant.clone() {
            Grant::Code { redirect } => {
                let consent = consent.ok_or_else(|| Error::Consent("nobody can be asked here".into()))?;
                self.register(&mut manager, &metadata, &redirect, &scopes).await?;
                self.code(&manager, consent, &redirect, &scopes).await
            }
            Grant::Credentials | Grant::Key { .. } => self.credentials(manager, scopes).await,
            Grant::Identity(identity) => self.identity(&mut manager, &metadata, &identity, scopes).await,
        }
    }

    /// What to ask for: what is configured or the server names, and what was granted before.
    async fn scopes(&self, manager: &AuthorizationManager, demanded: Option<&str>) -> Vec<String> {
        let wanted = if self.oauth.scopes.is_empty() { manager.select_initial_scopes(&[]).await } else { self.oauth.scopes.clone() };
        let granted = manager.get_current_scopes().await;
        let demanded = demanded.unwrap_or_default().split_whitespace().map(str::to_owned);
        let mut seen = BTreeSet::new();
        granted.into_iter().chain(wanted).chain(demanded).filter(|scope| seen.insert(scope.clone())).collect()
    }

    /// Makes this client known to the authorization server, unless it is.
    async fn register(
        &mut self,
        manager: &mut AuthorizationManager,
        metadata: &AuthorizationMetadata,
        redirect: &Url,
        scopes: &[String],
    ) -> Result<(), Error> {
        let registration = Registration::With(metadata.issuer.clone());
        if self.registration == registration {
            return Ok(());
        }
        let reads_documents = flag(metadata, "client_id_metadata_document_supported");
        let known = match &self.oauth.client {
            Client::Registered { id, secret } => Some((id.clone(), secret.as_ref())),
            Client::Document(url) if reads_documents => Some((url.to_string(), None)),
            Client::Document(_) | Client::Dynamic => None,
        };
        if let Some((id, secret)) = known {
            let mut config = OAuthClientConfig::new(id, redirect.as_str());
            config.client_secret = secret.map(|secret| secret.expose_secret().to_owned());
            manager.configure_client(config).map_err(|error| self.failed("use the client's registration", &error))?;
        } else {
            let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
            let registered = manager.register_client(CLIENT_NAME, redirect.as_str(), &scopes).await;
            registered.map_err(|error| self.failed("register with the authorization server", &error))?;
        }
        self.registration = registration;
        Ok(())
    }

    async fn code(&self, manager: &AuthorizationManager, consent: &dyn Consent, redirect: &Url, scopes: &[String]) -> Result<(), Error> {
        let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
        let page = manager.get_authorization_url(&scopes).await.map_err(|error| self.failed("ask for consent", &error))?;
        let page = page.parse().map_err(|_| Error::Configuration("the authorization server's page has no address"))?;
        let back = consent.obtain(&page, redirect).await.map_err(Error::Consent)?;
        let back = AuthorizationCallback::from_redirect_url(back.as_str());
        let back = back.map_err(|_| Error::Consent("it was not given".into()))?;
        let token = manager.exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, back.issuer.as_deref()).await;
        token.map(drop).map_err(|error| self.failed("get a token for the consent", &error))
    }

    async fn credentials(&self, mut manager: OwnedMutexGuard<AuthorizationManager>, scopes: Vec<String>) -> Result<(), Error> {
        let Client::Registered { id, secret } = &self.oauth.client else {
            return Err(Error::Configuration("a client that acts as itself must be registered beforehand"));
        };
        let (client_id, resource) = (id.clone(), Some(self.server.to_string()));
        let config = match (&self.oauth.grant, secret) {
            (Grant::Key { pem, algorithm }, _) => ClientCredentialsConfig::PrivateKeyJwt {
                client_id,
                signing_key: pem.expose_secret().as_bytes().to_vec(),
                signing_algorithm: signing(*algorithm),
                token_endpoint_audience: None,
                scopes,
                resource,
            },
            (_, Some(secret)) => {
                ClientCredentialsConfig::ClientSecret { client_id, client_secret: secret.expose_secret().to_owned(), scopes, resource }
            }
            (_, None) => return Err(Error::Configuration("a client that acts as itself needs a secret or a key")),
        };
        let configured = manager.validate_client_credentials_metadata(&config).and_then(|()| manager.configure_client_credentials(&config));
        configured.map_err(|error| self.failed("act as the client itself", &error))?;
        // rmcp's future for this is not `Send`; it is bounded by the errands that it consists of.
        let exchange = move || Handle::current().block_on(manager.exchange_client_credentials(&config)).map(drop);
        let exchanged = spawn_blocking(exchange).await.map_err(|_| Error::Configuration("the key cannot be used"))?;
        exchanged.map_err(|error| self.failed("get a token for the client itself", &error))
    }

    async fn identity(
        &self,
        manager: &mut AuthorizationManager,
        metadata: &AuthorizationMetadata,
        identity: &Identity,
        scopes: Vec<String>,
    ) -> Result<(), Error> {
        let Client::Registered { id, secret } = &self.oauth.client else {
            return Err(Error::Configuration("a client that somebody vouches for must be registered beforehand"));
        };
        let issuer = metadata.issuer.as_deref().ok_or(Error::Configuration("the authorization server does not say who it is"))?;
        // Without this a token that the server refuses could not be told from one that was never there.
        manager.configure_client_id(id).map_err(|error| self.failed("use the client's registration", &error))?;
        let mut target = EmaAuthorizationServer::new(issuer, &metadata.token_endpoint, id);
        if let Some(secret) = secret {
            let secret = ClientSecret::new(secret.expose_secret().to_owned());
            let takes_basic = methods(metadata).is_none_or(|methods| methods.contains(&"client_secret_basic"));
            target = target.with_client_authentication(if takes_basic {
                EmaClientAuthentication::ClientSecretBasic(secret)
            } else {
                EmaClientAuthentication::ClientSecretPost(secret)
            });
        }
        let issuer_of_identity = identity.issuer.as_str().trim_end_matches('/');
        let provider = EmaAuthorizationServer::new(issuer_of_identity, identity.token_endpoint.as_str(), &identity.client_id);
        let exchange = EmaExchangeRequest::new_with_id_token(provider, target, self.server.as_str(), identity.id_token.expose_secret());
        let token = exchange.with_scopes(scopes).exchange(&*self.errands, &*self.errands).await;
        let token = token.map_err(|_| Error::Step { step: "get a token for the identity", detail: self.errands.last_failure() })?;
        let granted: Vec<String> = token.scopes.iter().cloned().collect();
        let bearer = AccessToken::new(token.access_token.secret().clone());
        let response = OAuthTokenResponse::new(bearer, BasicTokenType::Bearer, VendorExtraTokenFields::default());
        let stored = StoredCredentials::new(id.clone(), Some(response), granted, None);
        self.tokens.save(stored).await.map_err(|error| self.failed("keep the token", &error))
    }

    /// A failure in our words: what the server says is left out, but for the code of its last answer.
    fn failed(&self, step: &'static str, error: &AuthError) -> Error {
        let detail = match error {
            AuthError::PkceUnsupported => "the authorization server does not take S256".to_owned(),
            AuthError::NoAuthorizationSupport => "the server names no authorization server".to_owned(),
            AuthError::AuthorizationServerMismatch { .. } | AuthError::AuthorizationServerMissingIssuer { .. } => {
                "the answer comes from another authorization server".to_owned()
            }
            AuthError::ProtectedResourceMetadataInvalid { .. } => "what the server says of itself is about another".to_owned(),
            AuthError::AuthorizationServersUnavailable { .. } => "none that the server names can be used".to_owned(),
            _ => self.errands.last_failure(),
        };
        Error::Step { step, detail }
    }
}

fn flag(metadata: &AuthorizationMetadata, name: &str) -> bool {
    metadata.additional_fields.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn methods(metadata: &AuthorizationMetadata) -> Option<Vec<&str>> {
    let methods = metadata.additional_fields.get("token_endpoint_auth_methods_supported")?.as_array()?;
    Some(methods.iter().filter_map(Value::as_str).collect())
}

fn signing(algorithm: Algorithm) -> JwtSigningAlgorithm {
    match algorithm {
        Algorithm::Rs256 => JwtSigningAlgorithm::RS256,
        Algorithm::Rs384 => JwtSigningAlgorithm::RS384,
        Algorithm::Rs512 => JwtSigningAlgorithm::RS512,
        Algorithm::Es256 => JwtSigningAlgorithm::ES256,
        Algorithm::Es384 => JwtSigningAlgorithm::ES384,
    }
}
