//! What `--json` prints: the names of all fields, and the values that are the same in every run.

use crate::{holds, scene::Scene};

#[test]
fn of_each_command() {
    let scene = Scene::new();
    let json = |command: tests_support::command::Tablehaul| {
        let finished = command.args(["--json"]).run().succeeded();
        let json: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
        let stdout = serde_json::to_string_pretty(&json).expect("JSON") + "\n";
        scene.said(&tests_support::command::Finished { stdout, stderr: String::new(), ..finished })
    };
    holds("json_export", &json(scene.export("Forum").arg("--quiet")));
    holds("json_status", &json(scene.on_folder("status")));
    holds("json_verify", &json(scene.on_folder("verify")));
    holds("json_import", &json(scene.import().arg("--quiet")));
}

#[test]
fn of_a_failure() {
    let scene = Scene::new();
    holds("json_failure", &scene.said(&scene.export("Nothing").arg("--json").run()));
}
