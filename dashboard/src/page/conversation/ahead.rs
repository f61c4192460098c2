//! What is still to come: events of a session of which nothing is on record yet.
//!
//! A turn writes its first record when it acts or ends, so one that only thinks so far is among these.

use maud::{Markup, html};
use serde::Deserialize;

use super::DIRECT;
use crate::page::list::List;
use crate::part::{badge, deed};
use crate::path;
use crate::visit::Visit;

/// How many of a trigger's events are looked through.
const LOOKED_AT: &str = "100";

/// An event without a record.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ahead {
    /// Its receipt.
    pub(super) id: String,
    session: String,
    created_at: i64,
}

/// The events of a session, oldest first; none where they cannot be had.
pub(super) async fn of(visit: &Visit, (trigger, session): (&str, &str)) -> Vec<Ahead> {
    // The API's own conversations are of no trigger whose events are listed.
    if trigger == DIRECT {
        return Vec::new();
    }
    let path = format!("/integration/trigger/{}/event/list", path::part(trigger));
    let query = [("status", "queued"), ("order", "asc"), ("take", LOOKED_AT)];
    let listed: Result<List<Ahead>, _> = visit.get(&path::with(&path, &query)).await;
    listed.map(|list| list.items.into_iter().filter(|one| one.session == session).collect()).unwrap_or_default()
}

/// They, behind the timeline.
pub(super) fn show(visit: &Visit, conversation: &str, ahead: &[Ahead]) -> Markup {
    html! {
        ol.timeline.ahead data-region="ahead" {
            @for (index, one) in ahead.iter().enumerate() {
                li.entry.wait {
                    div.when { (visit.zone.time(one.created_at)) }
                    div.what {
                        div.who { "Event" (badge::toned(if index == 0 { badge::Tone::Busy } else { badge::Tone::Calm }, if index == 0 { "next" } else { "queued" })) }
                        @if visit.operates() && index > 0 {
                            (deed::button(visit, &format!("/ui/events/{}/cancel", path::part(&one.id)), "Cancel", &[("conversation", conversation)]))
                        }
                    }
                }
            }
        }
    }
}
