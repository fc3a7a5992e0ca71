//! Generates the client of the control protocol; its messages are those of `job`.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../job/proto/control.proto");
    let files = protox::compile(["../job/proto/control.proto"], ["../job/proto"])?;
    let stub = || tonic_prost_build::configure().extern_path(".tablehaul.control.v1", "::job::control::wire");
    stub().build_server(false).compile_fds(files.clone())?;
    // The server, for the tests of this crate only.
    let server = PathBuf::from(env::var("OUT_DIR")?).join("server");
    fs::create_dir_all(&server)?;
    stub().build_client(false).out_dir(server).compile_fds(files)?;
    Ok(())
}
