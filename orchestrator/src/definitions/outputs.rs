//! Refuses a definition whose output would be a drop of its own, by the values of the home. Each run would start the next one.

use std::collections::{BTreeMap, HashMap};

use definition::diagnosis::override_values;
use definition::trigger::{Trigger, outputs};
use definition::{Definition, ParameterValue};

use super::{Definitions, VALUES};

/// The reasons that this process has found, by the name of the definition.
#[derive(Debug, Default)]
pub(super) struct Reviews(HashMap<String, Reviewed>);

/// The reason why a definition is refused, if it is, for these ETags of its file and of the values.
#[derive(Clone, Debug)]
struct Reviewed {
    etags: (String, String),
    why: Option<String>,
}

impl Reviews {
    /// Returns the definitions that are refused, each with the reason.
    pub(super) fn refused(
        &mut self,
        definitions: &Definitions,
        drop_bucket: &str,
    ) -> BTreeMap<String, String> {
        let Ok(values) = definitions.values() else { return BTreeMap::new() };
        let values_etag =
            definitions.files.iter().find(|file| file.name == VALUES).map(|file| file.etag.clone());
        let values_etag = values_etag.unwrap_or_default();
        let mut reviewed = HashMap::new();
        for (file, usable, trigger) in definitions.triggered() {
            let etags = (file.etag.clone(), values_etag.clone());
            let known = self.0.remove(&file.name).filter(|known| known.etags == etags);
            let review = || why(&usable.definition, trigger, values, drop_bucket);
            let why = known.map_or_else(review, |known| known.why);
            reviewed.insert(file.name.clone(), Reviewed { etags, why });
        }
        self.0 = reviewed;
        let refused =
            self.0.iter().filter_map(|(name, reviewed)| Some((name.clone(), reviewed.why.clone()?)));
        refused.collect()
    }
}

/// Returns why a definition is refused. Names each output with its object and field.
fn why(
    definition: &Definition,
    trigger: &Trigger,
    values: &[ParameterValue],
    drop_bucket: &str,
) -> Option<String> {
    let mut valued = definition.clone();
    override_values(&mut valued, values);
    let overlaps = trigger.overlaps(&outputs(&valued, Some(trigger)), Some(drop_bucket));
    let lines = overlaps.iter().map(|overlap| {
        let output = &overlap.output;
        format!("object `{}`, field `{}`: {}", output.node, output.field, overlap.of_itself())
    });
    Some(lines.collect::<Vec<_>>().join("\n")).filter(|why| !why.is_empty())
}
