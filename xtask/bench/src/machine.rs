//! The machine that the figures were taken on.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::measure::median;

/// Processor, cores, memory, kernel and the disk's fdatasync, in one line.
pub fn describe() -> String {
    let field = |file: &str, key: &str| -> Option<String> {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
    };
    let processor =
        field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kb = field("/proc/meminfo", "MemTotal")
        .and_then(|size| size.split(' ').next()?.parse::<u64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory_gb = memory_kb.unwrap_or_default() / (1 << 20);
    let sync = fdatasync_ms().map_or_else(|| "unknown".to_owned(), |ms| format!("{ms:.1} ms"));
    format!(
        "{processor}, {cores} cores, {memory_gb} GiB, Linux {}, `fdatasync` of a small append {sync}",
        kernel.trim()
    )
}

/// The date, as year, month and day.
pub fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    fhir::date::date(i64::try_from(millis).unwrap_or_default())
}

/// How long the disk takes to make a small append durable: nothing durable is faster.
fn fdatasync_ms() -> Option<f64> {
    let folder = tempfile::tempdir().ok()?;
    let mut file = File::create(folder.path().join("sync")).ok()?;
    let mut times = Vec::new();
    for _ in 0..50 {
        file.write_all(&[0; 1024]).ok()?;
        let began = Instant::now();
        file.sync_data().ok()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    Some(median(&times))
}
