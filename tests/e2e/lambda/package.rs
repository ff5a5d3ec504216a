//! The files that `make package` makes, as far as tests can check them without a release build and without a container engine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let run = Command::new(program).args(arguments).current_dir(workspace()).output();
    run.unwrap_or_else(|error| panic!("starting {program}: {error}"))
}

#[test]
fn the_image_holds_the_program_and_nothing_else() {
    let file =
        fs::read_to_string(workspace().join("orchestrator/Dockerfile")).expect("orchestrator/Dockerfile");
    let instructions = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let instructions: Vec<(&str, &str)> =
        instructions.map(|line| line.split_once(' ').expect("an instruction with arguments")).collect();
    assert_eq!(
        instructions,
        [
            ("FROM", "scratch"),
            ("ARG", "PROGRAM=amd64/bootstrap"),
            ("COPY", "${PROGRAM} /bootstrap"),
            ("ENTRYPOINT", r#"["/bootstrap"]"#),
        ]
    );
    let package = fs::read_to_string(workspace().join("orchestrator/package")).expect("orchestrator/package");
    for line in [
        "x86_64) package x86_64 amd64 orchestrator.zip",
        "arm64) package aarch64 arm64 orchestrator-arm64.zip",
    ] {
        assert!(package.contains(line), "the script puts the programs where the image takes them: {line}");
    }
}

#[test]
fn the_same_program_gives_the_same_zip() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let zips = ["one", "two"].map(|name| {
        // Neither the time nor the mode of the program counts.
        fs::create_dir(path(name)).expect("a folder");
        let (program, zip) = (path(&format!("{name}/bootstrap")), path(&format!("{name}.zip")));
        fs::write(&program, "#!/bin/sh\necho hello\n").expect("a program");
        let time = fs::File::options().write(true).open(&program).expect("the program");
        time.set_modified(
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(name.len() as u64),
        )
        .expect("a time");
        let made = run("python3", &["orchestrator/zip.py", &program, &zip]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::read(zip).expect("a zip")
    });
    assert_eq!(zips[0], zips[1]);
    let look = "import sys, zipfile\nfor it in zipfile.ZipFile(sys.argv[1]).infolist():\n    \
                print(it.filename, oct(it.external_attr >> 16), it.create_system)";
    let listed = run("python3", &["-c", look, &path("one.zip")]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "bootstrap 0o100755 3\n");
}

#[test]
fn the_package_says_which_processor_it_cannot_build_for() {
    let asked = run("orchestrator/package", &["sparc"]);
    assert_eq!(asked.status.code(), Some(2));
    let sysroot = run("rustc", &["--print", "sysroot"]);
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let (other, target) = match std::env::consts::ARCH {
        "x86_64" => ("arm64", "aarch64-unknown-linux-musl"),
        _ => ("x86_64", "x86_64-unknown-linux-musl"),
    };
    if Path::new(&sysroot).join("lib/rustlib").join(target).exists() {
        return; // The script would build it, which takes too long for a test.
    }
    let missing = run("orchestrator/package", &[other]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("rustup target add {target}")), "{said}");
    assert!(said.contains(&format!("NOT built: {other}")), "{said}");
}
