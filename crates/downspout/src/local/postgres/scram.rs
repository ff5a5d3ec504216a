//! The server's side of SCRAM-SHA-256 without channel binding (RFC 5802, RFC 7677). With SCRAM, a client proves that it
//! knows the password without sending the password.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The only mechanism that `AuthenticationSASL` offers.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// The number of iterations, as PostgreSQL's default of `scram_iterations`.
const ITERATIONS: u32 = 4096;

type Key = [u8; 32];

/// The reason why a client was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum ScramError {
    #[error("malformed SCRAM message: {0}")]
    Malformed(&'static str),
    #[error("the password does not match")]
    WrongPassword,
}

/// The values that the server keeps instead of the password.
pub(super) struct Verifier {
    salt: [u8; 16],
    stored_key: Key,
    server_key: Key,
}

impl Verifier {
    /// Derives the keys from `password`.
    pub(super) fn new(password: &str) -> Self {
        let salt: [u8; 16] = rand::random();
        let salted = salted_password(password.as_bytes(), &salt);
        Self {
            salt,
            stored_key: Sha256::digest(mac(&salted, b"Client Key")).into(),
            server_key: mac(&salted, b"Server Key"),
        }
    }

    /// Reads the first message of the client. Returns the state of the login and the answer to the message.
    ///
    /// Fails if the message is malformed or asks for channel binding.
    pub(super) fn begin(&self, client_first: &str) -> Result<(Exchange<'_>, String), ScramError> {
        self.begin_with_nonce(client_first, &BASE64_STANDARD.encode(rand::random::<[u8; 18]>()))
    }

    fn begin_with_nonce(
        &self,
        client_first: &str,
        nonce: &str,
    ) -> Result<(Exchange<'_>, String), ScramError> {
        let (binding, rest) = client_first.split_once(',').ok_or(ScramError::Malformed("no binding flag"))?;
        // With "y", the client supports channel binding and has seen that the server does not offer it.
        if !matches!(binding, "n" | "y") {
            return Err(ScramError::Malformed("channel binding is not offered"));
        }
        let (_authzid, bare) = rest.split_once(',').ok_or(ScramError::Malformed("no user name"))?;
        let client_nonce = attribute(bare, 'r').filter(|nonce| !nonce.is_empty());
        let client_nonce = client_nonce.ok_or(ScramError::Malformed("no nonce"))?;
        let nonce = format!("{client_nonce}{nonce}");
        let server_first = format!("r={nonce},s={},i={ITERATIONS}", BASE64_STANDARD.encode(self.salt));
        let exchange = Exchange {
            verifier: self,
            binding: BASE64_STANDARD.encode(&client_first[..client_first.len() - bare.len()]),
            nonce,
            messages: format!("{bare},{server_first}"),
        };
        Ok((exchange, server_first))
    }
}

/// The login of one client, after its first message.
pub(super) struct Exchange<'a> {
    verifier: &'a Verifier,
    binding: String,
    nonce: String,
    messages: String,
}

impl Exchange<'_> {
    /// Checks the proof in the last message of the client. Returns the answer, which proves to the client that the server
    /// has the keys of the password.
    ///
    /// Fails if the message is malformed or the password is wrong.
    pub(super) fn finish(self, client_final: &str) -> Result<String, ScramError> {
        let (without_proof, proof) =
            client_final.rsplit_once(",p=").ok_or(ScramError::Malformed("no proof"))?;
        if attribute(without_proof, 'c') != Some(&self.binding) {
            return Err(ScramError::Malformed("channel binding differs"));
        }
        if attribute(without_proof, 'r') != Some(&self.nonce) {
            return Err(ScramError::Malformed("nonce differs"));
        }
        let proof =
            BASE64_STANDARD.decode(proof).map_err(|_| ScramError::Malformed("proof is not base64"))?;
        let mut client_key: Key =
            proof.try_into().map_err(|_| ScramError::Malformed("proof has a wrong length"))?;
        let auth_message = format!("{},{without_proof}", self.messages);
        xor(&mut client_key, &mac(&self.verifier.stored_key, auth_message.as_bytes()));
        let stored: Key = Sha256::digest(client_key).into();
        if !same(&stored, &self.verifier.stored_key) {
            return Err(ScramError::WrongPassword);
        }
        let signature = mac(&self.verifier.server_key, auth_message.as_bytes());
        Ok(format!("v={}", BASE64_STANDARD.encode(signature)))
    }
}

fn attribute(message: &str, name: char) -> Option<&str> {
    message.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// Returns the key that PBKDF2 derives from `password`, with HMAC-SHA-256 and one block.
fn salted_password(password: &[u8], salt: &[u8]) -> Key {
    let mut block = mac(password, &[salt, &1u32.to_be_bytes()].concat());
    let mut result = block;
    for _ in 1..ITERATIONS {
        block = mac(password, &block);
        xor(&mut result, &block);
    }
    result
}

fn mac(key: &[u8], message: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn xor(into: &mut Key, other: &Key) {
    into.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// Compares two keys in constant time.
fn same(left: &Key, right: &Key) -> bool {
    left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the example in section 3 of RFC 7677, with `proof` as the proof of the client.
    fn rfc_exchange(proof: &str) -> Result<String, ScramError> {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let salt: [u8; 16] = salt.try_into().expect("16 bytes");
        let salted = salted_password(b"pencil", &salt);
        let verifier = Verifier {
            salt,
            stored_key: Sha256::digest(mac(&salted, b"Client Key")).into(),
            server_key: mac(&salted, b"Server Key"),
        };
        let (exchange, first) = verifier
            .begin_with_nonce("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")?;
        assert_eq!(
            first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        exchange.finish(&format!("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p={proof}"))
    }

    #[test]
    fn the_example_of_the_rfc_is_let_in() {
        let answer = rfc_exchange("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(answer.as_deref(), Ok("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn another_proof_is_a_wrong_password() {
        let answer = rfc_exchange("eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        assert_eq!(answer, Err(ScramError::WrongPassword));
    }

    #[test]
    fn channel_binding_and_rubbish_are_refused() {
        let verifier = Verifier::new("pencil");
        for first in ["p=tls-server-end-point,,n=,r=abc", "n,,n=", "n", "", "n,,r="] {
            assert!(verifier.begin(first).is_err(), "{first}");
        }
    }
}
