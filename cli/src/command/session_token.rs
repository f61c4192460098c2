//! `cuepoint session-token`: the token by which a direct publisher shares a session with HTTP callers.

use clap::Args;

use super::Error;
use crate::output;

/// Whose token.
#[derive(Debug, Args)]
pub struct Options {
    /// Session string, or the email address or phone number that stands for it.
    string: String,
}

/// Prints the token.
pub fn run(options: &Options) -> Result<(), Error> {
    Ok(output::line(proto::session::token(&options.string))?)
}
