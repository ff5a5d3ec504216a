//! Loads that a person starts from the command line, outside a task: dry runs, and retries of refused rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use definition::PipelineObject;

use crate::activity;
use crate::database::Pool;
use crate::etl::load::Load;
use crate::etl::load::dry_run::{self, DryLoad};
use crate::etl::load::retry::{self, Mended, Retried, Retry};
use crate::etl::look::{self, Look};
use crate::etl::rejected::{self, RefusedFile, RefusedRow, Wanted};
use crate::etl::source::{Origin, Source};
use crate::etl::table::Table;
use crate::failure::Failure;
use crate::reader::Reader;
use crate::storage::{S3Uri, Storage};

/// A `CopyActivity` from files to a table, as a definition or a run describes it.
#[derive(Clone, Debug)]
pub struct TableLoad {
    /// The id of the activity in the definition.
    pub activity: String,
    /// The id of the data node of the files in the definition.
    pub input: String,
    /// The location of the files.
    pub at: S3Uri,
    /// Whether `at` is a folder.
    pub is_directory: bool,
    gzip: bool,
    load: Load,
}

impl TableLoad {
    /// Reads the activity `work`, which is one of `objects`, with its expressions evaluated. Returns `None` if it does not
    /// copy from S3 to a table. `scratch` is a folder for temporary files.
    ///
    /// # Errors
    ///
    /// If a field cannot be used. The message names the object and the field.
    pub fn read(
        objects: &HashMap<String, PipelineObject>,
        work: &PipelineObject,
        pipeline: &str,
        scratch: &Path,
    ) -> Result<Option<Self>, Failure> {
        let reader = Reader::new(objects, work, pipeline)?;
        let Some((node, load)) = activity::table_load(&reader, scratch)? else { return Ok(None) };
        let activity = reader.component().to_owned();
        let (input, at, is_directory, gzip) = (node.id, node.at, node.directory, node.gzip);
        Ok(Some(Self { activity, input, at, is_directory, gzip, load }))
    }

    /// Returns the table as the definition names it.
    #[must_use]
    pub fn table(&self) -> String {
        let Load { schema, table, .. } = &self.load;
        schema.as_ref().map_or_else(|| table.clone(), |schema| format!("{schema}.{table}"))
    }

    /// Returns the address of the database, without the password.
    #[must_use]
    pub fn database(&self) -> &str {
        self.load.target.shown()
    }

    /// Returns the refused rows.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or refuses the query.
    pub async fn rows(&self, pool: &Pool, wanted: &Wanted) -> Result<Vec<RefusedRow>, Failure> {
        let tx = pool.begin_fixed(&self.load.target).await?;
        let found = Table::find(&tx, self.load.schema.as_deref(), &self.load.table).await?;
        let rows = match &found {
            Some(table) => rejected::rows(&tx, table, wanted).await?,
            None => Vec::new(),
        };
        tx.rollback().await;
        Ok(rows)
    }

    /// Returns the refused rows by run and file. `pipeline` restricts them to one run.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, or refuses the query.
    pub async fn files(&self, pool: &Pool, pipeline: Option<&str>) -> Result<Vec<RefusedFile>, Failure> {
        let tx = pool.begin_fixed(&self.load.target).await?;
        let found = Table::find(&tx, self.load.schema.as_deref(), &self.load.table).await?;
        let files = match &found {
            Some(table) => rejected::files(&tx, table, pipeline).await?,
            None => Vec::new(),
        };
        tx.rollback().await;
        Ok(files)
    }

    /// Loads mended rows, once: see [`crate::etl::load::retry`].
    ///
    /// # Errors
    ///
    /// If nothing can be loaded. Nothing has changed then.
    pub async fn retry(
        &self,
        storage: &Storage,
        mended: &[Mended],
        over_newer: bool,
        pool: &Pool,
    ) -> Result<Retried, Failure> {
        let mut load = self.load.clone();
        // The original files are opened by their names in the rows; this source only says how they are packed.
        load.sources = vec![Source { origin: Origin::File(PathBuf::new()), gzip: self.gzip }];
        retry::retry(&Retry { load: &load, storage, over_newer }, mended, pool).await
    }

    /// Looks at a local file as the load would read it, without the database: see [`crate::etl::look`].
    ///
    /// # Errors
    ///
    /// If the load could not read the file.
    pub async fn look(&self, file: &Path) -> Result<Look, Failure> {
        let source = Source { origin: Origin::File(file.to_owned()), gzip: self.gzip };
        look::look(&self.load, &source).await
    }

    /// Returns the rows that would be refused, and the changes that would be made, if each load read these local files.
    /// Nothing stays: see [`crate::etl::load::dry_run`].
    ///
    /// # Errors
    ///
    /// If a database cannot be reached, or refuses the transaction. The failure of a load is part of its result.
    pub async fn dry_run(loads: &[(&Self, Vec<PathBuf>)], pool: &Pool) -> Result<Vec<DryLoad>, Failure> {
        let source =
            |load: &Self, path: &PathBuf| Source { origin: Origin::File(path.clone()), gzip: load.gzip };
        let loads: Vec<Load> = loads
            .iter()
            .map(|(load, files)| {
                let sources = files.iter().map(|path| source(load, path)).collect();
                Load { sources, ..load.load.clone() }
            })
            .collect();
        dry_run::dry_run(&loads, pool).await
    }
}

/// Returns a handle for the refused rows of a table that no definition describes, in the database at `url`.
///
/// # Errors
///
/// If the URL cannot be read, or the database cannot be reached.
pub async fn refused_rows(
    url: &str,
    (schema, table): (Option<&str>, &str),
    wanted: &Wanted,
    pool: &Pool,
) -> Result<(Vec<RefusedFile>, Vec<RefusedRow>), Failure> {
    let target = crate::database::parse(url, None, None, None, &[])
        .map_err(|what| Failure::bad_input("Url", format!("the URL of the database {what}")))?;
    let tx = pool.begin_fixed(&target).await?;
    let Some(table) = Table::find(&tx, schema, table).await? else {
        return Err(Failure::bad_input("NoSuchTable", Table::missing(&tx, schema, table).await?));
    };
    let files = rejected::files(&tx, &table, wanted.pipeline.as_deref()).await?;
    let rows = rejected::rows(&tx, &table, wanted).await?;
    tx.rollback().await;
    Ok((files, rows))
}
