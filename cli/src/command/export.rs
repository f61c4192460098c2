//! `cuepoint export`: a deployment's configuration as a file that `apply` takes back.
//!
//! A secret is a reference to a file beside it, which whoever exports has to put there: no value leaves
//! the deployment.

use std::collections::BTreeMap;

use clap::Args;
use proto::resource::Resource;
use serde_json::Value;

use super::Error;
use crate::config::view;
use crate::reach::Broker;
use crate::{apply, output};

/// What stands at the start of an exported file.
const HEAD: &str = "# yaml-language-server: $schema=cuepoint.schema.json\n";

/// What to export, and from where.
#[derive(Debug, Args)]
pub struct Options {
    /// Only resources of this kind.
    #[arg(long, value_parser = apply::GROUPS)]
    kind: Option<String>,
    /// Only the resource with this id.
    #[arg(long)]
    id: Option<String>,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// Prints the file.
pub async fn run(options: &Options) -> Result<(), Error> {
    let (_client, context) = options.broker.streams().await?;
    let all = apply::resources(&context).await?;
    let is_wanted = |resource: &Resource| {
        let key = resource.key();
        let (kind, id) = key.split_once('.').unwrap_or_default();
        options.kind.as_deref().is_none_or(|wanted| wanted == kind) && options.id.as_deref().is_none_or(|wanted| wanted == id)
    };
    let wanted: Vec<Resource> = all.into_iter().filter(is_wanted).collect();
    Ok(output::line(text(&wanted)?.trim_end())?)
}

/// Resources as a file.
pub fn text(resources: &[Resource]) -> Result<String, Error> {
    let mut sections: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for resource in resources {
        if let Some(section) = view::section(resource) {
            sections.entry(section).or_default().push(view::of(resource));
        }
    }
    let text = serde_saphyr::to_string(&sections).map_err(|error| Error::Export(error.to_string()))?;
    Ok(format!("{HEAD}{text}"))
}
