//! `cuepoint apply`: makes a deployment's configuration match files.

use std::path::PathBuf;

use backbone::config::Keys;
use backbone::seal::{KeyError, MasterKey};
use clap::Args;

use super::Error;
use crate::apply::{self, Manner, Plan};
use crate::config::document::Documents;
use crate::data::Data;
use crate::reach::Broker;
use crate::{clock, output, secret};

/// What to apply, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file, or a directory of them.
    #[arg(value_name = "FILE|DIR", required_unless_present = "named", conflicts_with = "named")]
    path: Option<PathBuf>,
    /// The same, by a flag.
    #[arg(id = "named", short = 'f', long = "file", value_name = "FILE|DIR")]
    named: Option<PathBuf>,
    /// Remove what these files brought earlier and no longer have; otherwise it is only said.
    #[arg(long)]
    prune: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take over what the API or other files keep.
    #[arg(long)]
    adopt: bool,
    /// What secrets are sealed under; otherwise the keys of the deployment on this machine.
    #[command(flatten)]
    keys: Keys,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// Applies the files.
pub async fn run(options: &Options) -> Result<(), Error> {
    let path = options.path.as_ref().or(options.named.as_ref()).ok_or_else(|| Error::Usage("name a file or a directory".into()))?;
    let documents = Documents::load(path)?;
    let data = options.broker.at.data();
    let wanted = secret::resolve(&documents.files, &data)?;
    let key = master(&options.keys, &data)?;
    let (_client, context) = options.broker.streams().await?;
    let manner = Manner { name: documents.name, prune: options.prune, adopt: options.adopt, key, now_ms: clock::now_ms() };
    let plan = apply::plan(&context, &wanted, &manner).await?;
    for line in lines(&plan) {
        output::line(line)?;
    }
    if options.dry_run {
        return Ok(output::line("nothing was done: --dry-run")?);
    }
    let report = apply::carry_out(&context, plan).await?;
    let (created, updated, removed) = (report.created.len(), report.updated.len(), report.removed.len());
    Ok(output::line(format!("{created} created, {updated} updated, {removed} removed, {} unchanged", report.unchanged))?)
}

/// The master key: of the flags, or of the deployment on this machine.
pub(super) fn master(keys: &Keys, data: &Data) -> Result<MasterKey, Error> {
    let own = || -> Result<MasterKey, Error> {
        let deployment_key_file = Some(data.deployment_key_file()?);
        let key = Keys { master_key_file: None, deployment_key_file }.master()?;
        key.ok_or(Error::Key(KeyError::Count))
    };
    keys.master()?.map_or_else(own, Ok)
}

/// What a plan comes to, in the words of the files.
fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &plan.changes {
        let (is_new, is_gone) = (change.revision.is_none(), change.is_removal());
        let what = if is_gone {
            "- remove"
        } else if is_new {
            "+ create"
        } else {
            "~ update"
        };
        lines.push(format!("{what} {}", change.key));
        if !is_gone {
            lines.extend(change.differences.iter().map(|difference| format!("    {difference}")));
        }
    }
    lines.extend(plan.left.iter().map(|key| format!("! {key} is no longer in the files and stays: --prune removes it")));
    lines
}
