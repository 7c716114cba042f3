//! Operating system and processor of an image.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use stdx::Kind;

use crate::json::null_is_default;

/// Operating system, processor and its variant. Displays as `linux/arm64/v8`.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// As Go calls it: `linux`.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// As Go calls it: `amd64`.
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `v7`, ...; empty when it does not matter.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Windows only.
    #[serde(
        rename = "os.version",
        deserialize_with = "null_is_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// Windows only.
    #[serde(
        rename = "os.features",
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
}

/// A text is not a platform.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("\"{text}\" is an invalid platform: it must have the form os/architecture[/variant]")]
pub struct PlatformError {
    /// The text.
    pub text: String,
}

impl PlatformError {
    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        Kind::Invalid
    }
}

impl Platform {
    /// The platform of this program.
    pub fn host() -> Platform {
        Platform::of("linux", std::env::consts::ARCH, "")
    }

    /// In Go's words, whatever words came.
    pub fn of(os: &str, architecture: &str, variant: &str) -> Platform {
        let lower = |text: &str| text.to_ascii_lowercase();
        let (architecture, variant) = normalized(&lower(architecture), &lower(variant));
        let os = match lower(os).as_str() {
            "" => "linux".to_owned(),
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        Platform { os, architecture, variant, ..Platform::default() }
    }

    /// Reads `os`, `architecture`, `os/architecture` or `os/architecture/variant`.
    pub fn parse(text: &str) -> Result<Platform, PlatformError> {
        let is_word = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().all(is_word) {
            return Err(PlatformError { text: text.to_owned() });
        }
        match *parts.as_slice() {
            [one] if OSES.contains(&one.to_ascii_lowercase().as_str()) => {
                let host = Platform::host();
                Ok(Platform::of(one, &host.architecture, &host.variant))
            }
            [one] => {
                let platform = Platform::of("linux", one, "");
                match ARCHITECTURES.contains(&platform.architecture.as_str()) {
                    true => Ok(platform),
                    false => Err(PlatformError { text: text.to_owned() }),
                }
            }
            [os, architecture] => Ok(Platform::of(os, architecture, "")),
            [os, architecture, variant] => Ok(Platform::of(os, architecture, variant)),
            _ => Err(PlatformError { text: text.to_owned() }),
        }
    }

    /// Whether an image for `image` runs where this platform is wished: same system and processor,
    /// the same variant or, for 32-bit ARM, an older one. An image that says nothing fits.
    pub fn accepts(&self, image: &Platform) -> bool {
        self.rank(image).is_some()
    }

    /// The index of the best of several images: the newest variant that fits, else the first one.
    pub fn choose<'a>(&self, images: impl IntoIterator<Item = &'a Platform>) -> Option<usize> {
        let ranked = images.into_iter().enumerate();
        let ranked = ranked.filter_map(|(index, image)| Some((index, self.rank(image)?)));
        ranked.min_by_key(|(index, rank)| (*rank, *index)).map(|(index, _)| index)
    }

    /// How far an image is from what is wished; `None` when it does not fit.
    fn rank(&self, image: &Platform) -> Option<u32> {
        if image.os.is_empty() && image.architecture.is_empty() {
            return Some(100);
        }
        let wish = Platform::of(&self.os, &self.architecture, &self.variant);
        let image = Platform::of(&image.os, &image.architecture, &image.variant);
        if wish.os != image.os || wish.architecture != image.architecture {
            return None;
        }
        if wish.variant == image.variant {
            return Some(0);
        }
        let number = |variant: &str| -> Option<u32> {
            match variant {
                "" => Some(1),
                text => text.strip_prefix('v')?.parse().ok(),
            }
        };
        match wish.architecture.as_str() {
            "arm" | "amd64" => number(&wish.variant)?.checked_sub(number(&image.variant)?),
            _ if wish.variant.is_empty() => Some(1),
            _ => None,
        }
    }
}

const OSES: [&str; 7] = ["linux", "windows", "darwin", "macos", "freebsd", "netbsd", "openbsd"];

const ARCHITECTURES: [&str; 12] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64",
    "s390x", "wasm",
];

/// Go's words for what kernels and distributions call otherwise.
fn normalized(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = match (architecture, variant) {
        ("i386" | "i686" | "x86", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8") => ("arm64", ""),
        ("aarch64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        ("loongarch64", variant) => ("loong64", variant),
        ("powerpc64le", variant) => ("ppc64le", variant),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(f, "/{variant}"),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        Platform::parse(text)
    }
}

#[cfg(test)]
mod tests;
