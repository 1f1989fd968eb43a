//! Rules that the node brings along, made up as examples. None is on until a person switches it on.

/// Each a PlanDefinition as JSON.
pub const EXAMPLES: [&str; 4] = [
    include_str!("examples/attendances.json"),
    include_str!("examples/results.json"),
    include_str!("examples/follow-up.json"),
    include_str!("examples/asthma.json"),
];
