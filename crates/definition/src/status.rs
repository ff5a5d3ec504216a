//! The status words of the API: of instances and attempts, and of pipelines.
//!
//! The engine, the orchestrator and the command line read and write these words, so the words are declared
//! only here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not a status word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status")]
pub struct UnknownStatus(pub String);

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Returns the word that the service sends and receives.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownStatus;

            fn from_str(text: &str) -> Result<Self, UnknownStatus> {
                let found = Self::ALL.iter().find(|word| word.as_str() == text);
                found.copied().ok_or_else(|| UnknownStatus(text.to_owned()))
            }
        }
    };
}

words! {
    /// `@status` of an instance or attempt.
    Status {
        /// Dependencies are not met.
        WaitingOnDependencies = "WAITING_ON_DEPENDENCIES",
        /// The work is ready, but no task runner has acknowledged it yet. Also the status between two tries.
        WaitingForRunner = "WAITING_FOR_RUNNER",
        /// A resource is due and will be created. Also the status of a resource between two tries.
        Scheduled = "SCHEDULED",
        /// The machine of a resource is being created.
        Creating = "CREATING",
        /// A task runner does the work. Of a resource: its machine exists.
        Running = "RUNNING",
        /// The machine of a resource is being ended.
        ShuttingDown = "SHUTTING_DOWN",
        /// Done.
        Finished = "FINISHED",
        /// The last try failed.
        Failed = "FAILED",
        /// A resource ran for longer than its `terminateAfter`.
        TimedOut = "TIMEDOUT",
        /// An object that this instance depends on failed.
        CascadeFailed = "CASCADE_FAILED",
        /// A user has paused the instance, so no attempt at it starts.
        Paused = "PAUSED",
        /// Stopped by a user, or by a Terminate action.
        Canceled = "CANCELED",
        /// An activation with a later start time skipped the interval of the instance.
        Skipped = "SKIPPED",
    }
}

impl Status {
    /// Returns whether the status is final and the work was not done: every final status but `FINISHED` and `SKIPPED`.
    #[must_use]
    pub fn has_failed(self) -> bool {
        self.is_final() && !matches!(self, Self::Finished | Self::Skipped)
    }

    /// Returns whether the instance is over, until a user reruns it or an instance needs it again.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::WaitingOnDependencies
            | Self::WaitingForRunner
            | Self::Scheduled
            | Self::Creating
            | Self::Running
            | Self::ShuttingDown
            | Self::Paused => false,
            Self::Finished
            | Self::Failed
            | Self::TimedOut
            | Self::CascadeFailed
            | Self::Canceled
            | Self::Skipped => true,
        }
    }
}

words! {
    /// `@pipelineState` of a pipeline.
    PipelineState {
        /// Never activated.
        Pending = "PENDING",
        /// The pipeline is active, whether or not its work has started.
        Scheduled = "SCHEDULED",
        /// The pipeline is being deactivated.
        Deactivating = "DEACTIVATING",
        /// Deactivated.
        Inactive = "INACTIVE",
        /// Its work is over.
        Finished = "FINISHED",
        /// Being deleted.
        Deleting = "DELETING",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_status_has_failed_unless_it_is_finished_or_skipped() {
        let words = |holds: fn(Status) -> bool| -> Vec<&str> {
            Status::ALL.iter().filter(|status| holds(**status)).map(|status| status.as_str()).collect()
        };
        let failed = ["FAILED", "TIMEDOUT", "CASCADE_FAILED", "CANCELED"];
        assert_eq!(words(Status::has_failed), failed);
        assert_eq!(words(|status| status.is_final() && !status.has_failed()), ["FINISHED", "SKIPPED"]);
    }

    #[test]
    fn every_word_reads_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert_eq!("CANCELLED".parse::<Status>(), Err(UnknownStatus("CANCELLED".to_owned())));
    }
}
