//! The outbox: a folder with one `.eml` file for each mail.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::mail;
use super::store::Delivery;

pub(super) struct Outbox {
    folder: PathBuf,
    mail_from: String,
}

impl Outbox {
    pub(super) fn open(folder: &Path, mail_from: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("creating the outbox {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), mail_from: mail_from.to_owned() })
    }

    /// Writes the mail of `delivery` under its permanent name. Readers never see an incomplete mail.
    pub(super) fn write(&self, delivery: &Delivery) -> anyhow::Result<()> {
        let message = self.message(delivery)?;
        let target = self.folder.join(&delivery.file);
        let half = self.folder.join(format!(".{}.half", delivery.file));
        write_synced(&half, &message.formatted())
            .and_then(|()| fs::rename(&half, &target))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .with_context(|| format!("writing the mail {}", target.display()))?;
        tracing::info!(mail.file = %target.display(), mail.to = %delivery.recipient, "a mail was written to the outbox");
        Ok(())
    }

    pub(super) fn message(&self, delivery: &Delivery) -> anyhow::Result<lettre::Message> {
        mail::compose(&self.mail_from, delivery)
            .with_context(|| format!("composing the mail to {}", delivery.recipient))
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns whether `id` can be used in a `Message-ID` without encoding.
pub(super) fn is_message_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 200 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.=+/".contains(c))
}
