//! The content of a `data:` URL.

use data_encoding::BASE64_NOPAD;

use crate::source_path::percent_decoded;

/// The bytes; an error says what is wrong with it. What kind of text it says to be does not matter.
pub(crate) fn decode(url: &str) -> Result<Vec<u8>, String> {
    let (head, data) = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(','))
        .ok_or("its data: URL has no data")?;
    let data = data.trim_ascii();
    if !head.trim_ascii_end().ends_with(";base64") {
        return Ok(percent_decoded(data).into_bytes());
    }
    let decoded = if data.contains('%') {
        BASE64_NOPAD.decode(percent_decoded(data).trim_end_matches('=').as_bytes())
    } else {
        BASE64_NOPAD.decode(data.trim_end_matches('=').as_bytes())
    };
    decoded.map_err(|error| format!("its data: URL is no base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_escapes() {
        let text = |url| decode(url).map(|bytes| String::from_utf8(bytes).unwrap());
        for url in [
            "data:application/json;base64,e30=",
            "data:application/json;charset=utf-8;base64,e30",
            "data:;base64,e30%3D",
            "data:application/json,%7B%7D",
            "data:,{}",
        ] {
            assert_eq!(text(url).as_deref(), Ok("{}"), "{url}");
        }
        for url in ["data:application/json;base64", "data:;base64,e3_", "x"] {
            assert!(decode(url).is_err(), "{url}");
        }
    }
}
