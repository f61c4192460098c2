//! One model of one provider, as it is called.

use std::sync::Arc;

use egress::Egress;
use genai::resolver::{AuthData, Endpoint};
use genai::{Headers, ModelIden, ServiceTarget};
use secrecy::{ExposeSecret as _, SecretString};
use telemetry::Telemetry;
use url::Url;

use crate::choice::Parameters;
use crate::failure::Failure;
use crate::provider::{Kind, Provider};
use crate::scrub::scrub;

/// A provider that was found good.
#[derive(Clone)]
pub(crate) struct Known {
    pub provider: Provider,
    /// What calls go to, with a slash at its end.
    pub endpoint: Url,
    /// The connections to it.
    pub egress: Egress,
    /// What is told of calls.
    pub telemetry: Telemetry,
}

/// A model that can be called.
#[derive(Clone)]
pub(crate) struct Target {
    pub known: Arc<Known>,
    /// Its name at the provider.
    pub model: String,
    /// Its name here: `provider/model`.
    pub name: String,
    pub parameters: Parameters,
}

impl Target {
    pub(crate) fn kind(&self) -> Kind {
        self.known.provider.kind
    }

    pub(crate) fn key(&self) -> Option<&SecretString> {
        self.known.provider.key.as_ref()
    }

    pub(crate) fn takes_schemas(&self) -> bool {
        self.known.provider.takes_schemas()
    }

    /// Takes the key and the like out of what is shown.
    pub(crate) fn scrub(&self, text: &str) -> String {
        scrub(text, self.key())
    }

    /// What calls go out by, where they may.
    pub(crate) fn client(&self) -> Result<genai::Client, Failure> {
        let http = self.known.egress.client(&self.known.endpoint).map_err(|refusal| Failure::Barred(refusal.to_string()))?;
        let built = genai::Client::builder().with_reqwest(http).build();
        built.map_err(|error| Failure::Barred(self.scrub(&error.to_string())))
    }

    /// Where genai sends a call, and with what key.
    pub(crate) fn service(&self) -> ServiceTarget {
        let endpoint = self.known.endpoint.as_str();
        let auth = match self.key() {
            Some(key) => AuthData::from_single(key.expose_secret()),
            // Without a key, chat completions get no header for it at all.
            None if self.kind().is_chat_completions() => {
                AuthData::RequestOverride { url: format!("{endpoint}chat/completions"), headers: Headers::default() }
            }
            None => AuthData::from_single("none"),
        };
        let model = ModelIden::new(self.kind().adapter(), self.model.clone());
        ServiceTarget { endpoint: Endpoint::from_owned(endpoint), auth, model }
    }

    /// Headers that genai does not send by itself: Ollama has no key, but what stands before it may want one.
    pub(crate) fn headers(&self) -> Option<Headers> {
        let key = self.key().filter(|_| self.kind() == Kind::Ollama)?;
        Some(Headers::from(("Authorization", format!("Bearer {}", key.expose_secret()))))
    }
}
