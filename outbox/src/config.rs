//! What an operator sets.

use std::time::Duration;

use clap::Args;

/// The pauses between attempts unless an operator says otherwise: about a day together.
pub const RETRIES: &str = "5s,30s,2m,10m,1h,2h,4h,8h,8h";
/// How many deliveries one worker sends at once, unless an operator says otherwise.
pub const SENDING_MAX: usize = 32;
/// How many pauses there may be.
const RETRIES_MAX: usize = 32;
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_hours(24);

/// How ends of turns are delivered.
#[derive(Debug, Clone, Args)]
#[group(id = "deliver")]
pub struct Config {
    /// The pauses between attempts to tell the end of a turn; after the last one it is given up.
    #[arg(id = "deliver-retries", long = "deliver-retries", env = "CUEPOINT_DELIVER_RETRIES", value_name = "DURATIONS",
          value_delimiter = ',', value_parser = humantime::parse_duration, default_value = RETRIES)]
    pub retries: Vec<Duration>,
    /// How many ends of turns are sent at once.
    #[arg(id = "deliver-sending", long = "deliver-sending", env = "CUEPOINT_DELIVER_SENDING", value_name = "COUNT", default_value_t = SENDING_MAX)]
    pub sending: usize,
}

impl Default for Config {
    fn default() -> Self {
        let pause = |text| humantime::parse_duration(text).unwrap_or(PAUSE_MAX);
        Self { retries: RETRIES.split(',').map(pause).collect(), sending: SENDING_MAX }
    }
}

impl Config {
    /// All faults that the settings have together.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if self.retries.len() > RETRIES_MAX || self.retries.iter().any(|pause| *pause > PAUSE_MAX || pause.is_zero()) {
            faults.push(format!("--deliver-retries takes at most {RETRIES_MAX} pauses, each longer than 0s and at most 1day"));
        }
        if self.sending == 0 || self.sending > 1_024 {
            faults.push(format!("--deliver-sending {} must be between 1 and 1024", self.sending));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Config;

    #[test]
    fn what_is_tried_by_itself_is_tried_for_about_a_day() {
        let config = Config::default();
        config.validate().unwrap();
        let whole: Duration = config.retries.iter().sum();
        assert!((Duration::from_hours(22)..Duration::from_hours(26)).contains(&whole), "{whole:?}");
        assert!(config.retries.is_sorted());
    }
}
