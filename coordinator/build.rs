//! Generates the server side of the control protocol; its messages are those of the `job` crate.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=../job/proto/control.proto");
    let files = protox::compile(["../job/proto/control.proto"], ["../job/proto"])?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".tablehaul.control.v1", "::job::control::wire")
        .compile_fds(files)?;
    Ok(())
}
