//! The form that an ability is written in.

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::Told;
use super::{Ability, Limits};
use crate::api::Failure;
use crate::form::Form;
use crate::frame;
use crate::page::list;
use crate::part::code;
use crate::part::field::{self, Field};
use crate::visit::Visit;

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 12] = [
    "name",
    "alias",
    "description",
    "instruction",
    "secretId",
    "state",
    "approval",
    "doubt",
    "limits.triggers",
    "limits.contacts",
    "egress",
    "meta",
];
const STATES: [(&str, &str); 2] = [("enabled", "enabled: the model is offered it"), ("disabled", "disabled: the model is not offered it")];
const APPROVALS: [(&str, &str); 3] =
    [("", "as the bot has it"), ("true", "somebody must agree to each call"), ("false", "nobody is asked")];
const DOUBTS: [(&str, &str); 3] = [
    ("", "as the action has it"),
    ("retry", "it is made again, under the same key"),
    ("fail", "the model is told that it may have happened"),
];

/// A new ability, or one that begins as another.
pub(super) fn fresh(name: &str, description: &str, instruction: &str) -> Form {
    Form::filled([
        ("name", name.to_owned()),
        ("description", description.to_owned()),
        ("instruction", instruction.to_owned()),
        ("state", "enabled".to_owned()),
    ])
}

/// The form as an ability has it.
pub(super) fn filled(ability: &Ability) -> Form {
    let Limits { triggers, contacts } = &ability.limits;
    Form::filled([
        ("revision", ability.revision.to_string()),
        ("name", ability.name.clone()),
        ("alias", ability.alias.clone().unwrap_or_default()),
        ("description", ability.description.clone()),
        ("instruction", ability.instruction.clone()),
        ("secretId", ability.secret_id.clone().unwrap_or_default()),
        ("state", ability.state.clone()),
        ("approval", ability.approval.map(|approval| approval.to_string()).unwrap_or_default()),
        ("doubt", ability.doubt.clone().unwrap_or_default()),
        ("limits.triggers", triggers.join("\n")),
        ("limits.contacts", contacts.join("\n")),
        ("egress", ability.egress.join("\n")),
        ("meta", code::json(&ability.meta)),
    ])
}

/// What a form asks for, as the API takes it.
pub(super) fn body(form: &Form) -> Result<Value, Failure> {
    let mut body: Map<String, Value> = Map::new();
    for name in ["alias", "description", "secretId", "state", "doubt"] {
        body.insert(name.to_owned(), form.or_null(name));
    }
    // These are no choice: what is missing is told with its field.
    for name in ["name", "instruction"] {
        body.insert(name.to_owned(), form.text(name).into());
    }
    let approval = match form.word("approval") {
        "true" => true.into(),
        "false" => false.into(),
        _ => Value::Null,
    };
    body.insert("approval".to_owned(), approval);
    let limits = json!({ "triggers": lines(form, "limits.triggers"), "contacts": lines(form, "limits.contacts") });
    body.insert("limits".to_owned(), limits);
    body.insert("egress".to_owned(), lines(form, "egress").into());
    body.insert("meta".to_owned(), form.json("meta")?);
    Ok(Value::Object(body))
}

/// What stands in a field one a line.
fn lines(form: &Form, name: &str) -> Vec<String> {
    form.text(name).lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The names of the secrets that are there, and the ids of those without.
async fn secrets(visit: &Visit) -> Vec<String> {
    #[derive(Deserialize)]
    struct Secret {
        id: String,
        name: String,
    }
    let all: Result<Vec<Secret>, Failure> = list::whole(visit, "/secret/list", &[]).await;
    all.unwrap_or_default().into_iter().map(|secret| if secret.name.is_empty() { secret.id } else { secret.name }).collect()
}

/// The form, with what is wrong in it at its place.
pub(super) async fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let told = Told::of(failure);
    let rest = told.rest.as_ref();
    let field = |name, label| Field::new(name, label, rest);
    let instruction = Field::new("instruction", "Instruction", told.instruction.as_ref().or(rest));
    // A list that cannot be had proposes nothing; a name can be typed all the same.
    let (secrets, triggers) = (secrets(visit).await, list::triggers(visit).await);
    let is_wrong_below = rest
        .and_then(|failure| failure.field.as_deref())
        .is_some_and(|field| ["limits", "egress", "alias", "meta"].iter().any(|name| field.starts_with(name)));
    let is_said = ["limits.triggers", "limits.contacts", "egress", "alias", "meta"].iter().any(|name| !form.word(name).is_empty());
    html! {
        form.form method="post" action=(action) {
            (frame::word(visit))
            input type="hidden" name="revision" value=(form.word("revision"));
            (field::fault(rest, &FIELDS))
            section.card {
                h2 { "What it does" }
                (field("name", "Name").hint("The function's name comes of it.").line(&form.text("name")))
                (field("description", "Description").hint("What it is for and when to use it. The model reads it.").area(&form.text("description"), 2))
                (instruction.hint("One block between ``` and ```: fetch, search, email, echo, abort, mcp, nats or await. $[name!|what it is] asks the model for a value, ${SECRET_DEFAULT} is the secret below.").numbered(&form.text("instruction")))
                (told.excerpts(&form.text("instruction")))
                (field("secretId", "Secret").hint("By its name or id. The model never sees it.").proposing(form.word("secretId"), &secrets))
            }
            section.card {
                h2 { "When it may" }
                (field("state", "State").choice(form.word("state"), &STATES))
                (field("approval", "Approval").choice(form.word("approval"), &APPROVALS))
                (field("doubt", "A call that a crash left unknown").choice(form.word("doubt"), &DOUBTS))
            }
            details.card open[is_wrong_below || is_said] {
                summary { "Limits, addresses and notes" }
                (field("limits.triggers", "Only for these triggers").hint(&known(&triggers)).source(&form.text("limits.triggers"), 2))
                (field("limits.contacts", "Only for these contacts").hint("One a line: an id, a mail address, a telephone number. Empty: for all.").source(&form.text("limits.contacts"), 2))
                (field("egress", "Addresses besides public ones").hint("One a line: an address, a network or a host that fetch, search or mcp may call though it is not public.").source(&form.text("egress"), 2))
                (field("alias", "Alias").hint("A second name, unique in its skillset: a-z 0-9 _ -").line(form.word("alias")))
                (field("meta", "Notes, as JSON").source(&form.text("meta"), 3))
            }
            p.foot {
                button.primary type="submit" name="deed" value="save" { (label) }
                button type="submit" name="deed" value="check" { "Check" }
                span.hint { "Check tells what is wrong and what the model would be offered, and keeps nothing." }
            }
        }
    }
}

/// A hint that names some of the triggers that are there.
fn known(triggers: &[String]) -> String {
    let some: Vec<&str> = triggers.iter().take(5).map(String::as_str).collect();
    let lead = "Ids, one a line. Empty: for all.";
    if some.is_empty() {
        lead.to_owned()
    } else {
        format!("{lead} There are {}{}.", some.join(", "), if triggers.len() > 5 { " and others" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{body, known};
    use crate::form::Form;

    #[test]
    fn lists_are_one_a_line_and_what_is_empty_is_cleared() {
        let form = Form::of(b"name=Look+up&instruction=a%0D%0Ab&approval=false&state=enabled&egress=+10.0.0.0/8%0D%0A%0D%0Ax.internal&limits.contacts=ada%40example.com");
        let expected = json!({
            "name": "Look up", "instruction": "a\nb", "description": null, "alias": null, "secretId": null, "state": "enabled", "approval": false,
            "doubt": null, "limits": { "triggers": [], "contacts": ["ada@example.com"] }, "egress": ["10.0.0.0/8", "x.internal"], "meta": null
        });
        assert_eq!(body(&form).unwrap(), expected);
        assert_eq!(body(&Form::of(b"meta=%7B")).unwrap_err().field.as_deref(), Some("meta"));
    }

    #[test]
    fn some_triggers_are_named() {
        let ids = |count: usize| (0..count).map(|number| format!("t{number}")).collect::<Vec<_>>();
        assert_eq!(known(&ids(0)), "Ids, one a line. Empty: for all.");
        assert!(known(&ids(2)).ends_with("There are t0, t1.") && known(&ids(7)).ends_with("t4 and others."));
    }
}
