//! The world: its clock, its services, what goes wrong with them, and how a run goes to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::id::WorkerId;
use proto::record::Step;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::desk::Desk;
use worker::port::{Leases, Ports, Tasks};
use worker::upkeep;

use crate::actor::{Actor, SLOW, SeededChance};
use crate::broker::SimBroker;
use crate::lease::SimLeases;
use crate::outside::converse;
use crate::state::{Seat, Service, State};
use crate::tally::{Fault, Tally};
use crate::{gateway, sender};

/// How many workers live at once.
pub(crate) const WORKERS: usize = 3;
/// How many gateways live at once.
pub(crate) const GATEWAYS: usize = 2;
/// How many sessions there are.
pub(crate) const SESSIONS: u64 = 5;
/// How many events come.
pub const EVENTS: u64 = 40;
/// How long things go wrong.
const FAULTS_FOR: Duration = Duration::from_secs(25);
/// How long everything may take to come to its end after that.
const CALM_FOR: Duration = Duration::from_mins(3);
/// How often the world goes on by itself.
const TICK: Duration = Duration::from_millis(5);
/// How long an event may wait where nothing goes wrong: less than a delivery takes to be repeated.
const PROMPT: Duration = Duration::from_secs(4);
/// How long a worker that was asked to end may take.
const ROLL_DEADLINE: Duration = Duration::from_secs(25);

/// The world, shared by all its inhabitants.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("World")
    }
}

impl World {
    /// Inside a runtime whose clock stands still.
    pub(crate) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One await of a service on the outside: it takes a while, and the service may end or stand still there.
    pub(crate) async fn pass(&self, me: &str, point: &'static str) {
        let (pause, crashes, freezes) = {
            let mut state = self.state();
            let is_gateway = matches!(state.seat(me).map(|seat| &seat.service), Some(Service::Gateway { .. }));
            // Where few come by, more of them are met.
            let (crash, freeze) = odds(point);
            let faults = if is_gateway { (Fault::GatewayCrash, Fault::GatewayFreeze) } else { (Fault::WorkerCrash, Fault::WorkerFreeze) };
            let is_service = state.seat(me).is_some();
            let pause = Duration::from_micros(100 + state.random.below(4_000));
            let crashes = is_service && state.unlucky(crash, faults.0);
            let freezes = is_service && !crashes && state.unlucky(freeze, faults.1);
            let count = state.tally.points.entry(point).or_default();
            count.passes += 1;
            count.crashes += u64::from(crashes);
            count.freezes += u64::from(freezes);
            (pause, crashes, freezes)
        };
        tokio::time::sleep(pause).await;
        if crashes {
            self.crash(me, point).await;
        }
        if freezes {
            let mut state = self.state();
            let until = Instant::now() + Duration::from_millis(500 + state.random.below(11_500));
            state.seat_mut(me).into_iter().for_each(|seat| seat.frozen_until = Some(until));
            state.say(format!("{me} FREEZES at {point}"));
        }
        loop {
            let (is_dead, until) = self.state().seat(me).map_or((false, None), |seat| (!seat.is_alive, seat.frozen_until));
            if is_dead {
                std::future::pending::<()>().await;
            }
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Ends a service where it stands, and with it the task that this is called from.
    pub(crate) async fn crash(&self, me: &str, point: &str) {
        {
            let mut state = self.state();
            state.say(format!("{me} CRASHES at {point}"));
            if let Some(seat) = state.seat_mut(me) {
                seat.is_alive = false;
                match &seat.service {
                    Service::Worker(desk) => desk.ports.tasks.kill(),
                    Service::Gateway { killed, .. } => killed.cancel(),
                }
            }
        }
        std::future::pending::<()>().await;
    }

    /// The clock of a service's wall, in milliseconds.
    pub(crate) fn clock_ms(&self, me: &str) -> i64 {
        let state = self.state();
        state.now_ms() + state.seat(me).map_or(0, |seat| seat.skew_ms)
    }

    fn sit_worker(&self) {
        let id = WorkerId::of_random(self.state().random.next().to_be_bytes());
        let actor = Arc::new(Actor::new(self.clone(), &id));
        let ports = Ports {
            broker: Arc::new(SimBroker::new(self.clone(), &id)),
            leases: Arc::new(SimLeases::new(self.clone(), id.clone())),
            directory: Arc::clone(&actor) as Arc<_>,
            ledger: Arc::clone(&actor) as Arc<_>,
            times: Arc::clone(&actor) as Arc<_>,
            live: Arc::clone(&actor) as Arc<_>,
            clock: actor,
            chance: Arc::new(SeededChance::new(self.state().random.next())),
            seal: None,
            telemetry: telemetry::Telemetry::default(),
            tasks: Tasks::default(),
        };
        let desk = Desk::new(ports, id.clone(), 8, CancellationToken::new());
        desk.set_epoch(self.state().epoch);
        upkeep::start(&desk);
        self.sit(id.to_string(), Service::Worker(desk));
    }

    fn sit(&self, name: String, service: Service) {
        let mut state = self.state();
        state.say(format!("{name} starts"));
        state.seats.push(Seat { name, service, is_alive: true, is_ending: false, frozen_until: None, skew_ms: 0 });
    }

    fn sit_gateway(&self) {
        let name = format!("gateway-{}", self.state().random.below(10_000));
        let service = gateway::service(self, &name);
        self.sit(name, service);
    }

    fn fill_seats(&self, always: bool) {
        let (workers, gateways) = {
            let state = self.state();
            let alive = || state.seats.iter().filter(|seat| seat.is_alive && !seat.is_ending);
            (alive().filter(|seat| seat.desk().is_some()).count(), alive().filter(|seat| seat.desk().is_none()).count())
        };
        if workers < WORKERS && (always || self.state().random.below(100) == 0) {
            self.sit_worker();
        }
        if gateways < GATEWAYS && (always || self.state().random.below(60) == 0) {
            self.sit_gateway();
        }
    }

    /// Delivers whatever is due to a worker that lives and has room; redeliveries first.
    fn deliver(&self) {
        loop {
            let (desk, arrival) = {
                let mut state = self.state();
                if state.is_broker_silent() || !state.has_due() {
                    return;
                }
                let pick = state.random.next();
                let is_open = |seat: &&Seat| seat.is_alive && !seat.is_ending && seat.desk().is_some_and(|desk| desk.free_turns() > 0);
                let open: Vec<&Seat> = state.seats.iter().filter(is_open).collect();
                let Some(seat) = open.get(usize::try_from(pick).unwrap_or(0) % open.len().max(1)) else { return };
                let (Some(desk), name) = (seat.desk().map(Arc::clone), seat.name.clone()) else { return };
                desk.set_epoch(state.epoch);
                let Some(arrival) = state.deliver() else { return };
                state.say(format!("deliver {} to {name}, first: {}", arrival.waiting.event.seq, arrival.is_first));
                (desk, arrival)
            };
            desk.arrive(arrival);
        }
    }

    /// What goes wrong outside the services.
    fn disturb(&self) {
        let mut state = self.state();
        if state.random.below(200) == 0 {
            state.earlier_hints = state.hints.clone();
        }
        if state.unlucky(400, Fault::RedisWipe) {
            state.say("redis WIPED");
            state.hints = crate::state::Hints::default();
        }
        if state.unlucky(400, Fault::RedisRollback) {
            state.say("redis ROLLED BACK");
            state.roll_back();
        }
        if state.unlucky(500, Fault::RedisSilence) {
            let until = Instant::now() + Duration::from_millis(500 + state.random.below(8_000));
            state.redis_silent_until = Some(until);
            state.say("redis SILENT");
        }
        if state.unlucky(900, Fault::BrokerSilence) {
            let until = Instant::now() + Duration::from_millis(300 + state.random.below(4_000));
            state.broker_silent_until = Some(until);
            state.say("the broker SILENT");
        }
        if state.unlucky(900, Fault::ClockJump) {
            let seats = state.seats.len();
            let place = state.random.place(seats);
            let skew_ms = i64::try_from(state.random.below(60_000)).unwrap_or(0) - 30_000;
            let name = state.seats.get_mut(place).map(|seat| {
                seat.skew_ms = skew_ms;
                seat.name.clone()
            });
            state.say(format!("the clock of {name:?} JUMPS to {skew_ms} ms off"));
        }
        if state.is_at_rest() && state.sent.len() > 3 && state.unlucky(150, Fault::Recreated) {
            state.recreate();
        }
    }

    /// A worker is asked to end, as an operator does; its place is taken at once.
    fn roll(&self) {
        let desk = {
            let mut state = self.state();
            // What an operator does is no fault.
            if state.random.below(1_500) != 0 {
                return;
            }
            state.tally.rolled();
            let seat = state.seats.iter_mut().find(|seat| seat.is_alive && !seat.is_ending && seat.desk().is_some());
            let Some(seat) = seat else { return };
            seat.is_ending = true;
            let (name, desk) = (seat.name.clone(), seat.desk().map(Arc::clone));
            state.say(format!("{name} is asked to END"));
            desk
        };
        let Some(desk) = desk else { return };
        let world = self.clone();
        outside(async move {
            desk.shutdown.cancel();
            let deadline = Instant::now() + ROLL_DEADLINE;
            drop(desk.drained(deadline).await);
            desk.end_tasks(deadline).await;
            let me = desk.me.clone();
            SimLeases::new(world.clone(), me.clone()).forget(&me).await.unwrap_or_default();
            world.state().seat_mut(&me.to_string()).into_iter().for_each(|seat| seat.is_alive = false);
        });
    }

    fn is_done(&self) -> bool {
        let state = self.state();
        let alive = || state.seats.iter().filter(|seat| seat.is_alive).filter_map(Seat::desk);
        let is_waiting =
            |log: &Vec<crate::state::Logged>| log.last().is_some_and(|last| matches!(last.record.step, Some(Step::Suspended(_))));
        alive().all(|desk| desk.mailboxes().is_empty())
            && state.events.values().all(|stored| stored.is_acked)
            && state.sent.iter().all(|sent| sent.is_over)
            && !state.log.values().any(is_waiting)
    }

    /// Runs the world to its end.
    pub(crate) async fn run(&self) -> Result<Tally, String> {
        for _ in 0..WORKERS + GATEWAYS {
            self.fill_seats(true);
        }
        let began = Instant::now();
        let (mut sent, mut is_over) = (0, false);
        while began.elapsed() < FAULTS_FOR + CALM_FOR {
            tokio::time::sleep(TICK).await;
            if began.elapsed() > FAULTS_FOR && self.state().is_faulty {
                let mut state = self.state();
                state.is_faulty = false;
                state.say("CALM");
            }
            if sent < EVENTS && self.state().random.below(90) == 0 {
                sent += 1;
                sender::send(self, sent);
            }
            self.disturb();
            self.roll();
            converse(self);
            self.fill_seats(false);
            self.deliver();
            self.check_prompt();
            is_over = sent == EVENTS && self.is_done();
            if is_over || self.state().fault.is_some() {
                break;
            }
        }
        let told = sender::look_up(self).await;
        let mut state = self.state();
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        state.judge()?;
        if !is_over {
            return Err("I9: everything has come to its end, and some worker still has a session at hand".to_owned());
        }
        told?;
        state.tally.close();
        Ok(state.tally.clone())
    }

    /// Where nothing ever goes wrong, nothing waits for a repeated delivery.
    fn check_prompt(&self) {
        let mut state = self.state();
        if !state.is_quiet || state.only.is_some() {
            return;
        }
        if let Some((event, since)) = state.idle_longest(SLOW).filter(|(_, since)| *since > PROMPT) {
            state.violate(format!("I9: event {} waits for {since:?} though nothing went wrong", event.seq));
        }
    }
}

/// Runs what is no part of a service.
#[expect(clippy::disallowed_methods, reason = "what is outside outlives whoever asked for it")]
pub(crate) fn outside(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

/// At one of how many passes somebody ends, and stands still: more often where few come by.
fn odds(point: &str) -> (u64, u64) {
    let is_of = |some: &[&str]| some.iter().any(|name| point.contains(name));
    if is_of(&["bury"]) {
        (10, 20)
    } else if is_of(&[
        "gateway",
        "plan",
        "schedule",
        "delete",
        "has room",
        "next answer",
        "records",
        "take over",
        "forget",
        "sessions of",
        "release",
    ]) {
        (40, 80)
    } else {
        (170, 400)
    }
}
