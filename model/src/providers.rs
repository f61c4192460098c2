//! All providers that are configured, and the models that a bot's choice comes to.

use std::collections::BTreeSet;
use std::sync::Arc;

use egress::Egress;
use telemetry::Telemetry;

use crate::Model;
use crate::answer::Usage;
use crate::ask::Asked;
use crate::choice::{Choice, Error, Wanted};
use crate::jitter::Jitter;
use crate::limit::{PROVIDERS_MAX, Settings};
use crate::provider::{Fault, Provider};
use crate::target::{Known, Target};

/// The providers that a process knows; a clone is the same.
#[derive(Clone)]
pub struct Providers {
    known: Vec<Arc<Known>>,
    jitter: Arc<dyn Jitter>,
    settings: Settings,
}

/// All that is wrong with providers.
pub fn faults(providers: &[Provider]) -> Vec<Fault> {
    if providers.len() > PROVIDERS_MAX {
        return vec![Fault::TooMany { count: providers.len(), max: PROVIDERS_MAX }];
    }
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for provider in providers {
        if !ids.insert(provider.id.as_str()) {
            faults.push(Fault::Twice { id: provider.id.clone() });
        }
        faults.extend(provider.check().err().unwrap_or_default());
    }
    faults
}

impl Providers {
    /// Takes providers in, or says all that is wrong with them.
    ///
    /// The first one answers to names that say no provider. The jitter spreads waits before retries.
    pub fn new(providers: Vec<Provider>, egress: &Egress, jitter: Arc<dyn Jitter>) -> Result<Self, Vec<Fault>> {
        let faults = faults(&providers);
        if !faults.is_empty() {
            return Err(faults);
        }
        let known = providers.into_iter().map(|provider| {
            let endpoint = provider.check()?;
            Ok(Arc::new(Known { provider, endpoint, egress: egress.clone(), telemetry: Telemetry::default() }))
        });
        Ok(Self { known: known.collect::<Result<_, Vec<Fault>>>()?, jitter, settings: Settings::default() })
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// The same, with somebody who hears of calls.
    #[must_use]
    pub fn with_telemetry(self, telemetry: &Telemetry) -> Self {
        let known = self.known.iter().map(|known| Arc::new(Known { telemetry: telemetry.clone(), ..Known::clone(known) }));
        Self { known: known.collect(), ..self }
    }

    /// The model that answers for a choice: the first of it that does.
    pub fn model(&self, choice: &Choice) -> Result<Arc<dyn Model>, Error> {
        let targets = choice.wanted().iter().map(|wanted| self.target(wanted)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Asked { targets, settings: self.settings, jitter: Arc::clone(&self.jitter) }))
    }

    /// The ids of the providers that a choice may call, in the order in which it does, each once.
    pub fn called_by(&self, choice: &Choice) -> Result<Vec<&str>, Error> {
        let mut ids: Vec<&str> = Vec::new();
        for wanted in choice.wanted() {
            let id = self.place(wanted)?.0.provider.id.as_str();
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids)
    }

    /// The provider of an id.
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.known.iter().find(|known| known.provider.id == id).map(|known| &known.provider)
    }

    /// What an answer cost in micro-USD, where the price of its model (`provider/model`) is known.
    pub fn cost(&self, model: &str, usage: &Usage) -> Option<u64> {
        let (id, name) = model.split_once('/')?;
        Some(self.provider(id)?.prices.get(name)?.of(usage))
    }

    fn target(&self, wanted: &Wanted) -> Result<Target, Error> {
        let (known, model) = self.place(wanted)?;
        let name = format!("{}/{model}", known.provider.id);
        Ok(Target { known: Arc::clone(known), model: model.to_owned(), name, parameters: wanted.parameters })
    }

    /// Whose model it is, and what it is called there.
    fn place<'a, 'b>(&'a self, wanted: &'b Wanted) -> Result<(&'a Arc<Known>, &'b str), Error> {
        let named = |id: &str| self.known.iter().find(|known| known.provider.id == id);
        if let Some((id, model)) = wanted.name.split_once('/')
            && let Some(known) = named(id)
        {
            return Ok((known, model));
        }
        if named(&wanted.name).is_some() {
            return Err(Error::NoModel { field: wanted.field.clone(), provider: wanted.name.clone() });
        }
        let no_provider = || Error::NoProvider { field: wanted.field.clone(), name: wanted.name.clone() };
        self.known.first().map(|known| (known, wanted.name.as_str())).ok_or_else(no_provider)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egress::Egress;
    use egress::policy::Policy;

    use super::Providers;
    use crate::answer::Usage;
    use crate::choice::Choice;
    use crate::jitter::Seeded;
    use crate::provider::{Fault, Provider};

    fn providers(json: &str) -> Result<Providers, Vec<Fault>> {
        let providers: Vec<Provider> = serde_json::from_str(json).unwrap();
        Providers::new(providers, &Egress::new(Policy::default()).unwrap(), Arc::new(Seeded::new(1)))
    }

    fn two() -> Providers {
        providers(
            r#"[{"id":"local","kind":"ollama","prices":{"m":{"input":1000000,"output":2000000}}},
                {"id":"openai","kind":"openai","key":"k","concurrency":4}]"#,
        )
        .unwrap()
    }

    #[test]
    fn a_name_without_a_known_provider_goes_to_the_first_one() {
        let providers = two();
        for (name, expected) in [
            ("openai/gpt-5.4", "openai/gpt-5.4"),
            ("gpt-5.4", "local/gpt-5.4"),
            ("meta-llama/llama-3", "local/meta-llama/llama-3"),
            ("openai/org/m", "openai/org/m"),
        ] {
            let choice = Choice::parse::<&str>(name, &[]).unwrap();
            assert_eq!(providers.target(&choice.wanted()[0]).unwrap().name, expected);
        }
        let choice = Choice::parse("openai", &["openai/m"]).unwrap();
        assert!(providers.model(&choice).err().unwrap().to_string().starts_with("model names the provider \"openai\" but no model"));
    }

    #[test]
    fn the_providers_of_a_choice_are_told_in_order_and_once() {
        let providers = two();
        let choice = Choice::parse("openai/a", &["b", "openai/c", "local/d"]).unwrap();
        assert_eq!(providers.called_by(&choice).unwrap(), ["openai", "local"]);
        assert_eq!(providers.provider("openai").unwrap().concurrency.unwrap().get(), 4);
        assert!(providers.model(&choice).is_ok());
    }

    #[test]
    fn a_cost_is_known_where_a_price_is() {
        let usage = Usage { input: 10, cached: 0, output: 5, reasoning: 0 };
        let providers = two();
        assert_eq!(providers.cost("local/m", &usage), Some(20));
        assert_eq!(["local/n", "openai/m", "nobody/m", "m"].map(|model| providers.cost(model, &usage)), [None; 4]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let faults = providers(r#"[{"id":"a","kind":"ollama"},{"id":"a","kind":"ollama"},{"id":"b","kind":"compatible"}]"#).err().unwrap();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(matches!(faults[0], Fault::Twice { .. }) && matches!(faults[1], Fault::BaseUrl { .. }));
        let many = serde_json::to_string(&vec![serde_json::json!({"id": "a", "kind": "ollama"}); 65]).unwrap();
        assert!(matches!(providers(&many).err().unwrap()[0], Fault::TooMany { count: 65, .. }));
    }

    #[test]
    fn without_providers_there_is_nobody_to_ask() {
        let error = providers("[]").unwrap().model(&Choice::parse::<&str>("m", &[]).unwrap()).err().unwrap();
        assert_eq!(error.to_string(), "model wants \"m\", but no provider of models is configured: configure one");
    }
}
