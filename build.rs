//! Compiles the protos with protox, so that no protoc is needed.

use std::{env, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(
        [
            "amply/checkpoint/v1/checkpoint.proto",
            "amply/checkpoint/v1/signing_service.proto",
            "amply/checkpoint/v1/verification_service.proto",
            "amply/checkpoint/v1/key_service.proto",
            "amply/checkpoint/v1/record_service.proto",
        ],
        ["proto"],
    )?;
    // Server reflection answers from this set.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin");
    fs::write(out, prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .codec_path("crate::grpc::codec::StrictCodec")
        .compile_fds(descriptors)?;
    Ok(())
}
