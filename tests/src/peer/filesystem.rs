//! An MCP server that reads and writes files, over standard streams.
//!
//! It is `@modelcontextprotocol/server-filesystem`, by the TypeScript SDK.

use std::path::Path;

use super::command_line::CommandLine;

/// What starts one that may touch what lies under these directories, and nothing else.
pub fn stdio<'a>(directories: impl IntoIterator<Item = &'a Path>) -> CommandLine {
    CommandLine::npm("mcp-server-filesystem").with(directories.into_iter().map(|directory| directory.display().to_string()))
}
