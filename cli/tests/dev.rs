//! `cuepoint dev` as a person runs it: the real program, real servers, real signals.

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Output, Stdio};
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::process::{Child, Command};
    use tokio::time::{Instant, sleep};

    /// How long anything here may take.
    const DEADLINE: Duration = Duration::from_mins(1);

    struct Dev {
        data: PathBuf,
        http: String,
    }

    impl Dev {
        fn new() -> Self {
            let name = format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes()));
            let port = cuepoint::server::free_port().unwrap();
            Self { data: std::env::temp_dir().join(name), http: format!("127.0.0.1:{port}") }
        }

        /// The program, which finds this system by its environment alone.
        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cuepoint"));
            command.args(arguments).env("CUEPOINT_DATA", &self.data).env("CUEPOINT_HTTP", &self.http).env("CUEPOINT_LOG", "warn");
            command.kill_on_drop(true).stdin(Stdio::null());
            command
        }

        async fn run(&self, arguments: &[&str]) -> Output {
            tokio::time::timeout(DEADLINE, self.command(arguments).output()).await.unwrap().unwrap()
        }

        /// The first line that a command prints which would go on.
        async fn first_line(&self, arguments: &[&str]) -> String {
            let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let line = tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().unwrap();
            child.kill().await.unwrap();
            line
        }

        async fn start(&self) -> Child {
            let child = self.command(&["dev"]).stdout(Stdio::null()).spawn().unwrap();
            let since = Instant::now();
            while !self.data.join("dev.json").is_file() {
                assert!(since.elapsed() < DEADLINE, "cuepoint dev does not get ready");
                sleep(Duration::from_millis(20)).await;
            }
            child
        }

        /// The processes of the servers.
        fn servers(&self) -> [Pid; 2] {
            ["nats", "redis"].map(|server| {
                let note = std::fs::read(self.data.join(server).join("process.json")).unwrap();
                let note: serde_json::Value = serde_json::from_slice(&note).unwrap();
                Pid::from_raw(i32::try_from(note["pid"].as_i64().unwrap()).unwrap()).unwrap()
            })
        }
    }

    impl Drop for Dev {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.data));
        }
    }

    fn signal(child: &Child, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn ended(mut child: Child) -> Option<i32> {
        tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap().code()
    }

    fn said(output: &Output) -> String {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    #[tokio::test]
    async fn an_event_gets_its_reply_and_nothing_outlives_the_stop() {
        let dev = Dev::new();
        let child = dev.start().await;
        let sent = dev.run(&["send", "orders", "--text", "order 42", "--session", "s", "--wait", "20s"]).await;
        assert!(said(&sent).contains("bot  Order 42 is noted (42)."), "{}", said(&sent));

        let line =
            |name: &str| said(&sent).lines().find_map(|line| line.strip_prefix(name).map(|id| id.trim().to_owned())).unwrap_or_default();
        let (receipt, conversation) = (line("receipt "), line("conversation "));
        let followed = dev.run(&["follow", &receipt]).await;
        assert!(followed.status.success(), "{}", said(&followed));
        let told = said(&followed);
        assert!(told.contains("user  order 42") && told.ends_with("bot  Order 42 is noted (42).\n    result  completed\n"), "{told}");
        assert_eq!(dev.first_line(&["follow", &conversation, "--from-start"]).await, "      user  order 42");
        let behind = dev.run(&["follow", &receipt, "--after", "999999", "--json"]).await;
        assert_eq!(said(&behind), "{\"type\":\"end\",\"data\":{\"reason\":\"done\"}}\n");
        for (arguments, expected) in [
            (&["cancel", &receipt, "--reason", "late"][..], "there is nothing to call off (CUE0404)"),
            (&["answer", &receipt, "1.0", "--approve"], "no call of it waits for an answer (CUE0404)"),
        ] {
            let refused = dev.run(arguments).await;
            assert_eq!(refused.status.code(), Some(1));
            assert!(said(&refused).contains(expected), "{}", said(&refused));
        }

        let second = dev.run(&["dev"]).await;
        assert_eq!(second.status.code(), Some(1));
        assert!(said(&second).contains("another cuepoint dev runs on"), "{}", said(&second));
        let elsewhere = dev.data.join("elsewhere").display().to_string();
        let same_port = dev.run(&["dev", "--data", &elsewhere]).await;
        let port = dev.http.rsplit(':').next().unwrap();
        assert!(said(&same_port).contains(&format!("port {port} is taken")), "{}", said(&same_port));

        let servers = dev.servers();
        signal(&child, Signal::TERM);
        assert_eq!(ended(child).await, Some(0));
        for pid in servers {
            assert!(test_kill_process(pid).is_err(), "a server outlived its dev");
        }
        assert!(!dev.data.join("dev.json").exists());
    }

    #[tokio::test]
    async fn after_a_kill_the_next_start_finds_its_data_and_no_old_server() {
        let dev = Dev::new();
        let child = dev.start().await;
        dev.run(&["send", "orders", "--text", "order 1", "--session", "s", "--wait", "20s"]).await;
        let left = dev.servers();
        signal(&child, Signal::KILL);
        ended(child).await;
        std::fs::remove_file(dev.data.join("dev.json")).unwrap();

        let child = dev.start().await;
        for pid in left {
            assert!(!dev.servers().contains(&pid), "an old server runs on");
        }
        let sent = dev.run(&["send", "orders", "--text", "order 2", "--session", "s", "--wait", "20s"]).await;
        let receipt = said(&sent).lines().next().unwrap().to_owned();
        assert!(receipt.ends_with(".2"), "the second event of the same stream: {receipt}");
        signal(&child, Signal::INT);
        assert_eq!(ended(child).await, Some(0));
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_said_with_exit_64() {
        let dev = Dev::new();
        let file = std::env::temp_dir().join(format!("cuepoint-{:016x}.yaml", u64::from_le_bytes(backbone::chance::bytes())));
        std::fs::write(&file, "triggers:\n  - { id: t, bot: nobody }\n").unwrap();
        let path = file.display().to_string();
        for arguments in [["check", &path, "--log=warn"], ["dev", "--config", &path], ["frobnicate", "a", "b"]] {
            let output = dev.run(&arguments).await;
            assert_eq!(output.status.code(), Some(64), "{}", said(&output));
        }
        let checked = dev.run(&["check", &path]).await;
        assert!(said(&checked).contains(":2:19: triggers[0].bot: there is no bot nobody in this file"), "{}", said(&checked));
        std::fs::remove_file(file).unwrap();
    }
}
