//! Generates the worker's end of the control protocol, for `bench/scale`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../job/proto/control.proto");
    let protocol = protox::compile(["../job/proto/control.proto"], ["../job/proto"])?;
    tonic_prost_build::configure()
        .extern_path(".tablehaul.control.v1", "::job::control::wire")
        .build_server(false)
        .compile_fds(protocol)?;
    Ok(())
}
