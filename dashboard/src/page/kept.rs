//! Who keeps a resource: the API, or a file that brought it and is the place to change it.

use maud::{Markup, html};
use serde::Deserialize;

use crate::part::empty;
use crate::visit::Visit;

/// What the API calls itself.
const API: &str = "api";

/// Who keeps a resource, as the API tells it: `api`, or `file:` and a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Keeper(String);

impl Keeper {
    /// Whether it can be changed here: what a file keeps is changed there.
    pub(super) fn is_api(&self) -> bool {
        self.0 == API
    }

    /// The file, as a fact of the resource; none where the API keeps it.
    pub(super) fn fact(&self) -> Option<Markup> {
        (!self.is_api()).then(|| html! { "the file " (self.file()) })
    }

    fn file(&self) -> &str {
        self.0.strip_prefix("file:").unwrap_or(&self.0)
    }
}

/// Why a form is not shown: a file keeps the thing, or the token may not change it; none where it may be changed.
pub(super) fn locked(visit: &Visit, thing: &str, keeper: &Keeper) -> Option<Markup> {
    if !keeper.is_api() {
        let next = html! { "Change it there, and apply the file again; " code { "cuepoint export" } " shows it as it is." };
        return Some(empty::tell(&format!("This {thing} is kept by the file {}", keeper.file()), &next));
    }
    let next = html! { "A token of scope " code { "operate" } " may." };
    (!visit.operates()).then(|| empty::tell(&format!("Your token may not change this {thing}"), &next))
}

#[cfg(test)]
mod tests {
    use super::Keeper;

    #[test]
    fn a_file_is_called_by_its_name() {
        let keeper = |text: &str| serde_json::from_value::<Keeper>(text.into()).unwrap();
        assert!(keeper("api").is_api() && keeper("api").fact().is_none());
        assert_eq!(keeper("file:demo.yaml").fact().unwrap().into_string(), "the file demo.yaml");
    }
}
