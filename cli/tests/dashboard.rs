//! The dashboard of `cuepoint dev`, as somebody new finds it: by the link that is printed, in a real browser.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    use tokio::process::Command;

    /// How long anything here may take.
    const DEADLINE: Duration = Duration::from_mins(2);

    #[tokio::test]
    async fn the_printed_link_leads_to_a_reply_in_a_few_steps() {
        let name = format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes()));
        let (data, port) = (std::env::temp_dir().join(name), cuepoint::server::free_port().unwrap());
        let mut dev = Command::new(env!("CARGO_BIN_EXE_cuepoint"));
        dev.args(["dev", "--log", "warn", "--http", &format!("127.0.0.1:{port}"), "--data"]).arg(&data);
        let mut dev = dev.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let link = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it ends before it prints a link");
                if line.contains("/ui/login/") {
                    return line.trim().to_owned();
                }
            }
        };
        let link = tokio::time::timeout(DEADLINE, link).await.unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut run = Command::new(root.join(".tools/bin/node"));
        run.arg(root.join("tests/browser/run.mjs")).arg("first").env("CUEPOINT_URL", &link).env("CUEPOINT_TOKEN", "");
        let output = tokio::time::timeout(DEADLINE, run.kill_on_drop(true).output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        // Its servers end with it only where it is let to end.
        kill_process(Pid::from_raw(i32::try_from(dev.id().unwrap()).unwrap()).unwrap(), Signal::TERM).unwrap();
        let ended = tokio::time::timeout(DEADLINE, dev.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "it ended with {ended}");
        drop(std::fs::remove_dir_all(&data));
        assert!(output.status.success() && said.trim_end().ends_with("all steps passed"), "{said}");
    }
}
