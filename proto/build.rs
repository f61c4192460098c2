//! Compiles the messages with protox, so that no protoc is needed.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["answer", "event", "record", "letter", "resource", "timer"].map(|name| format!("cuepoint/v1/{name}.proto"));
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    prost_build::Config::new().bytes(["."]).btree_map(["."]).compile_fds(compiler.file_descriptor_set())?;
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    println!("cargo:rerun-if-changed=cuepoint");
    Ok(())
}
