//! The start of every operation: loads the definitions, and publishes a notice about each definition that cannot be
//! used.

use crate::definitions::{Definitions, Loaded};
use crate::ports::Edges;
use crate::report::{self, log};
use crate::setup::Setup;
use crate::{first_seen, telling};

/// Loads the definitions. A broken definition causes one notice, and does not stop the others.
pub(crate) async fn definitions<E: Edges>(edges: &E, setup: &Setup) -> anyhow::Result<Definitions> {
    let definitions = setup.definitions.load(edges, &setup.book.home).await?;
    for (file, why) in definitions.broken() {
        // The time of the first sight is stored even for a broken definition, so that files that arrive before its
        // correction start a run after it.
        if let Err(error) = first_seen::of(edges, setup, &file.name, file.modified).await {
            log::first_sight_unknown(&file.name, &error);
        }
        // A topic that cannot be reached must not stop the other definitions. The next handler tries again.
        if let Err(error) = report_broken(edges, setup, file, why).await {
            log::notice_unpublished(&error);
        }
    }
    Ok(definitions)
}

/// Publishes the notice that the definition in `file` cannot be used, once for each ETag of the file and each reason.
async fn report_broken<E: Edges>(edges: &E, setup: &Setup, file: &Loaded, why: &str) -> anyhow::Result<()> {
    let name = &file.name;
    let uri = setup.book.home.definition_uri(name);
    let notice = report::broken_definition(name, &uri, &file.etag, why);
    if telling::once(edges, setup, name, notice).await? {
        log::broken_definition(name, &file.etag, why);
    }
    Ok(())
}
