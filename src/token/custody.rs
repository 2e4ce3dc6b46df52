//! Keys and values that the token keeps for others: subjects' keys, the keys of registration authorities, sealed values.
//!
//! Guarantees: what is exported belongs to the public key that was named. What is sealed was opened once before it is given on.
//!
//! Never does: export the key of an authority, which the worker and the token both refuse.

use bytes::Bytes;

use super::error::TokenError;
use super::key::{GeneratedKey, KeyId, KeyRef};
use super::request::{
    Answer, Ask, DecryptionScheme, KeyProfile, LONGEST_CONTEXT, LONGEST_DECRYPTION, LONGEST_PRIVATE_KEY, LONGEST_SEALED, LONGEST_VALUE,
};
use super::{Token, WRITTEN_WITHIN};
use crate::base::secret::SecretBytes;
use crate::x509::algorithm::KeyType;
use crate::x509::private_key;

impl Token {
    /// Makes the key of a subject in the default token. It can be exported, but for one of Ed25519, which tokens do not wrap: that one is
    /// better made outside and sealed.
    pub async fn generate_subject(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        self.generate_of(id, label, KeyProfile::Subject(key_type)).await
    }

    /// Makes the key of a registration authority in the default token: RSA, which signs and decrypts.
    pub async fn generate_registration_authority(&self, id: KeyId, label: &str, key_type: KeyType) -> Result<GeneratedKey, TokenError> {
        self.generate_of(id, label, KeyProfile::RegistrationAuthority(key_type)).await
    }

    /// Takes a subject's private key in, PKCS#8 of RSA or a NIST curve, so that it can be exported again.
    pub async fn import(&self, id: KeyId, label: &str, pkcs8: SecretBytes) -> Result<GeneratedKey, TokenError> {
        if pkcs8.len() > LONGEST_PRIVATE_KEY {
            return Err(TokenError::TooLong);
        }
        let public = private_key::read(pkcs8.expose()).map_err(|_| TokenError::BadKey)?.public;
        let ask = Ask::Import { id, label: label.to_owned(), pkcs8 };
        // One try, as for a key that is made.
        let member = self.default_set()?.in_order().next().ok_or(TokenError::NoSuchToken)?;
        match member.client.ask(ask, WRITTEN_WITHIN).await? {
            Answer::Generated(made) if made.public == public => Ok(made),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// The private half of a subject's key, PKCS#8 with the public half where its type has it.
    pub async fn export(&self, key: &KeyRef) -> Result<SecretBytes, TokenError> {
        let set = self.set_of(key)?;
        let mut outcome = Err(TokenError::NoSuchToken);
        for member in set.in_order() {
            outcome = match member.client.ask(Ask::Export { key: key.into() }, set.patience()).await {
                // The worker is not believed.
                Ok(Answer::Secret(pkcs8)) if private_key::read(pkcs8.expose()).is_ok_and(|read| read.public == key.public) => Ok(pkcs8),
                Ok(_) => Err(TokenError::NotAWorker),
                Err(error) => Err(error),
            };
            if !set.is_worth_another(member, &outcome) {
                break;
            }
        }
        outcome
    }

    /// Seals a value under a key of the default token. It is opened with the same context alone.
    ///
    /// Equal tokens that do not share their objects have a sealing key each: what one of them sealed only that one opens.
    pub async fn seal(&self, value: SecretBytes, context: &[u8]) -> Result<Vec<u8>, TokenError> {
        if value.len() > LONGEST_VALUE || context.len() > LONGEST_CONTEXT {
            return Err(TokenError::TooLong);
        }
        let ask = Ask::Seal { value, context: Bytes::copy_from_slice(context) };
        match self.ask_any(ask).await? {
            Answer::Bytes(sealed) => Ok(sealed),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// Opens what [`seal`](Self::seal) made; `Undecryptable` when it was changed or the context is another.
    pub async fn unseal(&self, sealed: &[u8], context: &[u8]) -> Result<SecretBytes, TokenError> {
        if sealed.len() > LONGEST_SEALED || context.len() > LONGEST_CONTEXT {
            return Err(TokenError::TooLong);
        }
        let ask = Ask::Open { sealed: Bytes::copy_from_slice(sealed), context: Bytes::copy_from_slice(context) };
        self.secret(ask).await
    }

    /// Decrypts with the key of a registration authority.
    pub async fn decrypt(&self, key: &KeyRef, scheme: DecryptionScheme, input: &[u8]) -> Result<SecretBytes, TokenError> {
        if input.len() > LONGEST_DECRYPTION {
            return Err(TokenError::TooLong);
        }
        let ask = Ask::Decrypt { key: key.into(), scheme, input: Bytes::copy_from_slice(input) };
        let set = self.set_of(key)?;
        let mut outcome = Err(TokenError::NoSuchToken);
        for member in set.in_order() {
            outcome = match member.client.ask(ask.clone(), set.patience()).await {
                Ok(Answer::Secret(plain)) => Ok(plain),
                Ok(_) => Err(TokenError::NotAWorker),
                Err(error) => Err(error),
            };
            if !set.is_worth_another(member, &outcome) {
                break;
            }
        }
        outcome
    }

    async fn secret(&self, ask: Ask) -> Result<SecretBytes, TokenError> {
        match self.ask_any(ask).await? {
            Answer::Secret(value) => Ok(value),
            _ => Err(TokenError::NotAWorker),
        }
    }

    /// Asks the tokens of the default name, one after the other while the next may do what this one did not.
    async fn ask_any(&self, ask: Ask) -> Result<Answer, TokenError> {
        let set = self.default_set()?;
        let mut outcome = Err(TokenError::NoSuchToken);
        for member in set.in_order() {
            outcome = member.client.ask(ask.clone(), set.patience()).await;
            // That one of them lacks another's sealing key is no fault of its.
            if !matches!(&outcome, Err(error) if error.may_be_one_token_s()) {
                break;
            }
        }
        outcome
    }
}
