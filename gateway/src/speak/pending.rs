//! What a turn waits for, by its records.

use async_nats::Client;
use backbone::journal;
use proto::answer::Kind;
use proto::code::Code;
use proto::id::Receipt;
use proto::record::{Record, Step};
use proto::wire::{Call, Wait};

use super::words::Answered;
use crate::api_error::ApiError;

/// How much of the call's id is said back, in characters.
const CALL_CHARS_MAX: usize = 64;

/// The records of an event's turn while it is open, the last of them as the leader has it.
pub(super) async fn turn(client: &Client, receipt: &Receipt) -> Result<Option<Vec<Record>>, journal::Error> {
    let last = journal::last_from_leader(client, &receipt.session).await?;
    let is_open = |record: &Record| record.event == receipt.event && !record.is_terminal() && !record.is_idle();
    let Some(last) = last.filter(|last| is_open(&last.record)) else { return Ok(None) };
    let mut records = Vec::new();
    journal::walk(client, &receipt.session, last.record.base, |entry| {
        let is_before = entry.seq < last.seq;
        if is_before && entry.record.event == receipt.event {
            records.push(entry.record);
        }
        is_before
    })
    .await?;
    records.push(last.record);
    Ok(Some(records))
}

/// Refuses an answer that nothing in an open turn waits for.
pub(super) fn check(records: &[Record], answer: &Answered) -> Result<(), ApiError> {
    let waiting = waiting(records);
    let wanted = waiting.iter().find(|(id, _)| *id == answer.call).map(|(_, wait)| *wait);
    match (wanted, &answer.kind) {
        (Some(Wait::Answer), Kind::Said(_) | Kind::Rejected(_)) | (Some(Wait::Approval), Kind::Approved(_) | Kind::Rejected(_)) => Ok(()),
        (Some(wait), _) => Err(refused(format!("call {} waits for {}", answer.call, name(wait)))),
        (None, _) => {
            let said = |(id, wait): &(String, Wait)| format!("{id} waits for {}", name(*wait));
            let others: Vec<String> = waiting.iter().map(said).collect();
            let others = if others.is_empty() { "nothing in this turn does".to_owned() } else { others.join(", ") };
            let call: String = answer.call.chars().take(CALL_CHARS_MAX).collect();
            Err(refused(format!("no call {call:?} waits for an answer: {others}")))
        }
    }
}

/// The calls that wait for somebody outside, and what for.
fn waiting(records: &[Record]) -> Vec<(String, Wait)> {
    let mut waiting: Vec<(String, Wait)> = Vec::new();
    for record in records {
        match &record.step {
            Some(Step::Intents(step)) => {
                let waits = |call: &&Call| call.wait() != Wait::Unspecified;
                waiting.extend(step.calls.iter().filter(waits).map(|call| (call.id.clone(), call.wait())));
            }
            Some(Step::Outcomes(step)) => waiting.retain(|(id, _)| step.outcomes.iter().all(|outcome| outcome.call != *id)),
            Some(Step::Received(step)) if !step.unwanted => {
                let answered = step.answer.as_ref().map(|answer| answer.call.as_str()).unwrap_or_default();
                waiting.retain(|(id, _)| id != answered);
            }
            _ => {}
        }
    }
    waiting
}

fn refused(message: String) -> ApiError {
    ApiError::new(Code::TurnEnded, message)
}

fn name(wait: Wait) -> &'static str {
    if wait == Wait::Approval { "an approval (approve)" } else { "an answer (text)" }
}

#[cfg(test)]
mod tests {
    use proto::answer::Kind;
    use proto::id::{Epoch, EventSeq};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::check;
    use crate::speak::words::Answered;

    fn record(step: Step) -> Record {
        let event = EventSeq { epoch: Epoch::from_second(1), seq: 7 };
        Record {
            id: RecordId([0; 16]),
            event,
            cursor: 3,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        }
    }

    fn intents() -> Record {
        let call = |id: &str, wait: wire::Wait| wire::Call { id: id.into(), wait: wait.into(), ..wire::Call::default() };
        let calls = vec![call("1.0", wire::Wait::Approval), call("1.1", wire::Wait::Answer), call("1.2", wire::Wait::Unspecified)];
        record(Step::Intents(wire::Intents { step: 1, calls, ..wire::Intents::default() }))
    }

    fn received(call: &str, unwanted: bool) -> Record {
        let answer = wire::Answer { call: call.into(), kind: Some(approved()), ..wire::Answer::default() };
        record(Step::Received(wire::Received { answer: Some(answer), unwanted }))
    }

    fn outcome(call: &str) -> Record {
        let outcome = wire::Outcome { call: call.into(), ..wire::Outcome::default() };
        record(Step::Outcomes(wire::Outcomes { step: 1, outcomes: vec![outcome] }))
    }

    fn asked(records: &[Record], call: &str, kind: Kind) -> Result<(), String> {
        let answer = Answered { call: call.into(), by: String::new(), kind };
        check(records, &answer).map_err(|error| format!("{} {}", error.code.as_str(), error.message))
    }

    fn said() -> Kind {
        Kind::Said(wire::Said::default())
    }

    fn approved() -> Kind {
        Kind::Approved(wire::Approved::default())
    }

    fn rejected() -> Kind {
        Kind::Rejected(wire::Rejected::default())
    }

    #[test]
    fn each_call_takes_the_answer_that_it_waits_for() {
        let records = [intents()];
        for (call, kind) in [("1.0", approved()), ("1.0", rejected()), ("1.1", said()), ("1.1", rejected())] {
            assert_eq!(asked(&records, call, kind), Ok(()));
        }
        assert_eq!(asked(&records, "1.0", said()), Err("CUE0404 call 1.0 waits for an approval (approve)".into()));
        assert_eq!(asked(&records, "1.1", approved()), Err("CUE0404 call 1.1 waits for an answer (text)".into()));
        let others = r#"CUE0404 no call "1.2" waits for an answer: 1.0 waits for an approval (approve), 1.1 waits for an answer (text)"#;
        assert_eq!(asked(&records, "1.2", said()), Err(others.into()));
    }

    #[test]
    fn what_has_its_answer_or_its_end_waits_no_more() {
        let gone = [intents(), received("1.0", false), received("1.1", true), outcome("1.2")];
        let message = r#"CUE0404 no call "1.0" waits for an answer: 1.1 waits for an answer (text)"#;
        assert_eq!(asked(&gone, "1.0", approved()), Err(message.into()));
        assert_eq!(asked(&gone, "1.1", said()), Ok(()), "an answer that nothing waited for changes nothing");
        let ended = [intents(), outcome("1.0"), outcome("1.1")];
        assert_eq!(asked(&ended, "1.1", said()), Err(r#"CUE0404 no call "1.1" waits for an answer: nothing in this turn does"#.into()));
    }
}
