use proptest::prelude::*;
use proto::record::Step as Recorded;
use proto::wire::answer::Kind;
use proto::wire::outcome::End;
use proto::wire::{Answer, Approved, Call, Elapsed, Intents, Outcome, Outcomes, Received, Rejected, Said, Thought, Unknown, Usage, Wait};

use super::{Course, Next};

fn call(id: &str, wait: Wait) -> Call {
    Call { id: id.into(), ability: "a".into(), arguments: "{}".into(), wait: wait.into(), ..Call::default() }
}

fn intents(step: u32, calls: Vec<Call>) -> Recorded {
    Recorded::Intents(Intents { input: None, step, calls, thought: None })
}

fn outcome(call: &str, end: End) -> Outcome {
    Outcome { call: call.into(), duration_ms: 1, end: Some(end) }
}

fn outcomes(step: u32, outcomes: Vec<Outcome>) -> Recorded {
    Recorded::Outcomes(Outcomes { step, outcomes })
}

fn answer(call: &str, kind: Kind) -> Recorded {
    let answer = Answer { call: call.into(), by: "ada".into(), kind: Some(kind), ..Answer::default() };
    Recorded::Received(Received { answer: Some(answer), unwanted: false })
}

fn course(steps: &[Recorded]) -> Course {
    let mut course = Course::default();
    for step in steps {
        course.apply(step);
    }
    course
}

fn ids(next: &Next) -> Vec<&str> {
    match next {
        Next::Think => vec![],
        Next::Run(calls) | Next::Doubt(calls) | Next::Wait(calls) => calls.iter().map(|call| call.id.as_str()).collect(),
    }
}

#[test]
fn what_can_run_runs_before_anybody_is_waited_for() {
    let asked = intents(1, vec![call("1.0", Wait::Unspecified), call("1.1", Wait::Approval), call("1.2", Wait::Answer)]);
    let begun = course(std::slice::from_ref(&asked));
    assert!(matches!(begun.next(), Next::Run(_)) && ids(&begun.next()) == ["1.0"]);
    let ended = outcomes(1, vec![outcome("1.0", End::Result("1".into()))]);
    let waiting = course(&[asked.clone(), ended.clone()]);
    assert!(matches!(waiting.next(), Next::Wait(_)) && ids(&waiting.next()) == ["1.1", "1.2"]);
    let approved = course(&[asked.clone(), ended.clone(), answer("1.1", Kind::Approved(Approved::default()))]);
    assert!(matches!(approved.next(), Next::Run(_)) && ids(&approved.next()) == ["1.1"]);
    let rest = [
        asked,
        ended,
        answer("1.1", Kind::Rejected(Rejected { reason: "too dear".into() })),
        answer("1.2", Kind::Said(Said { text: "blue".into() })),
    ];
    let done = course(&rest);
    assert_eq!(done.next(), Next::Think);
    let ends: Vec<_> = done.steps()[0].outcomes.iter().map(|outcome| outcome.end.clone().unwrap()).collect();
    assert_eq!(ends, [End::Result("1".into()), End::Error("rejected by ada: too dear".into()), End::Result("\"blue\"".into())]);
}

#[test]
fn an_answer_counts_once_and_only_where_it_is_waited_for() {
    let asked = intents(1, vec![call("1.0", Wait::Answer)]);
    let said = |text: &str| answer("1.0", Kind::Said(Said { text: text.into() }));
    let twice = course(&[asked.clone(), said("first"), said("second"), answer("1.0", Kind::Elapsed(Elapsed {}))]);
    assert_eq!(twice.steps()[0].outcomes, [outcome_of("\"first\"")]);
    let wrong = course(&[asked, answer("1.0", Kind::Approved(Approved::default())), answer("9.9", Kind::Elapsed(Elapsed {}))]);
    assert_eq!(ids(&wrong.next()), ["1.0"]);
}

fn outcome_of(result: &str) -> Outcome {
    Outcome { call: "1.0".into(), duration_ms: 0, end: Some(End::Result(result.into())) }
}

#[test]
fn a_known_outcome_is_not_overwritten_by_unknown() {
    let steps = [
        intents(1, vec![call("1.0", Wait::Unspecified)]),
        outcomes(1, vec![outcome("1.0", End::Result("1".into()))]),
        outcomes(1, vec![outcome("1.0", End::Unknown(Unknown {}))]),
    ];
    assert_eq!(course(&steps).steps()[0].outcomes, [outcome("1.0", End::Result("1".into()))]);
}

#[test]
fn usage_adds_up_by_model() {
    let thought = |model: &str, input| Thought {
        usage: Some(Usage { model: model.into(), input, calls: 1, ..Usage::default() }),
        ..Thought::default()
    };
    let step = |number, thought| Recorded::Intents(Intents { step: number, calls: vec![], thought: Some(thought), input: None });
    let course = course(&[step(1, thought("a/x", 5)), step(2, thought("b/y", 7)), step(3, thought("a/x", 11))]);
    let last = Usage { model: "b/y".into(), input: 1, calls: 1, ..Usage::default() };
    let sums: Vec<_> = course.usage(Some(&last)).into_iter().map(|sum| (sum.model, sum.input, sum.calls)).collect();
    assert_eq!(sums, [("a/x".to_owned(), 16, 2), ("b/y".to_owned(), 8, 2)]);
    assert_eq!(course.spent().tokens, 23);
}

/// Any records of a turn, in any order.
fn any_step() -> impl Strategy<Value = Recorded> {
    let wait = prop_oneof![Just(Wait::Unspecified), Just(Wait::Approval), Just(Wait::Answer)];
    let calls = proptest::collection::vec(wait, 0..3);
    let kind = prop_oneof![
        Just(Kind::Approved(Approved::default())),
        Just(Kind::Rejected(Rejected::default())),
        Just(Kind::Elapsed(Elapsed {})),
        Just(Kind::Said(Said::default())),
    ];
    prop_oneof![
        (1..4_u32, calls).prop_map(|(step, waits)| {
            let calls = waits.into_iter().enumerate().map(|(index, wait)| call(&format!("{step}.{index}"), wait)).collect();
            intents(step, calls)
        }),
        (1..4_u32, 0..3_u32).prop_map(|(step, index)| outcomes(step, vec![outcome(&format!("{step}.{index}"), End::Result("1".into()))])),
        (1..4_u32, 0..3_u32, kind).prop_map(|(step, index, kind)| answer(&format!("{step}.{index}"), kind)),
    ]
}

proptest! {
    /// Wherever the log of a turn is cut off, something sensible comes next, and it leads to an end.
    #[test]
    fn every_truncation_can_be_gone_on_with(steps in proptest::collection::vec(any_step(), 0..12)) {
        for end in 0..=steps.len() {
            let mut course = course(&steps[..end]);
            for _ in 0..64 {
                let next = course.next();
                let ended: Vec<Outcome> = ids(&next).into_iter().map(|id| outcome(id, End::Unknown(Unknown {}))).collect();
                if ended.is_empty() {
                    break;
                }
                course.apply(&outcomes(1, ended));
            }
            prop_assert_eq!(course.next(), Next::Think);
            for step in course.steps() {
                prop_assert_eq!(step.calls.len(), step.outcomes.len(), "an orphan call");
            }
        }
    }
}
