//! Plans, and what is said of a job when it has ended.

use std::fs;

use crate::{holds, scene::Scene};

#[test]
fn the_plan_of_an_export() {
    let scene = Scene::new();
    holds("plan_export", &scene.said(&scene.export("Forum").arg("--dry-run").run()));
    holds("plan_export_on_demand", &scene.said(&scene.export("Thread").arg("--dry-run").run()));
}

#[test]
fn an_export_and_what_is_done_with_it() {
    let scene = Scene::new();
    holds("export", &scene.said(&scene.export("Forum").run()));
    holds("export_again", &scene.said(&scene.export("Forum").run()));
    holds("status", &scene.said(&scene.on_folder("status").run()));
    holds("verify", &scene.said(&scene.on_folder("verify").run()));
    holds("plan_import", &scene.said(&scene.import().arg("--dry-run").run()));
    holds("import", &scene.said(&scene.import().run()));
}

#[test]
fn a_damaged_backup() {
    let scene = Scene::new();
    scene.export("Forum").arg("--quiet").run().succeeded();
    fs::remove_file(scene.folder().join("_SUCCESS")).expect("a mark");
    holds("verify_damaged", &scene.said(&scene.on_folder("verify").run()));
}

#[test]
fn an_empty_folder() {
    let scene = Scene::new();
    fs::create_dir(scene.folder()).expect("a folder");
    holds("status_empty", &scene.said(&scene.on_folder("status").run()));
    holds("clean_empty", &scene.said(&scene.on_folder("clean").run()));
}
