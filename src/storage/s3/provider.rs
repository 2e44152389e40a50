//! A table of how S3 providers differ.

use aws_sdk_s3::types::ChecksumAlgorithm;

use super::parts::{EQUAL_PART_BYTES, GROWING_PART_BYTES, MAX_PARTS, PartSizing};

/// The checksum sent with each part and stored with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// CRC-32: supported by most providers.
    Crc32,
    /// CRC-64/NVME: the default of AWS.
    Crc64Nvme,
    /// SHA-256.
    Sha256,
    /// No checksum, for providers that reject the headers. TLS and the signature still protect each
    /// part.
    None,
}

impl std::str::FromStr for Checksum {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        match text {
            "crc32" => Ok(Checksum::Crc32),
            "crc64nvme" => Ok(Checksum::Crc64Nvme),
            "sha256" => Ok(Checksum::Sha256),
            "none" => Ok(Checksum::None),
            _ => Err(crate::Error::new(crate::ErrorKind::Usage, format!("read S3 checksum \"{text}\""))
                .because("it is not one of crc32, crc64nvme, sha256 and none")),
        }
    }
}

impl Checksum {
    /// The SDK's name for it.
    pub(crate) fn algorithm(self) -> Option<ChecksumAlgorithm> {
        match self {
            Checksum::Crc32 => Some(ChecksumAlgorithm::Crc32),
            Checksum::Crc64Nvme => Some(ChecksumAlgorithm::Crc64Nvme),
            Checksum::Sha256 => Some(ChecksumAlgorithm::Sha256),
            Checksum::None => None,
        }
    }
}

/// The specifics of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name, for logs and `check`.
    pub name: &'static str,
    /// The suffix of the endpoint's host name.
    host_suffix: &'static str,
    /// The sizes of parts.
    pub part_sizing: PartSizing,
    /// The maximum number of parts of an upload.
    pub max_parts: u32,
    /// How many parts may be uploaded concurrently.
    pub parts_in_flight: usize,
    /// The checksum to send by default.
    pub checksum: Checksum,
    /// Whether `If-None-Match: *` may be sent. If not, two runs that write the same key at the same
    /// moment can both succeed.
    pub conditional_writes: bool,
    /// Whether the bucket is in the path rather than the host name.
    pub path_style: bool,
}

/// The defaults for an unknown server.
const GENERIC: Provider = Provider {
    name: "generic",
    host_suffix: "",
    part_sizing: PartSizing::Growing { first_bytes: GROWING_PART_BYTES },
    max_parts: MAX_PARTS,
    parts_in_flight: 3,
    checksum: Checksum::Crc32,
    conditional_writes: true,
    // Buckets in the host name need wildcard DNS, which private servers rarely have.
    path_style: true,
};

const PROVIDERS: [Provider; 7] = [
    Provider { name: "aws", host_suffix: ".amazonaws.com", path_style: false, ..GENERIC },
    // Parts must be equal: https://developers.cloudflare.com/r2/objects/multipart-objects
    // Rejects checksums: https://github.com/benbjohnson/litestream/blob/main/docs/PROVIDER_COMPATIBILITY.md
    Provider {
        name: "r2",
        host_suffix: ".r2.cloudflarestorage.com",
        part_sizing: PartSizing::Fixed { bytes: EQUAL_PART_BYTES },
        parts_in_flight: 2,
        checksum: Checksum::None,
        ..GENERIC
    },
    // Parts must be equal: the provider rejects parts larger than the first.
    Provider {
        name: "mega",
        host_suffix: ".s4.mega.io",
        part_sizing: PartSizing::Fixed { bytes: EQUAL_PART_BYTES },
        parts_in_flight: 2,
        ..GENERIC
    },
    // At most 1,000 parts, according to its documentation of multipart uploads.
    Provider { name: "scaleway", host_suffix: ".scw.cloud", max_parts: 1000, ..GENERIC },
    // Rejects both: https://github.com/boto/s3transfer/issues/327,
    // https://github.com/sathinduga/obsidian-s3-sync-and-backup/pull/84
    Provider {
        name: "b2",
        host_suffix: ".backblazeb2.com",
        checksum: Checksum::None,
        conditional_writes: false,
        ..GENERIC
    },
    // Checksums: https://github.com/milvus-io/milvus-storage/pull/480; conditions have another syntax:
    // https://github.com/gaul/undocumented-s3-apis/issues/4
    Provider {
        name: "gcs",
        host_suffix: "storage.googleapis.com",
        checksum: Checksum::None,
        conditional_writes: false,
        ..GENERIC
    },
    // https://github.com/aws/aws-sdk-js-v3/issues/6810
    Provider { name: "oci", host_suffix: ".oraclecloud.com", checksum: Checksum::None, ..GENERIC },
];

impl Provider {
    /// The provider with this endpoint host name; no endpoint means AWS.
    pub fn for_host(host: Option<&str>) -> Provider {
        let [aws, ..] = &PROVIDERS;
        let Some(host) = host else { return aws.clone() };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        PROVIDERS.iter().find(|provider| host.ends_with(provider.host_suffix)).unwrap_or(&GENERIC).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_hosts() {
        for (host, name) in [
            (None, "aws"),
            (Some("s3.eu-west-1.amazonaws.com"), "aws"),
            (Some("acc.r2.cloudflarestorage.com"), "r2"),
            (Some("s3.fr-par.scw.cloud"), "scaleway"),
            (Some("storage.googleapis.com"), "gcs"),
            (Some("s3.eu-central-1.s4.mega.io"), "mega"),
            (Some("s3.g.S4.Mega.io."), "mega"),
            (Some("127.0.0.1"), "generic"),
            (Some("amazonaws.com.example.org"), "generic"),
        ] {
            assert_eq!(Provider::for_host(host).name, name, "{host:?}");
        }
    }
}
