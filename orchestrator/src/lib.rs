//! The orchestrator: from a dropped file to an activated pipeline.
