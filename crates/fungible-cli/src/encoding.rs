//! How bytes and times are written down in JSON: text as text where it is text, times as whole nanoseconds, so that what is
//! read again is what was written.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes: as text where they are UTF-8, else in base64.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Text {
    Base64(String),
    #[serde(untagged)]
    Text(String),
}

impl Text {
    pub(crate) fn of(bytes: &[u8]) -> Text {
        match std::str::from_utf8(bytes) {
            Ok(text) => Text::Text(text.to_owned()),
            Err(_) => Text::Base64(STANDARD.encode(bytes)),
        }
    }

    /// # Errors
    /// A sentence, where it says base64 and is not.
    pub(crate) fn bytes(self) -> Result<Vec<u8>, String> {
        match self {
            Text::Text(text) => Ok(text.into_bytes()),
            Text::Base64(text) => STANDARD.decode(text).map_err(|error| format!("this is no base64: {error}")),
        }
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// # Errors
/// A sentence, where it is not so many hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let digits = || text.len() == 2 * N && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let pair = if digits() { text.get(2 * at..2 * at + 2) } else { None };
        *byte = pair
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
            .ok_or_else(|| format!("these are no {N} bytes in hexadecimal digits: {text}"))?;
    }
    Ok(bytes)
}

/// Header fields: `["name", "value"]`, or `["name", {"base64": ".."}]` where the value is no text.
pub(crate) mod fields {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Text;

    pub(crate) fn serialize<S: Serializer>(fields: &[(String, Vec<u8>)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(fields.iter().map(|(name, value)| (name, Text::of(value))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Vec<u8>)>, D::Error> {
        let fields = Vec::<(String, Text)>::deserialize(deserializer)?;
        let decoded = |(name, value): (String, Text)| Ok((name, value.bytes().map_err(D::Error::custom)?));
        fields.into_iter().map(decoded).collect()
    }
}

/// A path, as text where it is text.
pub(crate) mod path {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    use std::path::{Path, PathBuf};

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Text;

    pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        Text::of(path.as_os_str().as_bytes()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        path_of(Text::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    /// # Errors
    /// A sentence, where it is no base64.
    pub(super) fn path_of(text: Text) -> Result<PathBuf, String> {
        Ok(OsString::from_vec(text.bytes()?).into())
    }

    /// As above, of one that may be missing.
    pub(crate) mod option {
        use std::os::unix::ffi::OsStrExt as _;
        use std::path::PathBuf;

        use serde::de::Error as _;
        use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

        use super::super::Text;

        #[expect(clippy::ref_option, reason = "serde calls it so")]
        pub(crate) fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
            path.as_ref().map(|path| Text::of(path.as_os_str().as_bytes())).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
            let text = Option::<Text>::deserialize(deserializer)?;
            text.map(|text| super::path_of(text).map_err(D::Error::custom)).transpose()
        }
    }
}

/// Paths, as text where they are text.
pub(crate) mod paths {
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::PathBuf;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::Text;

    pub(crate) fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| Text::of(path.as_os_str().as_bytes())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
        let texts = Vec::<Text>::deserialize(deserializer)?;
        texts.into_iter().map(|text| super::path::path_of(text).map_err(D::Error::custom)).collect()
    }
}

/// A duration as whole nanoseconds.
pub(crate) mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }

    /// As above, of one that may be missing.
    pub(crate) mod option {
        use std::time::Duration;

        use serde::{Deserialize, Deserializer, Serialize, Serializer};

        #[expect(clippy::ref_option, reason = "serde calls it so")]
        pub(crate) fn serialize<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            Option::<u64>::deserialize(deserializer).map(|time| time.map(Duration::from_nanos))
        }
    }

    /// A time, since 1970.
    pub(crate) mod since_1970 {
        use std::time::{Duration, SystemTime, UNIX_EPOCH};

        use serde::{Deserialize, Deserializer, Serializer};

        pub(crate) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(&time.duration_since(UNIX_EPOCH).unwrap_or_default(), serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
            u64::deserialize(deserializer).map(|time| UNIX_EPOCH + Duration::from_nanos(time))
        }
    }
}
