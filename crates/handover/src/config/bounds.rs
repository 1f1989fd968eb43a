//! How large the parts of letters may be that other nodes send.

use anyhow::bail;
use exchange::bounds::Bounds;
use exchange::manifest::{CONTENT_BYTES_MAX, PLAIN_CONTENT_BYTES_MAX};

use super::ExchangeSection;

/// A MB, as settings mean it, in bytes.
const MB: u64 = 1 << 20;

impl ExchangeSection {
    /// # Errors
    /// Names the setting that is wrong.
    pub fn check_bounds(&self) -> anyhow::Result<()> {
        let bounds = self.bounds();
        // What every node has always taken, so that nobody is refused what went before.
        let (least, most) = (PLAIN_CONTENT_BYTES_MAX / MB, CONTENT_BYTES_MAX / MB);
        if !(PLAIN_CONTENT_BYTES_MAX..=CONTENT_BYTES_MAX).contains(&bounds.content) {
            bail!("exchange.content_mb_max: must be from {least} to {most}");
        }
        if bounds.parcel < bounds.content {
            bail!("exchange.parcel_mb_max: must not be less than exchange.content_mb_max");
        }
        if bounds.unfinished < bounds.parcel {
            bail!("exchange.unfinished_mb_max: must not be less than exchange.parcel_mb_max");
        }
        Ok(())
    }

    /// In bytes.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            content: u64::from(self.content_mb_max) * MB,
            parcel: u64::from(self.parcel_mb_max) * MB,
            unfinished: u64::from(self.unfinished_mb_max) * MB,
        }
    }
}
