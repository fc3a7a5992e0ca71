//! A container's token file, by which YARN passes secrets to a task.
//!
//! The format is that of `org.apache.hadoop.security.Credentials`: `HDTS`, a byte for the version, and then
//! either Writables (version 0) or a length-delimited `CredentialsProto` of Security.proto (version 1).

use prost::Message;

const MAGIC: &[u8] = b"HDTS";
const WRITABLE: u8 = 0;
const PROTOBUF: u8 = 1;

/// Why a file is not a valid token file. It never quotes the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CredentialsError {
    #[error("is not a Hadoop token file: it does not begin with HDTS")]
    Magic,
    #[error("is a Hadoop token file of version {0}; versions 0 and 1 are supported")]
    Version(u8),
    #[error("is cut off or damaged at byte {at}")]
    Damaged { at: usize },
    /// Without Prost's message, which would not say more.
    #[error("is cut off or damaged")]
    Protobuf,
}

/// The value of the secret `name`, if `file` contains it. The file is read to its end, so that a damaged file is never
/// taken for one without the secret.
pub(crate) fn secret(file: &[u8], name: &str) -> Result<Option<Vec<u8>>, CredentialsError> {
    let rest = file.strip_prefix(MAGIC).ok_or(CredentialsError::Magic)?;
    match rest.split_first() {
        None => Err(CredentialsError::Damaged { at: MAGIC.len() }),
        Some((&WRITABLE, _)) => writable(Reader { file, at: MAGIC.len() + 1 }, name.as_bytes()),
        Some((&PROTOBUF, message)) => protobuf(message, name.as_bytes()),
        Some((&version, _)) => Err(CredentialsError::Version(version)),
    }
}

/// Reads version 0, like `Credentials.readFields`.
fn writable(mut reader: Reader<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, CredentialsError> {
    for _ in 0..reader.length()? {
        // The alias, and the token's identifier, password, kind and service.
        for _ in 0..5 {
            reader.bytes()?;
        }
    }
    let mut found = None;
    for _ in 0..reader.length()? {
        let (alias, value) = (reader.bytes()?, reader.bytes()?);
        if alias == name {
            found = Some(value.to_vec());
        }
    }
    Ok(found)
}

/// Reads version 1, like `Credentials.readProto`.
fn protobuf(message: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, CredentialsError> {
    let storage =
        CredentialsProto::decode_length_delimited(message).map_err(|_| CredentialsError::Protobuf)?;
    let found = storage.secrets.into_iter().rfind(|secret| secret.alias == name);
    Ok(found.map(|secret| secret.secret))
}

/// `CredentialsProto` of Hadoop's Security.proto, without its tokens.
#[derive(Clone, PartialEq, Message)]
struct CredentialsProto {
    #[prost(message, repeated, tag = "2")]
    secrets: Vec<CredentialsKvProto>,
}

/// `CredentialsKVProto`, without its token.
#[derive(Clone, PartialEq, Message)]
struct CredentialsKvProto {
    /// A string in Hadoop's definition; bytes here, since it need not be checked.
    #[prost(bytes = "vec", tag = "1")]
    alias: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    secret: Vec<u8>,
}

/// Reads the formats of Java's `DataOutput` and Hadoop's `WritableUtils`.
struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], CredentialsError> {
        let rest = &self.file[self.at..];
        let taken = rest.get(..length).ok_or(CredentialsError::Damaged { at: self.at })?;
        self.at += length;
        Ok(taken)
    }

    /// Reads a length like `WritableUtils.readVInt`; it must not be negative. The first byte is the number itself, or
    /// says how many bytes follow (−113: one, to −116: four), with the highest first.
    fn length(&mut self) -> Result<usize, CredentialsError> {
        let at = self.at;
        let first = i8::from_be_bytes([self.take(1)?[0]]);
        if let Ok(number) = usize::try_from(first) {
            return Ok(number);
        }
        let num_bytes = match first {
            -116..=-113 => usize::from(first.abs_diff(-112)),
            _ => return Err(CredentialsError::Damaged { at }),
        };
        let number = self.take(num_bytes)?.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        // The maximum of Java's int.
        if i32::try_from(number).is_err() {
            return Err(CredentialsError::Damaged { at });
        }
        Ok(number)
    }

    /// Reads a length and that many bytes, as `Text.write` and `Token.write` write them.
    fn bytes(&mut self) -> Result<&'a [u8], CredentialsError> {
        let length = self.length()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests;
