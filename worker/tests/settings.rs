//! The worker as a program that is given a file of settings.

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Command, Output};

    /// Exit code for settings that cannot be used (`EX_USAGE` of sysexits.h).
    const USAGE: i32 = 64;

    /// Runs a worker with this file; nobody listens where it is told that NATS is.
    fn run(name: &str, text: &str, arguments: &[&str]) -> (PathBuf, Output) {
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
        command.args(["--nats", "nats://127.0.0.1:1", "--redis", "redis://127.0.0.1:1", "--settings"]).arg(&file).args(arguments);
        (file, command.output().unwrap())
    }

    #[test]
    fn faults_end_the_worker_before_it_connects_to_anything() {
        for (name, text, expected) in [
            ("unknown.yaml", "colour: red\n", "colour"),
            (
                "key.yaml",
                "providers: [{ id: a, kind: openai, key: { env: CUEPOINT_NOT_SET } }]\n",
                "providers[0].key: the environment variable CUEPOINT_NOT_SET is not set",
            ),
            ("provider.yaml", "providers: [{ id: a, kind: compatible }]\n", r#"providers["a"].baseUrl is missing"#),
            ("secret.yaml", "secrets: [{ name: s, file: nowhere }]\n", "secrets[0]: cannot read"),
            ("broken.yaml", "providers: [", "broken.yaml: "),
        ] {
            for arguments in [&[][..], &["--check-config"]] {
                let (_, output) = run(name, text, arguments);
                let said = String::from_utf8(output.stderr).unwrap();
                assert_eq!(output.status.code(), Some(USAGE), "{name}: {said}");
                assert!(said.starts_with("error: ") && said.contains(expected), "{name}: {said}");
            }
        }
    }

    #[test]
    fn what_is_right_passes_a_check() {
        let (file, output) =
            run("right.yaml", "providers: [{ id: local, kind: ollama }]\nnats: { allow: ['jobs.>'] }\n", &["--check-config"]);
        assert!(output.status.success(), "{file:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let output = Command::new(env!("CARGO_BIN_EXE_worker"))
            .args(["--nats", "nats://127.0.0.1:1", "--redis", "redis://127.0.0.1:1", "--settings", "nowhere.yaml", "--check-config"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(USAGE));
        assert!(String::from_utf8(output.stderr).unwrap().contains("nowhere.yaml: "));
    }
}
