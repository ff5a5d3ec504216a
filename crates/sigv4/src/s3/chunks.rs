//! Reads bodies in chunks (`aws-chunked`), and checks their lengths, their signatures and their trailers.
//!
//! Bytes are passed on as they arrive, also before the signature of their chunk is checked, so that a chunk may have any
//! size. Source: "Signature calculations for the Authorization header: Transferring payload in multiple chunks", and the same
//! "including trailing headers", in the Amazon S3 API Reference.

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use super::content_error::ContentError;
use super::payload::{Chunks, Seed};
use super::trailers::Trailers;

/// The longest line of a chunk header or a trailer, in bytes.
const LONGEST_LINE: usize = 4096;
/// The largest number of trailers.
const MOST_TRAILERS: usize = 20;
/// The trailer that signs the others.
const SIGNATURE_TRAILER: &str = "x-amz-trailer-signature";
/// The SHA-256 of no bytes. The text that is signed for a chunk contains it.
const EMPTY_DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A body in chunks that is being read.
pub(super) struct Decoder<S> {
    body: S,
    /// Bytes that arrived and were not read yet.
    buffer: Bytes,
    seed: Option<Seed>,
    /// Content that must still arrive, in bytes.
    missing: u64,
    expected_trailers: Option<Vec<String>>,
    trailers: Trailers,
    chunk: Chunk,
}

/// The state of the decoder.
enum Chunk {
    /// The header of a chunk comes next.
    Between,
    /// This many bytes of a chunk are left.
    Within { left: u64, signature: Option<String>, hasher: Sha256 },
    /// The body has ended.
    Ended,
}

impl<S> Decoder<S>
where
    S: Stream<Item = Result<Bytes, ContentError>> + Send + Unpin,
{
    pub(super) fn new(body: S, chunks: Chunks, trailers: Trailers) -> Self {
        Self {
            body,
            buffer: Bytes::new(),
            seed: chunks.seed,
            missing: chunks.decoded_length,
            expected_trailers: chunks.trailers,
            trailers,
            chunk: Chunk::Between,
        }
    }

    /// Returns the next bytes of the content, or `None` at its end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        loop {
            match &mut self.chunk {
                Chunk::Ended => return Ok(None),
                Chunk::Between => self.begin_chunk().await?,
                Chunk::Within { left: 0, .. } => self.end_chunk().await?,
                Chunk::Within { .. } => return self.some_bytes().await.map(Some),
            }
        }
    }

    async fn begin_chunk(&mut self) -> Result<(), ContentError> {
        let line = self.line().await?.ok_or(ContentError::Malformed("it ends before its last chunk"))?;
        let (size, signature) = chunk_header(&line)?;
        if self.seed.is_some() && signature.is_none() {
            return Err(ContentError::Malformed("a chunk is not signed"));
        }
        if size > self.missing {
            return Err(ContentError::Length);
        }
        self.missing -= size;
        if size > 0 {
            self.chunk = Chunk::Within { left: size, signature, hasher: Sha256::new() };
            return Ok(());
        }
        if self.missing > 0 {
            return Err(ContentError::Length);
        }
        self.check_chunk(signature.as_deref(), EMPTY_DIGEST)?;
        self.read_trailers().await?;
        self.chunk = Chunk::Ended;
        Ok(())
    }

    /// Returns bytes of the present chunk, as many as have arrived.
    async fn some_bytes(&mut self) -> Result<Bytes, ContentError> {
        while self.buffer.is_empty() {
            self.buffer =
                self.body.try_next().await?.ok_or(ContentError::Malformed("it ends within a chunk"))?;
        }
        let Chunk::Within { left, hasher, .. } = &mut self.chunk else { return Ok(Bytes::new()) };
        let count = usize::try_from(*left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
        let bytes = self.buffer.split_to(count);
        *left -= count as u64;
        if self.seed.is_some() {
            hasher.update(&bytes);
        }
        Ok(bytes)
    }

    async fn end_chunk(&mut self) -> Result<(), ContentError> {
        let ended = std::mem::replace(&mut self.chunk, Chunk::Between);
        if self.line().await?.is_none_or(|line| !line.is_empty()) {
            return Err(ContentError::Malformed("a chunk is longer than its header says"));
        }
        if let Chunk::Within { signature, hasher, .. } = ended {
            self.check_chunk(signature.as_deref(), &hex::encode(hasher.finalize()))?;
        }
        Ok(())
    }

    /// Checks the signature of a chunk with this SHA-256, which becomes a part of the next signature.
    fn check_chunk(&mut self, signature: Option<&str>, digest: &str) -> Result<(), ContentError> {
        let Some(seed) = &mut self.seed else { return Ok(()) };
        let Seed { key, date, scope, signature: before } = &*seed;
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{before}\n{EMPTY_DIGEST}\n{digest}");
        let signature = signature.filter(|signature| key.has_signed(text.as_bytes(), signature));
        seed.signature = signature.ok_or(ContentError::ChunkSignature)?.to_owned();
        Ok(())
    }

    async fn read_trailers(&mut self) -> Result<(), ContentError> {
        let mut found: Vec<(String, String)> = Vec::new();
        while let Some(line) = self.line().await?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or(ContentError::Trailers("a line has no colon"))?;
            found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            if found.len() > MOST_TRAILERS {
                return Err(ContentError::Trailers("there are too many"));
            }
        }
        if !self.buffer.is_empty() || self.body.try_next().await?.is_some_and(|rest| !rest.is_empty()) {
            return Err(ContentError::Malformed("bytes follow its end"));
        }
        let signature = found.iter().position(|(name, _)| name == SIGNATURE_TRAILER);
        let signature = signature.map(|index| found.remove(index).1);
        found.sort();
        let Some(expected) = self.expected_trailers.take() else {
            let is_empty = found.is_empty() && signature.is_none();
            return is_empty.then_some(()).ok_or(ContentError::Trailers("none was announced"));
        };
        if found.len() != expected.len() || found.iter().any(|(name, _)| !expected.contains(name)) {
            return Err(ContentError::Trailers("they are not those that the header x-amz-trailer names"));
        }
        self.check_trailers(&found, signature.as_deref())?;
        self.trailers.set(header_map(&found)?);
        Ok(())
    }

    fn check_trailers(
        &self,
        found: &[(String, String)],
        signature: Option<&str>,
    ) -> Result<(), ContentError> {
        let Some(Seed { key, date, scope, signature: before }) = &self.seed else { return Ok(()) };
        let lines: String = found.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let digest = hex::encode(Sha256::digest(lines));
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{before}\n{digest}");
        let is_signed = signature.is_some_and(|signature| key.has_signed(text.as_bytes(), signature));
        is_signed.then_some(()).ok_or(ContentError::ChunkSignature)
    }

    /// Returns the next line without its end, or `None` at the end of the body.
    async fn line(&mut self) -> Result<Option<String>, ContentError> {
        let mut line = Vec::new();
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                line.extend_from_slice(&self.buffer.split_to(end + 1)[..end]);
                break;
            }
            line.extend_from_slice(&std::mem::take(&mut self.buffer));
            if line.len() > LONGEST_LINE {
                return Err(ContentError::Malformed("a line is too long"));
            }
            match self.body.try_next().await? {
                Some(bytes) => self.buffer = bytes,
                None if line.is_empty() => return Ok(None),
                None => break,
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|_| ContentError::Malformed("a line is not text"))
    }
}

/// Reads `SIZE` or `SIZE;chunk-signature=SIGNATURE`, where the size is hexadecimal.
fn chunk_header(line: &str) -> Result<(u64, Option<String>), ContentError> {
    let (size, extension) = match line.split_once(';') {
        Some((size, extension)) => (size, Some(extension)),
        None => (line, None),
    };
    let is_hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
    let size = u64::from_str_radix(size, 16).ok().filter(|_| is_hex);
    let size = size.ok_or(ContentError::Malformed("the size of a chunk is not a hexadecimal number"))?;
    let signature = extension.and_then(|extension| extension.trim().strip_prefix("chunk-signature="));
    Ok((size, signature.map(str::to_owned)))
}

fn header_map(trailers: &[(String, String)]) -> Result<HeaderMap, ContentError> {
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    trailers.iter().map(header).collect::<Option<_>>().ok_or(ContentError::Trailers("one is not a header"))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::key::SigningKey;
    use crate::scope::Scope;

    const SCOPE: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

    /// The example of the documentation: 65 KiB of the letter a, in two chunks.
    const EXAMPLE: [(usize, &str); 3] = [
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ];

    fn example_body() -> Vec<u8> {
        let chunk = |(size, signature): &(usize, &str)| {
            let header = format!("{size:x};chunk-signature={signature}\r\n").into_bytes();
            [header, vec![b'a'; *size], b"\r\n".to_vec()].concat()
        };
        EXAMPLE.iter().flat_map(chunk).collect()
    }

    fn seed() -> Seed {
        let scope = Scope::parse(SCOPE).expect("the constant is a scope");
        Seed {
            key: SigningKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", &scope),
            date: "20130524T000000Z".to_owned(),
            scope: scope.text.to_owned(),
            signature: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9".to_owned(),
        }
    }

    /// Decodes a body that arrives in pieces of `piece` bytes. Returns the content and the trailers.
    async fn decode(chunks: Chunks, body: &[u8], piece: usize) -> Result<(Vec<u8>, HeaderMap), ContentError> {
        let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let trailers = Trailers::default();
        let mut decoder = Decoder::new(stream::iter(pieces), chunks, trailers.clone());
        let mut content = Vec::new();
        while let Some(bytes) = decoder.next().await? {
            content.extend_from_slice(&bytes);
        }
        Ok((content, trailers.take()))
    }

    fn signed(decoded_length: u64) -> Chunks {
        Chunks { seed: Some(seed()), decoded_length, trailers: None }
    }

    fn unsigned(decoded_length: u64, trailers: &[&str]) -> Chunks {
        let trailers = trailers.iter().map(|name| (*name).to_owned()).collect();
        Chunks { seed: None, decoded_length, trailers: Some(trailers) }
    }

    #[tokio::test]
    async fn the_published_example_is_accepted_in_pieces_of_any_size() {
        for piece in [1, 7, 1000, 65536, 100_000] {
            let (content, _) =
                decode(signed(66560), &example_body(), piece).await.expect("the example is signed");
            assert_eq!(content, vec![b'a'; 66560], "{piece}");
        }
    }

    #[tokio::test]
    async fn a_changed_byte_is_refused() {
        let mut body = example_body();
        body[100] = b'b';
        let refused = decode(signed(66560), &body, 4096).await;
        assert!(matches!(refused, Err(ContentError::ChunkSignature)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_body_without_its_last_chunks_is_refused() {
        let body = example_body();
        let ends = [body.len() - 90, 65536 + 90 + 10, 65536 + 85 + 2 + 83 + 1024 + 2, 200];
        for end in ends {
            let refused = decode(signed(66560), &body[..end], 4096).await;
            assert!(refused.is_err(), "{end}");
        }
    }

    #[tokio::test]
    async fn a_content_of_another_length_is_refused() {
        for length in [66559, 66561, 0] {
            let refused = decode(signed(length), &example_body(), 4096).await;
            assert!(matches!(refused, Err(ContentError::Length)), "{length}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn an_unsigned_chunk_of_a_signed_body_is_refused() {
        let refused = decode(signed(3), b"3\r\nabc\r\n0\r\n\r\n", 4096).await;
        assert!(matches!(refused, Err(ContentError::Malformed("a chunk is not signed"))), "{refused:?}");
    }

    #[tokio::test]
    async fn announced_trailers_are_returned() {
        let body = b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";
        for piece in [1, 4096] {
            let (content, trailers) =
                decode(unsigned(3, &["x-amz-checksum-crc32"]), body, piece).await.expect("it is well formed");
            assert_eq!(content, b"abc");
            assert_eq!(trailers["x-amz-checksum-crc32"], "NSRBwg==");
        }
    }

    #[tokio::test]
    async fn other_trailers_than_the_announced_are_refused() {
        for (names, body) in [
            (&["x-amz-checksum-crc32"][..], &b"0\r\n\r\n"[..]),
            (&["x-amz-checksum-crc32"], b"0\r\nx-amz-meta-a:1\r\n\r\n"),
            (&[], b"0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n"),
            (&["x-amz-checksum-crc32"], b"0\r\nno colon\r\n\r\n"),
        ] {
            let refused = decode(unsigned(0, names), body, 4096).await;
            assert!(matches!(refused, Err(ContentError::Trailers(_))), "{names:?}: {refused:?}");
        }
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        for body in [
            &b""[..],
            b"xyz",
            b"+3\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b"0\r\n\r\nmore",
            b"\xff\r\n",
        ] {
            let length = if body.starts_with(b"0") { 0 } else { 3 };
            let refused = decode(unsigned(length, &[]), body, 4096).await;
            assert!(matches!(refused, Err(ContentError::Malformed(_))), "{body:?}: {refused:?}");
        }
        let refused = decode(unsigned(3, &[]), &[b'1'; LONGEST_LINE * 2], 4096).await;
        assert!(matches!(refused, Err(ContentError::Malformed("a line is too long"))), "{refused:?}");
    }
}
