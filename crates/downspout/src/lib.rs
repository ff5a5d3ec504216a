//! downspout
