//! See the crate.

fn main() -> std::process::ExitCode {
    tablehaul_simulation::simulate()
}
