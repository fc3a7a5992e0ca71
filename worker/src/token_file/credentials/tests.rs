use super::*;

/// Written by Hadoop 3.4.2: no tokens, `acme.worker.secret` → `s3cr3t`.
const VECTOR: &[u8] = b"HDTS\x00\x00\x01\x12acme.worker.secret\x06s3cr3t";
const NAME: &str = "acme.worker.secret";

fn vint(number: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|&&byte| byte == 0).count()..];
    match u8::try_from(number) {
        Ok(small) if small <= 127 => vec![small],
        _ => [&[0x90 - u8::try_from(significant.len()).unwrap()][..], significant].concat(),
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [vint(bytes.len()), bytes.to_vec()].concat()
}

/// A file of version 0 with two tokens, whose lengths take one to three bytes.
fn with_tokens(secrets: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = b"HDTS\x00\x02".to_vec();
    for identifier in [200, 70_000] {
        for field in [b"alias".as_slice(), &vec![b'i'; identifier], b"password", b"MR_DELEGATION", b""] {
            file.extend(text(field));
        }
    }
    file.extend(vint(secrets.len()));
    for (alias, value) in secrets {
        file.extend([text(alias.as_bytes()), text(value)].concat());
    }
    file
}

/// Field `tag` of a protobuf message, of wire type 2; shorter than 128 bytes.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[tag << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// A file of version 1 with one token and two secrets.
fn of_version_1() -> Vec<u8> {
    let token = [field(1, b"id"), field(2, b"pass"), field(3, b"kind"), field(4, b"service")].concat();
    let token = [field(1, NAME.as_bytes()), field(2, &token)].concat();
    let other = [field(1, b"other"), field(3, b"no")].concat();
    let wanted = [field(1, NAME.as_bytes()), field(3, b"s3cr3t")].concat();
    let message = [field(1, &token), field(2, &other), field(2, &wanted)].concat();
    [b"HDTS\x01", &[u8::try_from(message.len()).unwrap()][..], &message].concat()
}

#[test]
fn a_file_of_hadoop_itself_is_read() {
    assert_eq!(secret(VECTOR, NAME), Ok(Some(b"s3cr3t".to_vec())));
    assert_eq!(secret(VECTOR, "acme.worker"), Ok(None));
}

#[test]
fn tokens_are_passed_over() {
    let long = vec![b'x'; 3000];
    let file = with_tokens(&[("other", b"no"), (NAME, &long), ("empty", b"")]);
    assert_eq!(secret(&file, NAME), Ok(Some(long)));
    assert_eq!(secret(&file, "empty"), Ok(Some(Vec::new())));
    assert_eq!(secret(&file, "alias"), Ok(None));
}

#[test]
fn protobuf_is_read_and_a_token_of_that_name_is_no_secret() {
    assert_eq!(secret(&of_version_1(), NAME), Ok(Some(b"s3cr3t".to_vec())));
    assert_eq!(secret(&of_version_1(), "another"), Ok(None));
    assert_eq!(secret(b"HDTS\x01\x00", NAME), Ok(None));
}

#[test]
fn a_file_that_is_cut_off_is_refused_wherever_that_is() {
    let long = with_tokens(&[(NAME, b"first"), ("last", b"second")]);
    for file in [VECTOR, &of_version_1()] {
        for length in 0..file.len() {
            assert!(secret(&file[..length], NAME).is_err(), "at {length} of {file:?}");
        }
    }
    // The bytes of the long token are all the same, so most of them are skipped.
    for length in (0..300).chain(70_200..long.len()) {
        assert!(secret(&long[..length], NAME).is_err(), "at {length}");
    }
}

#[test]
fn what_is_no_token_file_is_named() {
    assert_eq!(secret(b"", NAME), Err(CredentialsError::Magic));
    assert_eq!(secret(b"{\"a\":1}", NAME), Err(CredentialsError::Magic));
    assert_eq!(secret(b"HDTS\x02\x00", NAME), Err(CredentialsError::Version(2)));
    // −1 tokens; a length of five bytes; a length above Java's maximum.
    for length in [&b"\xff"[..], b"\x8b\x01\x00\x00\x00\x00", b"\x8c\xff\xff\xff\xff"] {
        let file = [b"HDTS\x00", length].concat();
        assert_eq!(secret(&file, NAME), Err(CredentialsError::Damaged { at: 5 }));
    }
}

#[test]
fn an_absurd_number_of_secrets_ends_with_the_file() {
    let file = b"HDTS\x00\x00\x8c\x7f\xff\xff\xff";
    assert_eq!(secret(file, NAME), Err(CredentialsError::Damaged { at: file.len() }));
}
