//! What went wrong, how often, and where: a simulation in which nothing goes wrong proves nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;

/// The kinds of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A worker ends where it stands.
    WorkerCrash,
    /// A worker stands still for longer or shorter than its leases hold.
    WorkerFreeze,
    /// A worker is asked to end, and another takes its place.
    WorkerRolled,
    /// The wall clock of a worker jumps.
    ClockJump,
    /// A gateway ends where it stands.
    GatewayCrash,
    /// A gateway stands still.
    GatewayFreeze,
    /// Redis loses everything.
    RedisWipe,
    /// Redis comes back without its newest writes.
    RedisRollback,
    /// Redis answers nobody for a while.
    RedisSilence,
    /// Redis does what it is asked, and its answer is lost.
    RedisAnswerLost,
    /// The broker answers nobody for a while.
    BrokerSilence,
    /// A read is not answered.
    ReadLost,
    /// A read is answered by a replica that lags.
    ReadStale,
    /// An append lands long after its sender has looked whether it did.
    AppendLate,
    /// An append lands, and its answer is lost.
    AppendAnswerLost,
    /// An ack, a nak or a sign of life is lost.
    AckLost,
    /// A timer is set, and the answer is lost.
    TimerAnswerLost,
    /// A deletion or its answer is lost.
    DeleteLost,
    /// An offer to another worker is not answered in time, taken or not.
    HandOverLost,
    /// An event is stored long after its sender has given up.
    PublishLate,
    /// An event is stored, and the answer is lost.
    PublishAnswerLost,
    /// Nobody is there to store an event.
    PublishRefused,
    /// The stream of events is made anew.
    Recreated,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::WorkerCrash,
        Self::WorkerFreeze,
        Self::WorkerRolled,
        Self::ClockJump,
        Self::GatewayCrash,
        Self::GatewayFreeze,
        Self::RedisWipe,
        Self::RedisRollback,
        Self::RedisSilence,
        Self::RedisAnswerLost,
        Self::BrokerSilence,
        Self::ReadLost,
        Self::ReadStale,
        Self::AppendLate,
        Self::AppendAnswerLost,
        Self::AckLost,
        Self::TimerAnswerLost,
        Self::DeleteLost,
        Self::HandOverLost,
        Self::PublishLate,
        Self::PublishAnswerLost,
        Self::PublishRefused,
        Self::Recreated,
    ];
}

/// How often one await was come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// How often at all.
    pub passes: u64,
    /// How often its process ended there.
    pub crashes: u64,
    /// How often its process stood still there.
    pub freezes: u64,
}

/// What happened in one run, or in many.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Awaits by name.
    pub points: BTreeMap<&'static str, Point>,
    /// Ends and other things that came of it, by name.
    pub ends: BTreeMap<&'static str, u64>,
    /// The fewest faults of one run.
    pub faults_min: Option<u64>,
    /// How many runs.
    pub runs: u64,
}

impl Tally {
    pub(crate) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// A worker was replaced as operators do.
    pub(crate) fn rolled(&mut self) {
        self.fault(Fault::WorkerRolled);
    }

    pub(crate) fn end(&mut self, name: &'static str) {
        *self.ends.entry(name).or_default() += 1;
    }

    /// How often something happened.
    pub fn ended(&self, name: &str) -> u64 {
        self.ends.get(name).copied().unwrap_or(0)
    }

    /// How much went wrong.
    pub fn faults_all(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Takes note that the run is over.
    pub(crate) fn close(&mut self) {
        self.runs = 1;
        self.faults_min = Some(self.faults_all());
    }

    /// Kinds of faults and awaits that were met less often than that.
    pub fn rare(&self, times: u64) -> Vec<String> {
        let faults = Fault::ALL.iter().map(|fault| (format!("{fault:?}"), self.faults.get(fault).copied().unwrap_or(0)));
        let points = self.points.iter().map(|(name, point)| ((*name).to_owned(), point.crashes + point.freezes));
        faults.chain(points).filter(|(_, count)| *count < times).map(|(name, count)| format!("{name}: {count}")).collect()
    }
}

impl AddAssign<&Self> for Tally {
    fn add_assign(&mut self, other: &Self) {
        for (fault, count) in &other.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        for (name, point) in &other.points {
            let sum = self.points.entry(name).or_default();
            sum.passes += point.passes;
            sum.crashes += point.crashes;
            sum.freezes += point.freezes;
        }
        for (name, count) in &other.ends {
            *self.ends.entry(name).or_default() += count;
        }
        self.faults_min = [self.faults_min, other.faults_min].into_iter().flatten().min();
        self.runs += other.runs;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} runs, {} faults, at least {} in each", self.runs, self.faults_all(), self.faults_min.unwrap_or(0))?;
        writeln!(out, "\n{:<28}{:>12}", "fault", "times")?;
        for fault in Fault::ALL {
            writeln!(out, "{:<28}{:>12}", format!("{fault:?}"), self.faults.get(&fault).copied().unwrap_or(0))?;
        }
        writeln!(out, "\n{:<28}{:>12}{:>10}{:>10}", "await", "passes", "crashes", "freezes")?;
        for (name, point) in &self.points {
            writeln!(out, "{name:<28}{:>12}{:>10}{:>10}", point.passes, point.crashes, point.freezes)?;
        }
        writeln!(out, "\n{:<28}{:>12}", "what came of it", "times")?;
        for (name, count) in &self.ends {
            writeln!(out, "{name:<28}{count:>12}")?;
        }
        Ok(())
    }
}
