//! `cuepoint mcp-probe` as a person runs it: what it prints, what it ends with, and what it never says.

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::process::Output;
    use std::time::Duration;

    use serde_json::{Value, json};
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::process::Command;
    use tokio::task::JoinSet;

    /// How long anything here may take.
    const DEADLINE: Duration = Duration::from_mins(1);
    const SECRET: &str = "hunter2-hunter2-hunter2";

    /// A server with one tool, which repeats the headers of its request: as its result, or as its error.
    async fn server() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream));
            }
        });
        (address, tasks)
    }

    async fn serve(stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (status, answer) = answer(&message, &head);
            let length = answer.len();
            let response = format!("HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{answer}");
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    }

    fn answer(message: &Value, head: &str) -> (u16, String) {
        let result = match message["method"].as_str().unwrap_or_default() {
            "initialize" => {
                json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": SECRET, "version": "1" } })
            }
            "tools/list" => {
                let described = format!("Says \u{1b}[31mwhat it was told.\n{head}");
                json!({ "tools": [{ "name": "echo", "description": described, "inputSchema": {}, "annotations": { "readOnlyHint": true } }] })
            }
            "tools/call" => {
                let is_error = message["params"]["arguments"]["fail"] == true;
                json!({ "content": [{ "type": "text", "text": head }], "isError": is_error })
            }
            _ => return (if message.is_null() { 405 } else { 202 }, String::new()),
        };
        (200, json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
    }

    async fn probe(arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cuepoint"));
        command.arg("mcp-probe").args(arguments).env("CUEPOINT_MCP_TOKEN", SECRET).kill_on_drop(true);
        tokio::time::timeout(DEADLINE, command.output()).await.unwrap().unwrap()
    }

    fn told(output: &Output) -> (String, String) {
        (String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
    }

    #[tokio::test]
    async fn the_tools_are_listed_and_one_is_called() {
        let (address, _serving) = server().await;
        let (allow, url) = (address.to_string(), format!("http://{address}/mcp"));
        let output = probe(&["--log", "warn", "--allow", &allow, "--call", "echo", "--arguments", "{\"a\":1}", "--key", "k", &url]).await;
        let (out, err) = told(&output);
        assert_eq!((output.status.code(), err.as_str()), (Some(0), ""), "{out}");
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(
            lines[..3],
            [format!("http://{address}: 1 tools"), "  echo [read-only]  Says [31mwhat it was told.".into(), "echo: {".into()]
        );
    }

    #[tokio::test]
    async fn a_failure_is_told_and_shows_in_the_exit_code() {
        let (address, _serving) = server().await;
        let (allow, url) = (address.to_string(), format!("http://{address}/mcp"));
        for (arguments, code, expected) in [
            (
                vec!["--log", "warn", &url],
                1,
                "error: 127.0.0.1 may not be called: its address is loopback, and egress.allow does not list it\n",
            ),
            (
                vec!["--log", "warn", "--allow", &allow, "--call", "echo", "--arguments", "{\"fail\":true}", &url],
                1,
                "error: POST /mcp HTTP/1.1",
            ),
            (vec!["--call", "echo", "--arguments", "[]", &url], 64, "error: --arguments: no JSON object"),
            (vec!["--header", "nonsense", &url], 64, "error: invalid value 'nonsense' for '--header <HEADER>': a header is `Name: value`"),
            (vec!["--arguments", "{}", &url], 64, "error: the following required arguments were not provided:\n  --call <TOOL>"),
            (
                vec!["--client", "{\"client_id\": 5}", &url],
                64,
                "error: invalid value '{\"client_id\": 5}' for '--client <JSON>': no registration at line 1, column 15",
            ),
        ] {
            let output = probe(&arguments).await;
            let (out, err) = told(&output);
            assert_eq!(output.status.code(), Some(code), "{arguments:?} {out}{err}");
            assert!(err.starts_with(expected), "{arguments:?} {err}");
        }
    }

    #[tokio::test]
    async fn no_secret_is_logged_or_printed_whatever_the_server_repeats() {
        let (address, _serving) = server().await;
        let (allow, url) = (address.to_string(), format!("http://{address}/mcp?key=not-to-be-shown"));
        let header = format!("x-key: {SECRET}");
        for arguments in ["{}", "{\"fail\":true}"] {
            let output =
                probe(&["--log", "trace", "--allow", &allow, "--header", &header, "--call", "echo", "--arguments", arguments, &url]).await;
            let (out, err) = told(&output);
            assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}{err}");
            assert!(!err.contains("not-to-be-shown") && format!("{out}{err}").contains("[secret]"), "{out}{err}");
        }
    }
}
