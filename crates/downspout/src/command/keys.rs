//! `keys`: adds, lists and revokes the access keys of a hosted server.

use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use server::{ACCOUNT_ID, AccessKey, read_keys, write_keys};

use super::{Exit, output};
use crate::local::stack::new_credentials;

const AFTER_HELP: &str = "\
Examples:
  downspout keys add --file keys.json --comment 'laptop of Ada'
  downspout keys add --file keys.json --worker-group loaders      a key for a machine: it may only do the work of this group
  downspout keys list --file keys.json
  downspout keys revoke AKIA... --file keys.json

A running server reads the file again within seconds after a change.";

/// Arguments of `keys`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct KeysArgs {
    #[command(subcommand)]
    action: Action,
    /// The file of keys
    #[arg(long, global = true, value_name = "FILE", env = "DOWNSPOUT_KEYS", default_value = "keys.json")]
    file: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key, add it to the file, and print it as `export` lines
    Add(AddArgs),
    /// List the keys, without their secrets
    List,
    /// Let a key do nothing any more
    Revoke {
        /// The id of the key
        access_key_id: String,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// The account whose pipelines the key may use
    #[arg(long, value_name = "ID", default_value = ACCOUNT_ID)]
    account: String,
    /// Worker group that the key may poll; may be repeated. With one, the key may do nothing but poll and report
    #[arg(long, value_name = "NAME")]
    worker_group: Vec<String>,
    /// A remark, which `keys list` shows
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

pub(super) fn run(args: KeysArgs) -> anyhow::Result<Exit> {
    let exists = args.file.exists();
    let mut keys = match args.action {
        Action::Add(_) if !exists => Vec::new(),
        _ => read_keys(&args.file)?,
    };
    match args.action {
        Action::Add(add) => {
            ensure!(server::is_account_id(&add.account), "--account {}: write 12 digits", add.account);
            ensure!(!add.worker_group.iter().any(String::is_empty), "--worker-group must not be empty");
            let credentials = new_credentials();
            let lines = format!(
                "export AWS_ACCESS_KEY_ID={}\nexport AWS_SECRET_ACCESS_KEY={}\n",
                credentials.access_key_id, credentials.secret_access_key
            );
            keys.push(AccessKey {
                worker_groups: add.worker_group,
                comment: add.comment,
                created_at: Some(Timestamp::now()),
                ..AccessKey::unlimited(credentials, add.account)
            });
            write_keys(&args.file, &keys)?;
            output::print(&lines)?;
        }
        Action::List => output::print(&table(&keys))?,
        Action::Revoke { access_key_id } => {
            let found = keys.iter_mut().find(|key| key.access_key_id == access_key_id);
            let Some(key) = found else {
                anyhow::bail!(
                    "{} has no key {access_key_id}; see `downspout keys list`",
                    args.file.display()
                );
            };
            key.revoked_at.get_or_insert_with(Timestamp::now);
            write_keys(&args.file, &keys)?;
        }
    }
    Ok(Exit::Done)
}

fn table(keys: &[AccessKey]) -> String {
    let date = |time: Option<Timestamp>| time.map(|time| time.strftime("%Y-%m-%d").to_string());
    let rows = keys.iter().map(|key| {
        let may = if key.worker_groups.is_empty() {
            "everything".to_owned()
        } else {
            format!("work of {}", key.worker_groups.join(", "))
        };
        let state = date(key.revoked_at).map_or("in use".to_owned(), |date| format!("revoked {date}"));
        vec![
            key.access_key_id.clone(),
            key.account_id.clone(),
            may,
            date(key.created_at).unwrap_or_default(),
            state,
            output::harmless(key.comment.as_deref().unwrap_or_default()),
        ]
    });
    output::table(&["key", "account", "may do", "made", "state", "comment"], rows.collect())
}
