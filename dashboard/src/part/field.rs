//! Fields of forms, each with its label, a hint, and what is wrong with it.

use maud::{Markup, html};

use crate::api::Failure;
use crate::form::Form;
use crate::frame;
use crate::visit::Visit;

/// How many lines may be added to a numbered area until there are no more numbers.
const SPARE_LINES: usize = 200;

/// A field, before it is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Its name in the form.
    pub(crate) name: &'a str,
    /// What people call it.
    pub(crate) label: &'a str,
    /// What it is for; empty for none.
    pub(crate) hint: &'a str,
    /// What is wrong in the form; shown here if it is about this field.
    pub(crate) failure: Option<&'a Failure>,
}

/// How a form that changes something begins: whose it is, what it was filled at, and what is wrong with none of its fields.
pub(crate) fn head(visit: &Visit, form: &Form, failure: Option<&Failure>, fields: &[&str]) -> Markup {
    html! {
        (frame::word(visit))
        input type="hidden" name="revision" value=(form.word("revision"));
        (fault(failure, fields))
    }
}

/// What the form says is wrong with no field that it has.
pub(crate) fn fault(failure: Option<&Failure>, fields: &[&str]) -> Markup {
    let is_shown = |failure: &&Failure| !failure.field.as_deref().is_some_and(|field| fields.iter().any(|name| is_of(field, name)));
    html! { @if let Some(failure) = failure.filter(is_shown) { p.fault role="alert" { (failure.message) } } }
}

/// Whether a path such as `results[0].url` lies in a field.
fn is_of(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

impl<'a> Field<'a> {
    /// A field with a label.
    pub(crate) fn new(name: &'a str, label: &'a str, failure: Option<&'a Failure>) -> Self {
        Self { name, label, hint: "", failure }
    }

    /// With what it is for.
    pub(crate) fn hint(self, hint: &'a str) -> Self {
        Self { hint, ..self }
    }

    /// What is wrong with it, for fields that are drawn elsewhere.
    pub(crate) fn said(&self) -> Option<&'a str> {
        self.fault()
    }

    fn fault(&self) -> Option<&'a str> {
        let failure = self.failure?;
        failure.field.as_deref().filter(|field| is_of(field, self.name)).map(|_| failure.message.as_str())
    }

    /// A line whose name in the form is another than the one that the API tells faults of.
    pub(crate) fn around_typed(&self, name: &str, kind: &str, value: &str) -> Markup {
        self.labelled(name, &html! {
            input id=(name) name=(name) type=(kind) value=(value) autocomplete="off" aria-describedby=[self.described()] aria-invalid=[self.invalid()];
        })
    }

    /// The same of a choice.
    pub(crate) fn around_choice(&self, name: &str, value: &str, options: &[(&str, &str)]) -> Markup {
        self.labelled(
            name,
            &html! {
                select id=(name) name=(name) aria-describedby=[self.described()] aria-invalid=[self.invalid()] {
                    @for (option, label) in options { option value=(option) selected[*option == value] { (label) } }
                }
            },
        )
    }

    fn around(&self, control: &Markup) -> Markup {
        self.labelled(self.name, control)
    }

    fn labelled(&self, id: &str, control: &Markup) -> Markup {
        html! {
            div.field {
                label for=(id) { (self.label) }
                (control)
                @if !self.hint.is_empty() { p.hint id={ (self.name) "-hint" } { (self.hint) } }
                @if let Some(fault) = self.fault() { p.fault id={ (self.name) "-fault" } role="alert" { (fault) } }
            }
        }
    }

    /// The ids of what describes it.
    fn described(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let fault = self.fault().map(|_| format!("{}-fault", self.name));
        let both: Vec<String> = hint.into_iter().chain(fault).collect();
        (!both.is_empty()).then(|| both.join(" "))
    }

    fn invalid(&self) -> Option<&'static str> {
        self.fault().map(|_| "true")
    }

    /// A line of text.
    pub(crate) fn line(&self, value: &str) -> Markup {
        self.input("text", value, &[])
    }

    /// A line that proposes what is there; others may be typed.
    pub(crate) fn proposing(&self, value: &str, options: &[String]) -> Markup {
        self.input("text", value, options)
    }

    /// A line of another type, such as `number`.
    pub(crate) fn typed(&self, kind: &str, value: &str) -> Markup {
        self.input(kind, value, &[])
    }

    fn input(&self, kind: &str, value: &str, options: &[String]) -> Markup {
        let list = (!options.is_empty()).then(|| format!("{}-list", self.name));
        self.around(&html! {
            input id=(self.name) name=(self.name) type=(kind) value=(value) list=[list.as_deref()] autocomplete="off"
                aria-describedby=[self.described()] aria-invalid=[self.invalid()];
            @if let Some(list) = &list { datalist id=(list) { @for option in options { option value=(option) {} } } }
        })
    }

    /// Many lines of text.
    pub(crate) fn area(&self, value: &str, rows: u32) -> Markup {
        self.around(&html! {
            textarea id=(self.name) name=(self.name) rows=(rows) aria-describedby=[self.described()] aria-invalid=[self.invalid()] { "\n" (value) }
        })
    }

    /// Many lines for machines.
    pub(crate) fn source(&self, value: &str, rows: u32) -> Markup {
        self.around(&html! {
            textarea.source id=(self.name) name=(self.name) rows=(rows) spellcheck="false" wrap="off" aria-describedby=[self.described()]
                aria-invalid=[self.invalid()] { "\n" (value) }
        })
    }

    /// Many lines for machines that are spoken of by their numbers. The numbers are shown where a browser can
    /// make the area as high as its text, for elsewhere they would not move with it.
    pub(crate) fn numbered(&self, value: &str) -> Markup {
        let lines = value.lines().count();
        let rows = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(2).clamp(10, 40);
        self.around(&html! {
            div.numbered {
                div aria-hidden="true" { @for _ in 0..lines + SPARE_LINES { i {} } }
                textarea.source id=(self.name) name=(self.name) rows=(rows) spellcheck="false" wrap="off" aria-describedby=[self.described()]
                    aria-invalid=[self.invalid()] { "\n" (value) }
            }
        })
    }

    /// One of some: values and what people call them.
    pub(crate) fn choice(&self, value: &str, options: &[(&str, &str)]) -> Markup {
        let is_known = options.iter().any(|(option, _)| *option == value);
        self.around(&html! {
            select id=(self.name) name=(self.name) aria-describedby=[self.described()] aria-invalid=[self.invalid()] {
                @if !is_known && !value.is_empty() { option value=(value) selected { (value) } }
                @for (option, label) in options { option value=(option) selected[*option == value] { (label) } }
            }
        })
    }

    /// Yes or no.
    pub(crate) fn tick(&self, is_on: bool) -> Markup {
        html! {
            div.field.tick {
                input id=(self.name) name=(self.name) type="checkbox" value="on" checked[is_on] aria-describedby=[self.described()] aria-invalid=[self.invalid()];
                label for=(self.name) { (self.label) }
                @if !self.hint.is_empty() { p.hint id={ (self.name) "-hint" } { (self.hint) } }
                @if let Some(fault) = self.fault() { p.fault id={ (self.name) "-fault" } role="alert" { (fault) } }
            }
        }
    }
}
