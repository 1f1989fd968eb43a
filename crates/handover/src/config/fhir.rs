//! The FHIR door's settings.

use anyhow::bail;
use serde::Deserialize;

use super::section::section;

/// A body is held whole while it is read, and so is what is made of it.
const BODY_BYTES_MOST: usize = 64 << 20;

section! {
    /// What the FHIR door takes in and gives out at most. Beyond it a request is refused, and told why.
    FhirSection in "fhir" {
        /// The largest resource, in bytes, unpacked.
        resource_bytes_max: usize = "50331648", default;
        /// The largest Bundle, in bytes, unpacked.
        bundle_bytes_max: usize = "67108864", default;
        /// Objects or elements inside each other; at most 64.
        depth_max: u16 = "64", default;
        /// Entries in one Bundle; at most 20000.
        bundle_entries_max: usize = "20000", default;
        /// How long a search may take, in seconds.
        search_seconds_max: u64 = "20", default;
        /// Resources in one page of a search, whatever `_count` asks for; at most 1000.
        page_resources_max: u32 = "1000", default;
        /// Bytes of resources in one page, about; what comes along with them may have as many again.
        page_bytes_max: usize = "33554432", default;
        /// Resources that may come along with a page (`_include`, `_revinclude`); at most 20000.
        included_max: usize = "5000", default;
        /// Whether resources are found by the words of their narrative (`_text`) and of all text in them (`_content`). Takes
        /// room in the index, and time in each write; what is there already is indexed by it after the start.
        text_search: bool = "false", default;
        /// Steps of a chain or of `_has` inside each other; at most 8.
        chain_max: usize = "4", default;
        /// "single": a conditional delete deletes one resource, or none where several match. "multiple": all that match.
        conditional_delete: ConditionalDelete = "\"single\"", default;
        /// Resources that one conditional delete deletes where it may delete several; at most 4000.
        deleted_max: usize = "1000", default;
        /// Observations that `$lastn` looks through.
        last_n_observations_max: usize = "50000", default;
        /// Resources in a document that `$document` makes.
        document_resources_max: usize = "1000", default;
        /// The largest resource that `$validate` takes, in bytes: it is gone through up to five times.
        validate_bytes_max: usize = "4194304", default;
    }
}

/// How many resources a conditional delete may delete.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionalDelete {
    Single,
    Multiple,
}

impl From<ConditionalDelete> for web::fhir::ConditionalDelete {
    fn from(it: ConditionalDelete) -> web::fhir::ConditionalDelete {
        match it {
            ConditionalDelete::Single => web::fhir::ConditionalDelete::Single,
            ConditionalDelete::Multiple => web::fhir::ConditionalDelete::Multiple,
        }
    }
}

impl FhirSection {
    /// # Errors
    /// A value that the door cannot hold to, by its name.
    pub fn check(&self) -> anyhow::Result<()> {
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let body = wide(BODY_BYTES_MOST);
        for (name, value, least, most) in [
            (
                "resource_bytes_max",
                wide(self.resource_bytes_max),
                1024,
                body,
            ),
            ("bundle_bytes_max", wide(self.bundle_bytes_max), 1024, body),
            ("depth_max", u64::from(self.depth_max), 8, 64),
            (
                "bundle_entries_max",
                wide(self.bundle_entries_max),
                1,
                20_000,
            ),
            ("search_seconds_max", self.search_seconds_max, 1, 3600),
            (
                "page_resources_max",
                u64::from(self.page_resources_max),
                1,
                1000,
            ),
            ("page_bytes_max", wide(self.page_bytes_max), 1 << 20, body),
            ("included_max", wide(self.included_max), 1, 20_000),
            ("chain_max", wide(self.chain_max), 0, 8),
            ("deleted_max", wide(self.deleted_max), 1, 4000),
            (
                "last_n_observations_max",
                wide(self.last_n_observations_max),
                1,
                1_000_000,
            ),
            (
                "document_resources_max",
                wide(self.document_resources_max),
                1,
                20_000,
            ),
            (
                "validate_bytes_max",
                wide(self.validate_bytes_max),
                1024,
                body,
            ),
        ] {
            if !(least..=most).contains(&value) {
                bail!("fhir.{name}: {value} is not from {least} to {most}");
            }
        }
        Ok(())
    }

    /// What the door holds to.
    pub fn bounds(&self) -> web::fhir::Bounds {
        web::fhir::Bounds {
            resource_bytes_max: self.resource_bytes_max,
            bundle_bytes_max: self.bundle_bytes_max,
            depth_max: self.depth_max,
            entries_max: self.bundle_entries_max,
            page_resources_max: self.page_resources_max,
            chain_max: self.chain_max,
            deleted_max: self.deleted_max,
            last_n_observations_max: self.last_n_observations_max,
            document_resources_max: self.document_resources_max,
            validate_bytes_max: self.validate_bytes_max,
        }
    }
}
