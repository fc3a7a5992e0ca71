//! Finds the list of cities in the sources of the package `reverse_geocoder`, which compiles it in and exports it to
//! nobody, and passes its path to `main.rs`.

use std::error::Error;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    let output = Command::new(std::env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(std::env::var("TARGET")?)
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == "reverse_geocoder")
        .find_map(|package| package["manifest_path"].as_str())
        .ok_or("reverse_geocoder is not among the packages")?;
    let cities = Path::new(manifest).with_file_name("cities.csv");
    if !cities.is_file() {
        return Err(format!("{} is missing", cities.display()).into());
    }
    println!("cargo::rustc-env=CITIES_CSV={}", cities.display());
    Ok(())
}
