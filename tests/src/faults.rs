//! What must not happen, made to happen to real processes: kills, cut links, storms, a full disk.
//! The numbers are those of the cases of faults that the project keeps.

mod broken_off;
mod clock;
mod cut_off;
mod full_disk;
mod kills;
mod large;
mod large_letters;
mod lines;
mod links;
mod memory;
mod new_certificate;
mod partition;
pub(crate) mod people;
mod phases;
mod poison;
mod reordered;
mod repeats;
mod reserve;
mod restricted;
mod rewound;
mod sharing;
mod silent;
mod syncs;

/// Numbers that look random and come again with the same seed.
struct Chance(u64);

impl Chance {
    /// `HANDOVER_TEST_SEED` plays a run again; without it each run differs and says its seed.
    fn new() -> Chance {
        let seed = std::env::var("HANDOVER_TEST_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(rand::random::<u64>);
        println!("HANDOVER_TEST_SEED={seed}");
        Chance(seed | 1)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        // xorshift64*: long enough for a test, and the same everywhere.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
