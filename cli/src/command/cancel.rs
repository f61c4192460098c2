//! `cuepoint cancel`: an event's turn called off.

use std::time::Duration;

use clap::Args;
use proto::id::Receipt;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{Error, send};
use crate::client::{Client, Verb};
use crate::output;
use crate::reach::Api;

/// Which event, and why.
#[derive(Debug, Args)]
pub struct Options {
    /// Receipt of the event, as `send` prints it.
    receipt: Receipt,
    /// Why, for whoever reads the conversation.
    #[arg(long)]
    reason: Option<String>,
    /// Who calls it off.
    #[arg(long)]
    by: Option<String>,
    /// How long to wait for the end of the turn.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "0s")]
    wait: Duration,
    /// The trigger's secret, or the API token; otherwise the one that `cuepoint dev` made.
    #[arg(long, env = "CUEPOINT_SECRET", hide_env_values = true, value_parser = send::secret)]
    secret: Option<SecretString>,
    /// The deployment.
    #[command(flatten)]
    api: Api,
}

/// Calls the turn off.
pub async fn run(options: Options) -> Result<(), Error> {
    let given = [("reason", options.reason), ("by", options.by)];
    let body: Map<String, Value> = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    let secret = options.secret.or_else(|| options.api.at.data().known_trigger_secret(&options.receipt.session.trigger));
    let client = Client::new(&options.api.address(), secret)?;
    let progress = client.say(&options.receipt, Verb::Cancel, &body.into(), options.wait).await?;
    for line in send::lines(&progress) {
        output::line(line)?;
    }
    Ok(())
}
