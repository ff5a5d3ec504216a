//! Compares the digests that a client sends with a content against the digests of the bytes that arrived.
//!
//! SDKs send a checksum with every upload, in a header or in a trailer after the content.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto::{ChecksumAlgorithm, ChecksumType};
use s3s::{S3Result, s3_error};
use sigv4::s3::Trailers;

use super::error::StoreError;
use super::model::Checksums;
use super::receiving::Received;

const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// A checksum algorithm: its name, its header, and its field in [`Checksums`].
struct Algorithm {
    name: &'static str,
    header: &'static str,
    value: fn(&mut Checksums) -> &mut Option<String>,
    enable: fn(&mut ChecksumHasher),
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm {
        name: ChecksumAlgorithm::CRC32,
        header: "x-amz-checksum-crc32",
        value: |sums| &mut sums.crc32,
        enable: |hasher| hasher.crc32 = Some(Crc32::new()),
    },
    Algorithm {
        name: ChecksumAlgorithm::CRC32C,
        header: "x-amz-checksum-crc32c",
        value: |sums| &mut sums.crc32c,
        enable: |hasher| hasher.crc32c = Some(Crc32c::new()),
    },
    Algorithm {
        name: ChecksumAlgorithm::CRC64NVME,
        header: "x-amz-checksum-crc64nvme",
        value: |sums| &mut sums.crc64nvme,
        enable: |hasher| hasher.crc64nvme = Some(Crc64Nvme::new()),
    },
    Algorithm {
        name: ChecksumAlgorithm::SHA1,
        header: "x-amz-checksum-sha1",
        value: |sums| &mut sums.sha1,
        enable: |hasher| hasher.sha1 = Some(Sha1::new()),
    },
    Algorithm {
        name: ChecksumAlgorithm::SHA256,
        header: "x-amz-checksum-sha256",
        value: |sums| &mut sums.sha256,
        enable: |hasher| hasher.sha256 = Some(Sha256::new()),
    },
];

/// The digests that a client sent with a content.
#[derive(Default)]
pub(super) struct ClaimedDigests {
    checksums: Checksums,
    /// The algorithms that the client names in the request, whether or not a header has their value. A value may also come
    /// in a trailer after the content, or be missing.
    named: Vec<&'static str>,
    md5: Option<Vec<u8>>,
    trailers: Option<Trailers>,
}

impl ClaimedDigests {
    /// Reads the digests from the headers.
    pub(super) fn of(
        headers: &HeaderMap,
        algorithm: Option<&ChecksumAlgorithm>,
        content_md5: Option<&str>,
        trailers: Option<Trailers>,
    ) -> S3Result<Self> {
        let mut claimed = Self { trailers, ..Self::default() };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let trailer = text(TRAILER.as_str()).unwrap_or_default().to_ascii_lowercase();
        for known in &ALGORITHMS {
            if let Some(value) = text(known.header) {
                *(known.value)(&mut claimed.checksums) = Some(value.to_owned());
            }
            let is_named =
                algorithm.is_some_and(|algorithm| algorithm.as_str().eq_ignore_ascii_case(known.name));
            if is_named || trailer.split(',').any(|name| name.trim() == known.header) {
                claimed.named.push(known.name);
            }
        }
        if let Some(digest) = content_md5 {
            let bytes = BASE64.decode(digest).ok().filter(|bytes| bytes.len() == 16);
            claimed.md5 = Some(
                bytes
                    .ok_or_else(|| s3_error!(InvalidDigest, "the Content-MD5 you specified is not valid"))?,
            );
        }
        Ok(claimed)
    }

    /// Returns a hasher for all algorithms that the client names or gives a value for, and for the algorithm `also`.
    pub(super) fn hasher(&self, also: Option<&str>) -> ChecksumHasher {
        let mut claimed = self.checksums.clone();
        let mut hasher = ChecksumHasher::default();
        for known in &ALGORITHMS {
            let is_wanted = (known.value)(&mut claimed).is_some() || self.named.contains(&known.name);
            if is_wanted || also == Some(known.name) {
                (known.enable)(&mut hasher);
            }
        }
        hasher
    }

    /// Checks the digests of a content that has arrived whole. Fails with [`StoreError::BadDigest`] if a digest differs.
    pub(super) fn verify(&self, received: &Received) -> Result<(), StoreError> {
        if self.md5.as_ref().is_some_and(|md5| md5[..] != received.md5) {
            return Err(StoreError::BadDigest("Content-MD5".to_owned()));
        }
        let mut claimed = self.checksums.clone();
        let trailers = self.trailers.as_ref().map(Trailers::take).unwrap_or_default();
        let mut computed = Checksums::from(received.checksums.clone());
        for known in &ALGORITHMS {
            let trailing =
                trailers.get(known.header).and_then(|value| value.to_str().ok().map(str::to_owned));
            let wanted = (known.value)(&mut claimed).take().or(trailing);
            if wanted.is_some_and(|wanted| (known.value)(&mut computed).as_ref() != Some(&wanted)) {
                return Err(StoreError::BadDigest(known.name.to_owned()));
            }
        }
        Ok(())
    }
}

/// Returns a hasher for the checksum `algorithm`.
pub(super) fn hasher_of(algorithm: Option<&str>) -> ChecksumHasher {
    ClaimedDigests::default().hasher(algorithm)
}

/// Returns the name of the algorithm for which `checksums` has a value, or `None`.
pub(super) fn algorithm_of(checksums: &Checksums) -> Option<&'static str> {
    let mut checksums = checksums.clone();
    ALGORITHMS.iter().find(|known| (known.value)(&mut checksums).is_some()).map(|known| known.name)
}

/// Returns the checksum of the parts' checksums, as S3 computes it for `COMPOSITE`, or no checksum if `algorithm` is
/// unknown.
pub(super) fn composite(algorithm: &str, parts: &[Checksums]) -> Checksums {
    let mut result = Checksums::default();
    let Some(known) = ALGORITHMS.iter().find(|known| known.name == algorithm) else { return result };
    let mut hasher = ChecksumHasher::default();
    (known.enable)(&mut hasher);
    for part in parts {
        let value = (known.value)(&mut part.clone()).take();
        hasher.update(&value.and_then(|value| BASE64.decode(value).ok()).unwrap_or_default());
    }
    let mut whole = Checksums::from(hasher.finalize());
    *(known.value)(&mut result) =
        (known.value)(&mut whole).take().map(|value| format!("{value}-{}", parts.len()));
    result.kind = Some(ChecksumType::COMPOSITE.to_owned());
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composite_names_its_number_of_parts() {
        let part = Checksums { crc32: Some("AAAAAA==".to_owned()), ..Default::default() };
        let whole = composite("CRC32", &[part.clone(), part]);
        assert!(whole.crc32.is_some_and(|value| value.ends_with("-2")));
        assert_eq!(whole.kind.as_deref(), Some("COMPOSITE"));
    }

    #[test]
    fn an_unreadable_md5_is_refused() {
        let refused = ClaimedDigests::of(&HeaderMap::new(), None, Some("not base64"), None);
        assert!(refused.is_err_and(|error| error.code() == &s3s::S3ErrorCode::InvalidDigest));
    }
}
