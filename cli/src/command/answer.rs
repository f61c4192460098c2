//! `cuepoint answer`: what a call of a turn waits for.

use std::time::Duration;

use clap::Args;
use proto::id::Receipt;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Error, send};
use crate::client::{Client, Verb};
use crate::output;
use crate::reach::Api;

/// Which call, and what it is told.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("said").required(true).args(["text", "json", "approve", "reject"]))]
pub struct Options {
    /// Receipt of the event, as `send` prints it.
    receipt: Receipt,
    /// Call that waits, such as 1.0; `follow` shows it.
    call: String,
    /// Words for a call that asks for some.
    #[arg(long, short)]
    text: Option<String>,
    /// The same, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    json: Option<Value>,
    /// Lets a call run that needs an approval.
    #[arg(long)]
    approve: bool,
    /// Refuses the call.
    #[arg(long)]
    reject: bool,
    /// Why, for the bot and whoever reads the conversation.
    #[arg(long, conflicts_with_all = ["text", "json"])]
    reason: Option<String>,
    /// Who answers.
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

fn json_value(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

impl Options {
    /// The body of the call: exactly one of the four was given.
    fn body(&self) -> Value {
        let mut body = json!({ "call": self.call });
        let said = self.text.as_ref().map(|text| text.clone().into()).or_else(|| self.json.clone());
        let verdict = said.is_none().then_some(Value::from(self.approve));
        let fields = [
            ("text", said),
            ("approve", verdict),
            ("reason", self.reason.clone().map(Value::from)),
            ("by", self.by.clone().map(Value::from)),
        ];
        if let Some(map) = body.as_object_mut() {
            map.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        body
    }
}

/// Answers the call.
pub async fn run(options: Options) -> Result<(), Error> {
    let body = options.body();
    let secret = options.secret.or_else(|| options.api.at.data().known_trigger_secret(&options.receipt.session.trigger));
    let client = Client::new(&options.api.address(), secret)?;
    let progress = client.say(&options.receipt, Verb::Answer, &body, options.wait).await?;
    for line in send::lines(&progress) {
        output::line(line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::Options;

    #[derive(Debug, Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        let fixed = ["answer", "evt.t.s.6a1b2c3d.42", "1.0"];
        Arguments::try_parse_from(fixed.iter().chain(arguments)).map(|arguments| arguments.options)
    }

    #[test]
    fn one_thing_is_said_and_becomes_the_body() {
        for (arguments, expected) in [
            (&["--text", "5"][..], json!({ "call": "1.0", "text": "5" })),
            (&["--json", "[5]", "--by", "ada"], json!({ "call": "1.0", "text": [5], "by": "ada" })),
            (&["--approve"], json!({ "call": "1.0", "approve": true })),
            (&["--reject", "--reason", "no"], json!({ "call": "1.0", "approve": false, "reason": "no" })),
        ] {
            assert_eq!(parse(arguments).unwrap().body(), expected, "{arguments:?}");
        }
        for arguments in
            [&[][..], &["--approve", "--reject"], &["--text", "x", "--approve"], &["--text", "x", "--reason", "y"], &["--json", "{"]]
        {
            parse(arguments).unwrap_err();
        }
    }
}
