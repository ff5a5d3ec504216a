//! Producers in a process of their own, and the records that were acknowledged to them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use e2e::program::Up;

use super::workspace;

/// Eight producers that put records until they are stopped.
pub(super) struct Producers {
    child: Child,
    folder: PathBuf,
}

impl Producers {
    /// Starts the producers against a stack, which may be killed and started again on the same ports.
    pub(super) fn start(up: &Up) -> Self {
        let folder = up.data_dir().join("..").join("acknowledged");
        std::fs::create_dir_all(&folder).expect("a folder for the ids");
        let endpoints = &up.endpoints;
        let mut command = Command::new(workspace().join("target/venv/bin/python"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/streams/producers.py")).arg(&folder);
        command.envs(endpoints.environment()).env("DOWNSPOUT_STREAMS_URL", &endpoints.streams);
        command.env("DOWNSPOUT_API_KEY", &endpoints.api_key).env_remove("AWS_PROFILE");
        let child = command.stdin(Stdio::piped()).spawn().expect("starting Python: run `tests/setup`");
        Self { child, folder }
    }

    /// Returns whether every producer has been answered at least once.
    pub(super) fn are_at_work(&self) -> bool {
        self.ids().len() == 8 && self.ids().iter().all(|ids| !ids.is_empty())
    }

    /// Waits until the producers have sent the present records, and returns the acknowledged ids.
    pub(super) fn stop(mut self) -> BTreeSet<String> {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("the end of the producers");
        assert!(status.success(), "{status}");
        let all: Vec<String> = self.ids().into_iter().flatten().collect();
        let ids: BTreeSet<String> = all.iter().cloned().collect();
        assert_eq!(all.len(), ids.len(), "every id is sent once");
        ids
    }

    fn ids(&self) -> Vec<Vec<String>> {
        let files = std::fs::read_dir(&self.folder).expect("the folder of the ids");
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("readable");
            text.lines().map(str::to_owned).collect()
        };
        files.map(read).collect()
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
