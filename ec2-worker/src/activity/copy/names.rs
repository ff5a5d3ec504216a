//! Notes for the user the objects whose names promise another packing than they have, because programs go by the name.

use crate::etl::input::Packing;
use crate::node::S3Node;
use crate::progress::Progress;
use crate::storage::S3Uri;

/// The ends of names that programs give to packed files.
const ENDS: [(&str, Packing); 7] = [
    (".gz", Packing::Gzip),
    (".gzip", Packing::Gzip),
    (".zst", Packing::Zstd),
    (".zstd", Packing::Zstd),
    (".bz2", Packing::Bzip2),
    (".xz", Packing::Xz),
    (".zip", Packing::Zip),
];

/// The written objects whose names mislead.
#[derive(Default)]
pub(super) struct Names {
    /// A sentence about the first of them.
    first: Option<String>,
    /// The number of the others.
    others: u64,
}

impl Names {
    /// Takes an object that was written at `at` for the node `to`, packed as `packing` says.
    pub(super) fn add(&mut self, to: &S3Node, at: &S3Uri, packing: Option<Packing>) {
        let key = at.key.to_ascii_lowercase();
        let Some((end, promised)) = ENDS.into_iter().find(|(end, _)| key.ends_with(end)) else { return };
        if packing == Some(promised) {
            return;
        }
        if self.first.is_some() {
            self.others += 1;
            return;
        }
        let content = packing.map_or_else(
            || "is not packed".to_owned(),
            |packing| format!("is packed with {}", packing.name()),
        );
        let remedy = match (packing, promised) {
            (None, Packing::Gzip) => {
                format!("set `compression` to GZIP on `{}`, or give it another name", to.id)
            }
            _ => "give it another name".to_owned(),
        };
        self.first = Some(format!("{at} {content}, although its name ends with {end}; {remedy}"));
    }

    /// Adds a note for the user if a name is misleading.
    pub(super) fn add_note(self, progress: &Progress) {
        let Some(first) = self.first else { return };
        let others = match self.others {
            0 => String::new(),
            1 => " (and so is another object)".to_owned(),
            count => format!(" (and so are {count} other objects)"),
        };
        progress.note(format!("{first}{others}"));
    }
}
