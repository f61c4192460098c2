//! An MCP server that knows the time, over standard streams.
//!
//! It is `mcp-server-time`, by the Python SDK: another implementation than that of the npm servers.

use super::command_line::CommandLine;

/// What starts one whose own time zone is UTC.
pub fn stdio() -> CommandLine {
    CommandLine::pypi("mcp-server-time").with(["--local-timezone", "UTC"])
}
