//! Generates the server side of the control protocol; its messages are those of the `job` crate.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=../job/proto/control.proto");
    let files = protox::compile(["../job/proto/control.proto"], ["../job/proto"])?;
    let stub = || tonic_prost_build::configure().extern_path(".tablehaul.control.v1", "::job::control::wire");
    stub().build_client(false).compile_fds(files.clone())?;
    // The other end, for the tests of this crate only.
    let client = PathBuf::from(env::var("OUT_DIR")?).join("client");
    fs::create_dir_all(&client)?;
    stub().build_server(false).out_dir(client).compile_fds(files)?;
    Ok(())
}
