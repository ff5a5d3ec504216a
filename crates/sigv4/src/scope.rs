//! The credential of a request: `KEY-ID/YYYYMMDD/REGION/SERVICE/aws4_request`.

/// The last part of every scope.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// The parts of a credential.
pub(crate) struct Scope<'a> {
    pub(crate) access_key_id: &'a str,
    /// `date/region/service/aws4_request`.
    pub(crate) text: &'a str,
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
}

impl<'a> Scope<'a> {
    /// Reads a credential. Returns `None` if it does not have five parts.
    pub(crate) fn parse(credential: &'a str) -> Option<Self> {
        let (access_key_id, text) = credential.split_once('/')?;
        let [date, region, service, terminator] = text.split('/').collect::<Vec<_>>().try_into().ok()?;
        Some(Self { access_key_id, text, date, region, service, terminator })
    }
}
