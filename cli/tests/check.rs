//! `cuepoint check` as a person runs it, over the files that come with it and over faults.

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output};

    /// Exit code for input that cannot be used (`EX_USAGE` of sysexits.h).
    const USAGE: i32 = 64;

    fn check(file: &Path) -> Output {
        Command::new(env!("CARGO_BIN_EXE_cuepoint")).arg("check").arg(file).env_clear().output().unwrap()
    }

    /// The configurations among the examples.
    fn examples() -> Vec<PathBuf> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
        paths.sort();
        paths
    }

    #[test]
    fn every_example_is_right() {
        let names: Vec<String> = examples().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert!(["agent.yaml", "demo.yaml"].iter().all(|name| names.contains(&(*name).to_owned())), "{names:?}");
        for path in examples() {
            let output = check(&path);
            assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
            assert!(String::from_utf8_lossy(&output.stdout).contains("right; triggers: 1, bots: 1"), "{output:?}");
        }
    }

    #[test]
    fn a_fault_of_an_ability_shows_its_place_with_a_caret() {
        let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/agent.yaml")).unwrap();
        let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("wrong.yaml");
        std::fs::write(&file, example.replace("orders/$[id! num|the number of the order]/refund", "orders/$[id! nmu|the number]/refund"))
            .unwrap();
        let output = check(&file);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(USAGE), "{said}");
        let place = example.lines().position(|line| line.contains("name: pay_back")).unwrap() + 1;
        let first = format!("error: {}:{place}:9: skillsets[0]: abilities[1] (pay_back): instruction:", file.display());
        assert!(said.starts_with(&first), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        let at = lines.iter().position(|line| line.contains("| POST https://shop.example.com/")).unwrap();
        assert_eq!(lines[at].find("nmu"), lines[at + 1].find("^^^"), "{said}");
        assert!(said.contains("unknown operand `nmu`") && said.contains("did you mean `num`?"), "{said}");
    }
}
